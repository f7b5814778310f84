"""Keras layers: recurrent ones computed by native CPU kernels, and preprocessing.

`LSTM`, `GRU` and `SimpleRNN` have the arguments, weights and results of the Keras layers of the same names. `ReadImage`
and `ReadSeries` turn images and time series into the sequences that they read. `GlobalMaxPooling1D` leaves masked steps
out, which Keras' does not, and `LastSteps` takes the steps of a forecast's horizon.

Example:
    >>> from unrolled.layers import LSTM
    >>> LSTM(4).compute_output_shape((None, 28, 8))
    (None, 4)
"""

import unrolled.gaps
import unrolled.losses  # noqa: F401 - registered, as a saved network may have one
from unrolled.layers.pooling import GlobalMaxPooling1D, LastSteps
from unrolled.layers.preprocessing import ReadImage, ReadSeries
from unrolled.layers.recurrent import GRU, LSTM, SimpleRNN

__all__ = ["GRU", "LSTM", "GlobalMaxPooling1D", "LastSteps", "ReadImage", "ReadSeries", "SimpleRNN"]
