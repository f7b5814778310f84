"""Transformations of JAX that no kernel has: Keras' own loop computes them, and they equal those of Keras' layers."""

from collections.abc import Callable
from typing import Any

from tests.layers.comparison import LAYERS, both, sequences

import jax
import jax.export
import jax.numpy as jnp
import keras
import numpy as np
import pytest

X = jnp.asarray(sequences(batch=2, time=3))

Function = Callable[[Any], Any]


def scalar(function: Function) -> Function:
    return lambda x: jnp.sum(function(x) ** 2)


def exported(function: Function) -> Any:
    return jax.export.deserialize(jax.export.export(jax.jit(function))(X).serialize())


WAYS: dict[str, Callable[[Function], Any]] = {
    "jvp": lambda function: jax.jvp(function, (X,), (X,)),
    "jvp of jit": lambda function: jax.jvp(jax.jit(function), (X,), (X,)),
    "jit of jvp": lambda function: jax.jit(lambda x: jax.jvp(function, (x,), (x,)))(X),
    "jacfwd": lambda function: jax.jacfwd(function)(X),
    "linearize": lambda function: jax.linearize(function, X)[1](X),
    "hessian": lambda function: jax.hessian(scalar(function))(X),
    "forward over reverse": lambda function: jax.jvp(jax.grad(scalar(function)), (X,), (X,)),
    "reverse over reverse": lambda function: jax.grad(lambda x: jnp.sum(jax.grad(scalar(function))(x) ** 2))(X),
    "jacrev of grad": lambda function: jax.jit(jax.jacrev(jax.grad(scalar(function))))(X),
    "export": lambda function: exported(function).call(X),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("way", WAYS)
def test_transformations_equal_keras(kind: str, way: str) -> None:
    ours, theirs = both(kind, return_sequences=True)
    found, expected = (jax.tree.leaves(WAYS[way](layer)) for layer in (ours, theirs))
    assert "no native kernel" in ours.kernel_used
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    ours(X)
    assert ours.kernel_used == "native"


def test_a_gradient_is_still_computed_by_kernels() -> None:
    ours, _ = both("LSTM")
    for gradient in (jax.grad(scalar(ours)), jax.jit(jax.grad(scalar(ours))), jax.jacrev(ours)):
        gradient(X)
        assert ours.kernel_used == "native"


def test_derivatives_by_weights_of_a_model() -> None:
    """Where no tracer is among the inputs of the layer."""
    ours, theirs = both("GRU")
    found = []
    for layer in (ours, theirs):
        model = keras.Sequential([layer, keras.layers.Dense(1, kernel_initializer="ones")])
        model.build(X.shape)
        weights = [variable.value for variable in model.trainable_variables]

        def run(weights: list[Any], model: keras.Model = model) -> Any:
            return model.stateless_call(weights, [one.value for one in model.non_trainable_variables], X)[0]

        found.append(jax.jvp(run, (weights,), (weights,)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
