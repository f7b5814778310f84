"""torch's vectorised Jacobian (a vmap over the backward pass) fails without naming a remedy.

Right: it gives what the loop gives, or the refusal names the remedy (kernel="reference"). Saliency, sensitivity and
Koopman analyses of recurrent networks use it.

Reference:
    pytorch/pytorch#25315, keras-team/keras#21390, meta-pytorch/captum#1205.
"""

import os
import sys
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

from unrolled.layers import LSTM

import keras
import torch

torch.manual_seed(0)
model = keras.Sequential([keras.Input((6, 3)), LSTM(5), keras.layers.Dense(2)])
x = torch.randn(1, 6, 3)
jacobian: Any = torch.autograd.functional.jacobian
by_loop = jacobian(model, x)
try:
    at_once = jacobian(model, x, vectorize=True)
except Exception as error:
    text = " ".join(str(error).split())
    sys.exit(None if "reference" in text else f"{type(error).__name__}: {text[:300]}")
if not torch.allclose(at_once, by_loop, atol=1e-6):
    sys.exit(f"largest difference {(at_once - by_loop).abs().max().item():.2g}")
