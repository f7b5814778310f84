"""A causal convolution that reads one token at a time sees padding in place of the tokens before it.

Right: reading a text token by token gives what reading it whole gives, or the network is refused.

Reference:
    tensorflow/tensorflow#47034, google-research/google-research#819, #1158, k2-fsa/icefall#661.
"""

import sys

from unrolled.errors import UnrolledError
from unrolled.layers import GRU
from unrolled.tasks.generation import StatefulDecoder

import keras
import numpy as np

tokens = keras.Input((None,), dtype="int32")
values = keras.layers.Embedding(9, 4)(tokens)
values = keras.layers.Conv1D(5, 3, padding="causal", activation="relu")(values)
values = keras.layers.Dense(9)(GRU(6, return_sequences=True)(values))
model, numbers = keras.Model(tokens, values), [3, 7, 2, 5, 8, 4]
whole = model.predict(np.array([numbers]), verbose=0)[0, -1]
try:
    decoder = StatefulDecoder(model)
except UnrolledError:
    sys.exit()
by_token = [decoder.step(number) for number in numbers][-1]
if not np.allclose(by_token, whole, atol=1e-5):
    sys.exit(f"whole: {whole.round(4).tolist()}; token by token: {by_token.round(4).tolist()}")
