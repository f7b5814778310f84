"""Recurrent layers that take the place of Keras' own: the same arguments, weights and numbers; and what reads data.

Example:
    >>> from unrolled.layers import LSTM
    >>> LSTM(4).compute_output_shape((None, 28, 8))
    (None, 4)
"""

from unrolled.layers.gru import GRU
from unrolled.layers.lstm import LSTM
from unrolled.layers.read_image import ReadImage
from unrolled.layers.read_series import ReadSeries
from unrolled.layers.simple_rnn import SimpleRNN

__all__ = ["GRU", "LSTM", "ReadImage", "ReadSeries", "SimpleRNN"]
