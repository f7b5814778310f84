"""How fast the layers are: peers side by side in one run, outputs and gradients checked equal before anything is timed.

``python -m benchmarks --help`` says how to run it, ``docs/performance.md`` what came out.
"""
