"""The gradient through time, on each backend."""

from typing import Any

from tests.diagnostics.networks import bumps, compiled, reader
from unrolled.diagnostics.examples import Examples
from unrolled.diagnostics.probe import (
    LocatedLayer,
    Trace,
    gradient_range,
    input_gradients,
    list_layers,
    norms_over_time,
)
from unrolled.diagnostics.target import target_of_model
from unrolled.diagnostics.training_rules import exploding_gradient, vanishing_gradient
from unrolled.layers import GRU, LSTM, SimpleRNN

import keras
import numpy as np
import pytest


def check_gradients(model: keras.Model, inputs: Any, targets: Any) -> list[tuple[str, str]]:
    target = target_of_model(model, inputs, targets)
    trace = Trace(model, target.first_examples(16))
    return [(f.code, f.where) for rule in (exploding_gradient, vanishing_gradient) for f in rule.check(target, trace)]


def recurrent(gain: float, **arguments: Any) -> keras.Layer:
    return SimpleRNN(6, recurrent_initializer=keras.initializers.Orthogonal(gain, seed=0), **arguments)


@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn"])
def test_the_gradient_of_the_inputs_of_a_layer_is_the_slope_of_the_loss(cell: str) -> None:
    model, (inputs, targets) = reader(cell=cell), bumps(examples=6, time=6)
    layer = list_layers(model)[0]
    (gradient,) = input_gradients(model, Examples(inputs, targets), [layer])
    assert gradient.shape == inputs.shape
    step = np.zeros_like(inputs)
    step[2, 1, 3] = 1e-2
    higher, lower = (float(keras.ops.mean(loss(model, inputs + s, targets))) for s in (step, -step))
    assert gradient[2, 1, 3] == pytest.approx((higher - lower) / 2e-2, rel=0.02, abs=1e-5)


def loss(model: keras.Model, inputs: Any, targets: Any) -> Any:
    return model.compute_loss(y=keras.ops.convert_to_tensor(targets), y_pred=model(inputs))


def test_the_gradient_reaches_layers_behind_others_and_within_both_directions() -> None:
    model = compiled(LSTM(5, return_sequences=True), keras.layers.Bidirectional(GRU(4)), keras.layers.Dense(3))
    inputs, targets = bumps(examples=6)
    located = [layer for layer in list_layers(model) if not isinstance(layer.layer, keras.layers.Dense)]
    assert [layer.path for layer in located] == [(0,), (1,), (1, "forward_layer"), (1, "backward_layer")]
    gradients = input_gradients(model, Examples(inputs, targets), located)
    assert [gradient.shape for gradient in gradients] == [(6, 12, 4), (6, 12, 5), (6, 12, 5), (6, 12, 5)]
    np.testing.assert_allclose(gradients[1], gradients[2] + gradients[3], atol=1e-6)
    assert isinstance(located[0], LocatedLayer)


def test_a_gradient_that_vanishes_is_found() -> None:
    model = compiled(recurrent(0.3), keras.layers.Dense(3), shape=(30, 4))
    assert check_gradients(model, *bumps(time=30)) == [("vanishing-gradient", "layers[0].SimpleRNN")]


def test_a_gradient_that_explodes_is_found() -> None:
    model = compiled(recurrent(1.5, activation="linear"), keras.layers.Dense(3), shape=(30, 4))
    inputs, targets = bumps(time=30)
    assert check_gradients(model, 1e-4 * inputs, targets) == [("exploding-gradient", "layers[0].SimpleRNN")]


def test_a_gradient_that_vanishes_on_its_way_from_either_end_is_found() -> None:
    model = compiled(keras.layers.Bidirectional(recurrent(0.1)), keras.layers.Dense(3), shape=(30, 4))
    assert check_gradients(model, *bumps(time=30)) == [("vanishing-gradient", "layers[0].Bidirectional")]


def test_reading_backwards_turns_near_and_far_around() -> None:
    model = compiled(recurrent(1.5, activation="linear", go_backwards=True), keras.layers.Dense(3), shape=(30, 4))
    inputs, targets = bumps(time=30)
    assert check_gradients(model, 1e-4 * inputs, targets) == [("exploding-gradient", "layers[0].SimpleRNN")]


@pytest.mark.parametrize("seed", range(3))
def test_healthy_layers_have_no_problem(seed: int) -> None:
    for layer in (LSTM(8), GRU(8), keras.layers.Bidirectional(LSTM(4)), LSTM(8, go_backwards=True)):
        assert check_gradients(compiled(layer, keras.layers.Dense(3), seed=seed), *bumps(seed)) == []


def test_masked_steps_do_not_count() -> None:
    model = compiled(keras.layers.Masking(), LSTM(8), keras.layers.Dense(3))
    inputs, targets = bumps()
    inputs[:, 6:] = 0
    assert check_gradients(model, inputs, targets) == []
    norms = norms_over_time(np.ones((2, 3, 4)), np.array([[True, False, False], [True, True, False]]))
    np.testing.assert_array_equal(norms, [2, 2, np.nan])


def test_the_gradient_range_is_relative_to_the_steps_read_last() -> None:
    norms = np.array([1e-6, 1e-3, 1, 2, 10, 10, 10, 10.0])
    assert gradient_range(norms, is_backwards=False, is_bidirectional=False) == (1e-7, 1)
    assert gradient_range(norms, is_backwards=True, is_bidirectional=False)[1] == pytest.approx(
        20 / 1.001e-3 / 1, rel=0.01
    )
    assert gradient_range(norms, is_backwards=False, is_bidirectional=True) == (1e-7, 1)
    assert gradient_range(np.zeros(8), is_backwards=False, is_bidirectional=False) == (1, 1)
    assert gradient_range(np.array([1.0, 2, np.inf, 1]), is_backwards=False, is_bidirectional=False) == (1, np.inf)
