"""On JAX, predict forgets the state of a stateful layer between two batches.

Right: a stateful layer continues where the last batch ended (Keras' documentation of RNN), so a sequence that is read
in two halves gives what the whole gives; or it is refused.

Reference:
    keras-team/keras#14155, #1128, #20327, #4379.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"

from unrolled.errors import UnrolledError
from unrolled.layers import LSTM

import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(1, 10, 3)).astype("float32")
whole = keras.Sequential([keras.Input(batch_shape=(1, None, 3)), LSTM(4, return_sequences=True)])
try:
    halves = keras.Sequential([keras.Input(batch_shape=(1, None, 3)), LSTM(4, return_sequences=True, stateful=True)])
    halves.set_weights(whole.get_weights())
    expected = whole.predict(x, verbose=0)
    found = np.concatenate([halves.predict(part, verbose=0) for part in (x[:, :5], x[:, 5:])], axis=1)
except UnrolledError:
    sys.exit()
apart = np.abs(found - expected)
if not np.allclose(found, expected, atol=1e-5):
    sys.exit(f"largest difference: first half {apart[:, :5].max():.2g}, second half {apart[:, 5:].max():.2g}")
