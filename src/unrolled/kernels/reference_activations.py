"""Every activation with its slope: v -> (y, dy/dv), elementwise in float64, as Keras defines them.

At a kink the slope is the one from the flat side, as on every Keras backend: relu'(0) = 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, expit

Array = NDArray[np.float64]
Activation = Callable[[Array], tuple[Array, Array]]


def linear(v: Array) -> tuple[Array, Array]:
    """No bound and no bend: y = v."""
    return v, np.ones_like(v)


def tanh(v: Array) -> tuple[Array, Array]:
    """From -1 to 1: y = (e^v - e^-v) / (e^v + e^-v), y' = 1 - y^2."""
    y = np.tanh(v)
    return y, 1 - y * y


def sigmoid(v: Array) -> tuple[Array, Array]:
    """A gate, from 0 (closed) to 1 (open): y = 1 / (1 + e^-v), y' = y (1 - y)."""
    y = expit(v)
    return y, y * (1 - y)


def hard_sigmoid(v: Array) -> tuple[Array, Array]:
    """A gate made of three straight lines: y = min(max(v + 3, 0), 6) / 6."""
    return np.clip(v + 3, 0, 6) / 6, np.where(np.abs(v) < 3, 1 / 6, 0)


def relu(v: Array) -> tuple[Array, Array]:
    """Nothing below zero: y = max(v, 0)."""
    return np.maximum(v, 0), np.where(v > 0, 1.0, 0)


def elu(v: Array) -> tuple[Array, Array]:
    """As relu, but falling smoothly to -1: y = v above zero, e^v - 1 below."""
    below = np.minimum(v, 0)
    return np.where(v > 0, v, np.expm1(below)), np.exp(below)


def softsign(v: Array) -> tuple[Array, Array]:
    """As tanh, but slower to saturate: y = v / (1 + |v|), y' = 1 / (1 + |v|)^2."""
    scale = 1 + np.abs(v)
    return v / scale, 1 / scale**2


def softplus(v: Array) -> tuple[Array, Array]:
    """As relu with the kink rounded: y = log(1 + e^v) = max(v, 0) + log(1 + e^-|v|), y' = sigmoid(v)."""
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v))), expit(v)


def silu(v: Array) -> tuple[Array, Array]:
    """A value that is its own gate: y = v s with s = sigmoid(v), y' = s + v s (1 - s)."""
    s = expit(v)
    return v * s, s + v * s * (1 - s)


def gelu(v: Array) -> tuple[Array, Array]:
    """A value gated by the normal distribution: y = v P, P = (1 + erf(v / sqrt 2)) / 2, y' = v P' + P."""
    p = erfc(-v / np.sqrt(2)) / 2
    density = np.exp(-v * v / 2) / np.sqrt(2 * np.pi)
    return v * p, v * density + p


ACTIVATIONS: dict[str, Activation] = {
    activation.__name__: activation
    for activation in (linear, tanh, sigmoid, hard_sigmoid, relu, elu, softsign, softplus, silu, gelu)
}
"""By the names that Keras gives them."""
