"""Gradients of a function of several tensors, on TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a scalar function of tensors with respect to each of them."""
    with tf.GradientTape() as tape:
        for tensor in at:
            tape.watch(tensor)
        value = loss(at)
    found: Sequence[Any] = tape.gradient(value, list(at), unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return found
