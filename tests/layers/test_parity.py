"""The contract: whatever its arguments, a native layer has the outputs and gradients of Keras' layer."""

from typing import Any

from tests.layers.comparison import (
    BATCH,
    LAYERS,
    MASKS,
    TIME,
    UNITS,
    assert_equal,
    both,
    differentiate,
    initial_state,
    sequences,
)

import keras
import numpy as np
import pytest

OUTPUTS = 1e-5
GRADIENTS = 1e-4

# Arguments of the layer, and of the call: the name of a mask, whether it has initial states, training.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "states": ({"return_sequences": True, "return_state": True}, {"states": True}),
    "only states": ({"return_state": True, "go_backwards": True}, {"states": True, "mask": "holes"}),
    "backwards": ({"go_backwards": True, "return_sequences": True}, {"mask": "holes"}),
    "leading": ({"return_sequences": True, "return_state": True}, {"mask": "leading"}),
    "leading backwards": ({"go_backwards": True, "return_state": True}, {"mask": "leading"}),
    "zeros": (
        {"return_sequences": True, "return_state": True, "zero_output_for_mask": True},
        {"states": True, "mask": "leading"},
    ),
    "last is zero": ({"zero_output_for_mask": True}, {"mask": "holes"}),
    "no bias": ({"use_bias": False, "go_backwards": True}, {"states": True}),
    "unrolled": ({"unroll": True, "return_sequences": True}, {"states": True}),
    "dropout": ({"dropout": 0.3, "seed": 7}, {"training": True}),
    "recurrent dropout": (
        {"recurrent_dropout": 0.4, "seed": 7, "return_sequences": True, "go_backwards": True},
        {"training": True, "mask": "holes"},
    ),
    "both dropouts": (
        {"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 7, "return_state": True, "use_bias": False},
        {"training": True, "states": True},
    ),
    "dropouts at rest": ({"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 7}, {"training": False}),
}

# Arguments that not every layer has.
SPECIAL: dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]] = {
    "implementation": (("LSTM", "GRU", "GRU, reset before"), {"implementation": 1}, {"states": True}),
    "implementation and dropout": (
        ("LSTM", "GRU", "GRU, reset before"),
        {"implementation": 1, "dropout": 0.3, "seed": 7, "use_cudnn": False},
        {"training": True, "mask": "holes"},
    ),
    "unit_forget_bias": (("LSTM",), {"unit_forget_bias": False}, {}),
}

ACTIVATIONS = ("linear", "tanh", "sigmoid", "hard_sigmoid", "relu", "elu", "softsign", "softplus", "silu", "gelu")


def assert_parity(kind: str, arguments: dict[str, Any], call: dict[str, Any], *, time: int = TIME) -> None:
    ours, theirs = both(kind, **arguments)
    arrays = [sequences(time=time), *(initial_state(kind) if call.get("states") else [])]
    options = {"training": call.get("training", False)}
    if "mask" in call:
        options["mask"] = keras.ops.convert_to_tensor(MASKS[call["mask"]])
    outputs, gradients = zip(*(differentiate(layer, arrays, **options) for layer in (ours, theirs)), strict=True)
    assert ours.kernel_used == "native"
    assert_equal(*outputs, tolerance=OUTPUTS)
    assert_equal(*gradients, tolerance=GRADIENTS)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_equal_keras(kind: str, case: str) -> None:
    assert_parity(kind, *CASES[case])


@pytest.mark.parametrize(("case", "kind"), [(case, kind) for case, (kinds, *_) in SPECIAL.items() for kind in kinds])
def test_arguments_of_some_layers_equal_keras(case: str, kind: str) -> None:
    assert_parity(kind, *SPECIAL[case][1:])


@pytest.mark.parametrize("index", range(len(ACTIVATIONS)), ids=ACTIVATIONS)
def test_every_activation_in_both_roles_equals_keras(index: int) -> None:
    arguments = {"activation": ACTIVATIONS[index], "recurrent_activation": ACTIVATIONS[-1 - index]}
    assert_parity("LSTM", arguments, {}, time=2)  # gates without bounds: longer, and values leave every scale


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="of NaN and infinity, the backends make different things")
@pytest.mark.parametrize("index", range(len(ACTIVATIONS)), ids=ACTIVATIONS)
def test_nan_and_infinity_travel_as_in_keras(index: int) -> None:
    activation, kind = ACTIVATIONS[index], list(LAYERS)[index % len(LAYERS)]
    gates: dict[str, Any] = {} if kind == "SimpleRNN" else {"recurrent_activation": ACTIVATIONS[-1 - index]}
    pair = both(kind, activation=activation, return_sequences=True, **gates)
    batch = sequences(batch=9, time=2)
    batch[range(9), 0, 1] = [np.nan, np.inf, -np.inf, 1e-40, -1e-45, 0, -0.0, 5, -5]
    (outputs, gradients), expected = (differentiate(layer, [batch]) for layer in pair)
    np.testing.assert_allclose(outputs[0], expected[0][0], rtol=OUTPUTS, atol=OUTPUTS)
    for one, other in zip(gradients, expected[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=GRADIENTS, atol=GRADIENTS * np.nanmax(np.abs([*other.flat, 1e-3])))


@pytest.mark.parametrize("kind", LAYERS)
def test_outputs_before_the_first_unmasked_step_are_zero(kind: str) -> None:
    """As Keras does on TensorFlow and torch; its loop on JAX gives the initial state."""
    ours, theirs = both(kind, return_sequences=True)
    outputs = [
        keras.ops.convert_to_numpy(
            layer(sequences(), initial_state=initial_state(kind), mask=keras.ops.convert_to_tensor(MASKS["leading"]))
        )
        for layer in (ours, theirs)
    ]
    hidden = np.logical_not(np.logical_or.accumulate(MASKS["leading"], axis=1))
    assert not outputs[0][hidden].any()
    equal = ~hidden if keras.backend.backend() == "jax" else np.ones_like(hidden)
    assert_equal([outputs[0][equal]], [outputs[1][equal]], tolerance=OUTPUTS)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_stateful_layer_keeps_its_state(kind: str) -> None:
    ours, theirs = both(kind, batch=BATCH, stateful=True, return_sequences=True)
    for _ in range(2):
        outputs = [[keras.ops.convert_to_numpy(layer(sequences()))] for layer in (ours, theirs)]
        assert_equal(*outputs, tolerance=OUTPUTS)
    states = [keras.ops.convert_to_numpy(state) for state in ours.states]
    assert_equal(states, [keras.ops.convert_to_numpy(state) for state in theirs.states], tolerance=OUTPUTS)
    # Keras' own loop cannot be differentiated here on torch.
    stateless, _ = both(kind, return_sequences=True)
    expected = differentiate(stateless, [sequences(), *states])
    actual = differentiate(ours, [sequences()])
    assert_equal(actual[0], expected[0], tolerance=OUTPUTS)
    assert_equal(actual[1], [expected[1][0], *expected[1][1 + len(states) :]], tolerance=GRADIENTS)
    ours.reset_state()
    assert not any(keras.ops.convert_to_numpy(state).any() for state in ours.states)


@pytest.mark.parametrize("kind", LAYERS)
def test_integer_inputs_are_converted(kind: str) -> None:
    ours, theirs = both(kind)
    counts = np.arange(24, dtype="int32").reshape(2, 3, 4) % 5
    assert_equal(*([keras.ops.convert_to_numpy(layer(counts))] for layer in (ours, theirs)), tolerance=OUTPUTS)
    assert ours.kernel_used == "native"
    assert ours(counts).shape == (2, UNITS)


def test_a_wrapper_may_hand_on_inputs_of_another_dtype() -> None:
    layers = both("LSTM", dtype="bfloat16", recurrent_initializer="zeros")
    x = sequences()[:, None]
    outputs = [[np.array(keras.ops.convert_to_numpy(keras.layers.TimeDistributed(one)(x)), float)] for one in layers]
    assert "bfloat16" in layers[0].kernel_used
    assert_equal(*outputs, tolerance=1e-2)


@pytest.mark.parametrize("kind", LAYERS)
def test_an_empty_batch_has_empty_outputs(kind: str) -> None:
    ours, _ = both(kind, return_sequences=True)
    assert ours(sequences(batch=0)).shape == (0, 7, UNITS)
