"""Gradients of a function of several tensors, on torch."""

from collections.abc import Callable, Sequence
from typing import Any

import torch


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a scalar function of tensors with respect to each of them."""
    tensors = [tensor.detach().requires_grad_() for tensor in at]
    with torch.enable_grad():
        value = loss(tensors)
        return torch.autograd.grad(value, tensors, materialize_grads=True)
