"""A native layer and Keras' own with equal weights: outputs and gradients, on the backend that the tests run on."""

from collections.abc import Callable, Sequence
from typing import Any

import unrolled.layers

import keras
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Differentiated = Callable[[list[Array], Sequence[int]], tuple[list[Array], list[Array]]]

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

    def call(layer: Any, arrays: list[Any]) -> list[Any]:
        states = {"initial_state": arrays[1:]} if len(arrays) > 1 else {}
        return list(keras.tree.flatten(layer(arrays[0], **states, **arguments)))

    return differentiator(layer, call)(arrays, range(len(arrays)))


def differentiator(layer: Any, call: Callable[[Any, list[Any]], list[Any]]) -> Differentiated:
    """A function of arrays and of the numbers of those that have gradients, compiled for each list of shapes on JAX.

    Args:
        layer: A layer or a model.
        call: Returns the outputs of the layer for tensors.

    Returns:
        A function that returns the outputs, and the gradients of a loss in which each output has a weight of its own
        with respect to these arrays and to the layer's weights.
    """
    function = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.backend.backend()](layer, call)

    def differentiate(arrays: list[Array], wanted: Sequence[int]) -> tuple[list[Array], list[Array]]:
        outputs, gradients = function(arrays, wanted)
        return _as_numpy(outputs), _as_numpy(gradients)

    return differentiate


def assert_equal(ours: Sequence[Array], theirs: Sequence[Array], *, tolerance: float) -> None:
    """Assert equality up to ``tolerance``, relative to each value and, near zero, to the largest one."""
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=tolerance * max(1e-3, float(np.abs(their).max())))


def _as_numpy(tensors: Sequence[Any]) -> list[Array]:
    return [np.array(keras.ops.convert_to_numpy(tensor), "float32") for tensor in tensors]


def _loss(outputs: list[Any]) -> Any:
    random = np.random.default_rng(3)
    weights = (keras.ops.convert_to_tensor(random.normal(size=output.shape), "float32") for output in outputs)
    products = (keras.ops.cast(output, "float32") * weight for output, weight in zip(outputs, weights, strict=True))
    return sum(keras.ops.sum(product) for product in products)


def _jax(layer: Any, call: Any) -> Any:
    import jax

    constant = [variable.value for variable in layer.non_trainable_variables]

    def loss(weights: list[Any], floats: dict[int, Any], others: dict[int, Any]) -> tuple[Any, list[Any]]:
        with keras.StatelessScope(
            [
                *zip(layer.trainable_variables, weights, strict=True),
                *zip(layer.non_trainable_variables, constant, strict=True),
            ]
        ):
            outputs = call(layer, [tensor for _, tensor in sorted((floats | others).items())])
        return _loss(outputs), outputs

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(1, 0), has_aux=True), compiler_options=_FAST_TO_COMPILE)

    def function(arrays: list[Array], wanted: Sequence[int]) -> tuple[list[Any], list[Any]]:
        tensors = {number: jax.numpy.asarray(array) for number, array in enumerate(arrays)}
        floats = {number: tensors.pop(number) for number in wanted}
        weights = [variable.value for variable in layer.trainable_variables]
        (_, outputs), (by_arrays, by_weights) = compiled(weights, floats, tensors)
        return outputs, [*by_arrays.values(), *by_weights]

    return function


def _tensorflow(layer: Any, call: Any) -> Any:
    import tensorflow as tf

    def function(arrays: list[Array], wanted: Sequence[int]) -> tuple[list[Any], list[Any]]:
        tensors = [tf.constant(array) for array in arrays]
        at = [*(tensors[number] for number in wanted), *(variable.value for variable in layer.trainable_variables)]
        with tf.GradientTape() as tape:
            tape.watch(at)
            outputs = call(layer, tensors)
            loss = _loss(outputs)
        return outputs, tape.gradient(loss, at, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return function


def _torch(layer: Any, call: Any) -> Any:
    import torch

    def function(arrays: list[Array], wanted: Sequence[int]) -> tuple[list[Any], list[Any]]:
        tensors = [torch.tensor(array, requires_grad=number in wanted) for number, array in enumerate(arrays)]
        outputs = call(layer, tensors)
        at = [*(tensors[number] for number in wanted), *(variable.value for variable in layer.trainable_variables)]
        return outputs, list(torch.autograd.grad(_loss(outputs), at, materialize_grads=True))

    return function
