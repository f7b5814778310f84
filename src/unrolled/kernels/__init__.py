"""Recurrent kernels: arrays in, arrays out, without Keras and without a framework.

::

    spec.py         the interface: RecurrenceSpec, Inputs, Outputs
    reference.py    the specification of every kernel, in NumPy and float64
    native.py       the compiled kernels over whole sequences: forward, backward
    stream.py       the compiled kernels one step at a time: Stream
"""
