"""The kernels' activations against float64: a SimpleRNN of one step whose weights let its input through."""

from tests.kernels.cases import (
    activation_inputs,
    assert_activation,
    every_isa,  # noqa: F401 - the last is a fixture
)
from unrolled.kernels import native
from unrolled.kernels.reference import ACTIVATIONS
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float32]

pytestmark = pytest.mark.usefixtures("every_isa")

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def activate(activation: str, inputs: Array, units: int) -> tuple[Array, Array]:
    """The activation of every input and its slope, computed with this number of units side by side."""
    recurrence = RecurrenceSpec("simple_rnn", activation=activation)
    rows = Inputs(inputs.reshape(-1, 1, units), np.eye(units, dtype=np.float32), np.zeros((units, units), np.float32))
    results, tape = native.forward(recurrence, rows, training=True)
    cotangents = Outputs(None, np.ones_like(results.h))
    slopes = native.backward(recurrence, rows, tape, cotangents, ["sequences"]).sequences
    return results.h.reshape(inputs.shape), slopes.reshape(inputs.shape)


@every_activation
def test_activations_and_slopes_equal_float64(activation: str) -> None:
    inputs = activation_inputs(100_000)
    assert_activation(activation, inputs, *activate(activation, inputs, units=64))


@every_activation
@pytest.mark.parametrize("units", [1, 2, 3, 4, 5, 8, 13, 16, 17, 31, 32, 33])
def test_activations_do_not_depend_on_their_position_in_a_vector(activation: str, units: int) -> None:
    inputs = np.linspace(-20, 20, 33, dtype=np.float32)
    one_by_one, _ = activate(activation, inputs, units=1)
    rotated = np.resize(inputs, (33, units))
    side_by_side, _ = activate(activation, rotated, units)
    np.testing.assert_array_equal(side_by_side, np.resize(one_by_one, (33, units)))


@every_activation
def test_infinity_gives_what_the_specification_gives(activation: str) -> None:
    infinities = np.array([-np.inf, np.inf])
    values, slopes = activate(activation, infinities.astype(np.float32), units=1)
    with np.errstate(invalid="ignore"):
        expected, expected_slopes = ACTIVATIONS[activation](infinities)
    np.testing.assert_array_equal(values, expected)
    if activation != "softsign":  # whose slope comes from its value, NaN
        np.testing.assert_allclose(slopes, expected_slopes, atol=1e-30)


@pytest.mark.parametrize(("activation", "constant"), [("relu", -1), ("hard_sigmoid", -4), ("hard_sigmoid", 4)])
@pytest.mark.parametrize("cotangent", [np.nan, np.inf])
def test_nothing_passes_where_an_activation_is_constant(activation: str, constant: float, cotangent: float) -> None:
    """As in Keras on JAX, which selects where others multiply by zero."""
    recurrence = RecurrenceSpec("simple_rnn", activation=activation)
    one = np.ones((1, 1), np.float32)
    inputs = Inputs(np.full((1, 1, 1), constant, np.float32), one, one)
    _, tape = native.forward(recurrence, inputs, training=True)
    gradients = native.backward(recurrence, inputs, tape, Outputs(None, one * cotangent), ["sequences", "kernel"])
    assert not gradients.sequences.any()
    assert not gradients.kernel.any()


@every_activation
def test_nan_gives_nan(activation: str) -> None:
    values, _ = activate(activation, np.array([np.nan, 1, -np.nan], np.float32), units=1)
    np.testing.assert_array_equal(np.isnan(values), [True, False, True])


@pytest.mark.parametrize(("activation", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1), ("hard_sigmoid", 0, 1)])
def test_gates_stay_between_their_bounds(activation: str, low: float, high: float) -> None:
    inputs = activation_inputs(100_000)
    values, slopes = activate(activation, inputs, units=64)
    assert low <= values.min() < values.max() <= high
    assert slopes.min() >= 0
