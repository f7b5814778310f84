"""tf.function(model, jit_compile=True) ends in TensorFlow's sentence about a missing OpKernel.

Right: it computes (by Keras' own loop), or fails with the remedy: kernel="reference" or unrolled.to_keras.

Reference:
    tensorflow/tensorflow#99385, #108080, keras-team/keras#18456.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

from unrolled.layers import LSTM

import keras
import numpy as np
import tensorflow as tf

model = keras.Sequential([keras.Input((7, 3)), LSTM(5), keras.layers.Dense(2)])
x = tf.constant(np.random.default_rng(0).normal(size=(4, 7, 3)).astype("float32"))
try:
    outputs = tf.function(model, jit_compile=True)(x)
except Exception as error:
    text = " ".join(str(error).split())
    sys.exit(None if "reference" in text or "to_keras" in text else f"{type(error).__name__}: {text[:400]}")
if not np.allclose(outputs, model(x), atol=1e-5):
    sys.exit(f"largest difference {np.abs(outputs - model(x)).max():.2g}")
