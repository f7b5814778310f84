"""On JAX, a trained network that eight threads use at once fails.

Right: each thread gets what it gets alone, from the first prediction on (a web server).

Reference:
    tensorflow/tensorflow#61298, keras-team/keras#5640, eliorc/denzel#4, rkcosmos/deepcut#25.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("KERAS_BACKEND", "jax")

from unrolled import SequenceClassifier

import numpy as np

x = np.random.default_rng(0).normal(size=(80, 15, 4)).astype("float32")
# The second has predicted nothing yet.
alone, shared = (
    SequenceClassifier(units=32, layers=2, epochs=1, random_state=0).fit(x, np.arange(80) % 3) for _ in range(2)
)
expected = [alone.predict_proba(x[i : i + 1 + i % 5]) for i in range(64)]
try:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: shared.predict_proba(x[i : i + 1 + i % 5]), range(64)))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
apart = max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))
if apart > 1e-5:
    sys.exit(f"largest difference {apart:.2g}")
