"""A native layer and Keras' own with equal weights: outputs and gradients, on the backend that the tests run on."""

from collections.abc import Sequence
from typing import Any

import unrolled.layers

import keras
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BATCH, TIME, FEATURES, UNITS = 3, 7, 4, 5

LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "GRU, reset before": ("GRU", {"reset_after": False}),
    "SimpleRNN": ("SimpleRNN", {}),
}

# Rows that are full, empty, and masked at their start, in the middle and at their end.
MASKS: dict[str, Array] = {
    "holes": np.array([[1, 1, 0, 1, 0, 0, 1], [1, 0, 0, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1]], bool),
    "leading": np.array([[0, 0, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]], bool),
}

_FAST_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def both(kind: str, batch: int | None = None, **arguments: Any) -> tuple[keras.Layer, keras.Layer]:
    """The native layer and Keras' layer of the same name, with equal weights, for inputs [batch, T, FEATURES]."""
    name, own = LAYERS[kind]
    ours = getattr(unrolled.layers, name)(UNITS, **own, **arguments)
    theirs = getattr(keras.layers, name)(UNITS, **own, **arguments)
    for layer in (ours, theirs):
        layer.build((batch, None, FEATURES))
    random = np.random.default_rng(1)
    weights = [random.normal(scale=0.4, size=variable.shape) for variable in theirs.trainable_variables]
    for layer in (ours, theirs):
        for variable, value in zip(layer.trainable_variables, weights, strict=True):
            variable.assign(value)
    return ours, theirs


def sequences(batch: int = BATCH, time: int = TIME) -> Array:
    return np.random.default_rng(0).normal(size=(batch, time, FEATURES)).astype(np.float32)


def initial_state(kind: str) -> list[Array]:
    random = np.random.default_rng(2)
    return [random.normal(size=(BATCH, UNITS)).astype(np.float32) for _ in range(2 if kind == "LSTM" else 1)]


def differentiate(layer: keras.Layer, arrays: list[Array], **arguments: Any) -> tuple[list[Array], list[Array]]:
    """The outputs, and the gradients of a loss with respect to ``arrays`` (sequences, initial states) and weights."""
    function = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.backend.backend()]
    outputs, gradients = function(layer, arrays, arguments)
    return [np.array(keras.ops.convert_to_numpy(output)) for output in outputs], [
        np.array(keras.ops.convert_to_numpy(gradient)) for gradient in gradients
    ]


def assert_equal(ours: Sequence[Array], theirs: Sequence[Array], *, tolerance: float) -> None:
    """Assert equality up to ``tolerance``, relative to each value and, near zero, to the largest one."""
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=tolerance * max(1e-3, float(np.abs(their).max())))


def _call(layer: keras.Layer, arrays: list[Any], arguments: dict[str, Any]) -> tuple[list[Any], Any]:
    """The layer's outputs, and a loss in which each has a weight of its own."""
    states = {"initial_state": arrays[1:]} if len(arrays) > 1 else {}
    outputs = keras.tree.flatten(layer(arrays[0], **states, **arguments))
    return outputs, _loss(outputs)


def _loss(outputs: list[Any]) -> Any:
    random = np.random.default_rng(3)
    weights = (keras.ops.convert_to_tensor(random.normal(size=output.shape), "float32") for output in outputs)
    return sum(keras.ops.sum(output * weight) for output, weight in zip(outputs, weights, strict=True))


def _jax(layer: keras.Layer, arrays: list[Array], arguments: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    import jax

    constant = [variable.value for variable in layer.non_trainable_variables]

    def loss(weights: list[Any], arrays: list[Any]) -> tuple[Any, list[Any]]:
        with keras.StatelessScope(
            [
                *zip(layer.trainable_variables, weights, strict=True),
                *zip(layer.non_trainable_variables, constant, strict=True),
            ]
        ):
            outputs, value = _call(layer, arrays, arguments)
        return value, outputs

    weights = [variable.value for variable in layer.trainable_variables]
    tensors = [jax.numpy.asarray(array) for array in arrays]
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(1, 0), has_aux=True), compiler_options=_FAST_TO_COMPILE)
    (_, outputs), gradients = compiled(weights, tensors)
    return outputs, [*gradients[0], *gradients[1]]


def _tensorflow(layer: keras.Layer, arrays: list[Array], arguments: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs, value = _call(layer, tensors, arguments)
    return outputs, tape.gradient(value, [*tensors, *(variable.value for variable in layer.trainable_variables)])


def _torch(layer: keras.Layer, arrays: list[Array], arguments: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    outputs, value = _call(layer, tensors, arguments)
    wanted = [*tensors, *(variable.value for variable in layer.trainable_variables)]
    return outputs, list(torch.autograd.grad(value, wanted))
