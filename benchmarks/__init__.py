"""Benchmarks of the layers beside their peers, in one run; outputs and gradients are checked equal before timing.

``python -m benchmarks --help`` lists the options; ``docs/performance.md`` has the results.
"""
