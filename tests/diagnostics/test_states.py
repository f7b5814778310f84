"""Measurements of states, gates and padding on arrays with known results."""

from typing import Any

from tests.diagnostics.networks import bumps, compiled, sentences
from unrolled.diagnostics.model_rules import padding_shares
from unrolled.diagnostics.probe import LayerCall, Replay, record_calls, replay
from unrolled.diagnostics.training_rules import dead_share, growth_of_states, saturation, stuck_share
from unrolled.layers import GRU, LSTM

import keras
import numpy as np
import pytest
from scipy.special import expit


def replayed(call: LayerCall) -> Replay:
    again = replay(call)
    assert again is not None
    return again


@pytest.mark.parametrize("arguments", [{}, {"go_backwards": True}, {"activation": "relu"}])
def test_a_replay_ends_in_the_state_that_the_layer_returned(arguments: dict[str, Any]) -> None:
    model = compiled(LSTM(5, **arguments), keras.layers.Dense(3))
    call = record_calls(model, bumps(examples=6)[0])[0]
    again = replayed(call)
    np.testing.assert_allclose(again.states[:, -1], call.outputs, atol=1e-5)
    assert (again.states.shape, sorted(again.gates)) == ((6, 12, 5), ["f", "i", "o"])


@pytest.mark.parametrize("layer", [LSTM(5), GRU(5), GRU(5, reset_after=False)])
def test_the_gates_of_the_first_step_follow_the_equations(layer: keras.Layer) -> None:
    model = compiled(layer, keras.layers.Dense(3))
    inputs = bumps(examples=6)[0]
    gates = replayed(record_calls(model, inputs)[0]).gates
    kernel, _, bias = layer.get_weights()
    sums = inputs[:, 0] @ kernel + (bias.sum(axis=0) if bias.ndim == 2 else bias)
    for letter, index in {"i": 0, "f": 1, "o": 3, "z": 0, "r": 1}.items():
        if letter in gates:
            np.testing.assert_allclose(gates[letter][:, 0], expit(sums[:, 5 * index : 5 * index + 5]), atol=1e-5)


def test_a_replay_follows_masks_and_is_none_for_unknown_layers() -> None:
    embedding = keras.layers.Embedding(20, 4, mask_zero=True)
    tokens = sentences()[0][:6]
    again = replayed(record_calls(compiled(embedding, GRU(5), keras.layers.Dense(2), shape=(12,)), tokens)[1])
    np.testing.assert_array_equal(again.is_unmasked, tokens != 0)
    strange = keras.layers.RNN(keras.layers.StackedRNNCells([keras.layers.GRUCell(3), keras.layers.GRUCell(3)]))
    for layer in (strange, GRU(3, activation=lambda x: x)):
        assert replay(record_calls(compiled(layer, keras.layers.Dense(3)), bumps(examples=6)[0])[0]) is None


def test_growth_is_measured_from_the_middle_to_the_end() -> None:
    is_unmasked = np.ones((3, 40), bool)
    doubling = np.full((3, 40, 2), 2.0) ** np.arange(40)[:, None]
    assert growth_of_states(doubling, is_unmasked) == pytest.approx(2**20, rel=0.01)
    adding = 100.0 * np.ones((3, 40, 2)).cumsum(axis=1)
    assert 1.8 < growth_of_states(adding, is_unmasked) < 2.3
    assert growth_of_states(1e-12 * doubling, is_unmasked) == 1
    one_leaps = np.where(np.arange(3)[:, None, None] == 0, doubling, 1)
    assert growth_of_states(one_leaps, is_unmasked) == 1
    assert growth_of_states(np.where(doubling > 1e9, np.inf, doubling), is_unmasked) == np.inf
    assert growth_of_states(doubling, np.arange(40) < 3 * is_unmasked) == 1


def test_shares_are_counted() -> None:
    gate = np.array([[[0.01, 0.5], [0.99, 0.02]]])
    assert saturation(gate, np.array([[True, True]])) == 50
    assert saturation(gate, np.array([[False, True]])) == 50
    assert saturation(gate, np.array([[False, False]])) == 0
    values = np.array([[[0.0, 0.0, 1.0]], [[0.0, 2.0, 1.0]]])
    assert dead_share(values) == pytest.approx(100 / 3)
    assert stuck_share(values) == pytest.approx(200 / 3)


def test_padding_is_counted_at_either_end_of_what_is_not_empty() -> None:
    tokens = np.array([[0, 0, 5, 0], [0, 7, 0, 1], [0, 0, 0, 0]])
    assert padding_shares(tokens) == (37.5, 12.5)
    assert padding_shares(np.stack([tokens, 0 * tokens], axis=2)) == (37.5, 12.5)
    assert padding_shares(np.zeros((2, 4))) == (0, 0)
