"""Gradients of a function of several tensors, on JAX."""

from collections.abc import Callable, Sequence
from typing import Any

import jax


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a scalar function of tensors with respect to each of them."""
    found: Sequence[Any] = jax.grad(loss)(list(at))
    return found
