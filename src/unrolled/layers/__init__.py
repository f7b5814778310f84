"""Recurrent layers that take the place of Keras' own: the same arguments, weights and numbers; and what reads data.

Example:
    >>> from unrolled.layers import LSTM
    >>> LSTM(4).compute_output_shape((None, 28, 8))
    (None, 4)
"""

from unrolled.layers.preprocessing import ReadImage, ReadSeries
from unrolled.layers.recurrent import GRU, LSTM, SimpleRNN

__all__ = ["GRU", "LSTM", "ReadImage", "ReadSeries", "SimpleRNN"]
