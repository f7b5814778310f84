"""State that stays from call to call, and sequences that begin within a row."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import unrolled
from tests.layers.comparison import (
    BATCH,
    FEATURES,
    LAYERS,
    MASKS,
    TIME,
    UNITS,
    Array,
    assert_equal,
    both,
    differentiate,
    initial_state,
    sequences,
)
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.layers import GRU, LSTM, SimpleRNN

import keras
import numpy as np
import pytest

PIECES, LONG = 20, 60
EXACT = 1e-6
RESETS = np.array([[0, 0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]], bool)

every_kind = pytest.mark.parametrize("kind", LAYERS)

STACKS: dict[str, Callable[[bool], list[keras.Layer]]] = {
    "stack": lambda stays: [layer(UNITS, return_sequences=True, stateful=stays) for layer in (LSTM, GRU)],
    "both directions": lambda stays: [keras.layers.Bidirectional(GRU(UNITS, return_sequences=True, stateful=stays))],
    # A masked step repeats the output before it, which a later piece does not know.
    "masked": lambda stays: [
        keras.layers.Masking(),
        SimpleRNN(UNITS, return_sequences=True, stateful=stays, zero_output_for_mask=True),
    ],
    "dropout": lambda stays: [LSTM(UNITS, return_sequences=True, stateful=stays, dropout=0.3)],
}


def build(stack: str, *, stays: bool) -> keras.Sequential:
    model = keras.Sequential(
        [keras.Input(batch_shape=(BATCH, None, FEATURES)), *STACKS[stack](stays), keras.layers.Dense(1)]
    )
    random = np.random.default_rng(5)
    model.set_weights([random.normal(scale=0.4, size=one.shape) for one in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def long_sequences() -> Array:
    x = sequences(BATCH, LONG)
    x[1, 20:31] = x[2, 55:] = 0
    return x


def pieces_of(x: Array) -> list[Array]:
    return np.split(x, PIECES, axis=1)


def reset(model: keras.Sequential) -> None:
    for layer in model.layers:
        if hasattr(layer, "reset_states"):
            layer.reset_states()


@pytest.mark.parametrize("stack", ["stack", "masked", "dropout"])
def test_pieces_in_turn_give_what_the_whole_gives(stack: str) -> None:
    x, halves = long_sequences(), build(stack, stays=True)
    expected = build(stack, stays=False).predict(x, verbose=0)
    ways: dict[str, Callable[[Array], Any]] = {
        "predict": lambda piece: halves.predict(piece, verbose=0, batch_size=BATCH),
        "predict_on_batch": halves.predict_on_batch,
        "call": lambda piece: keras.ops.convert_to_numpy(halves(piece)),
    }
    for way in ways.values():
        reset(halves)
        assert_equal([np.concatenate([way(piece) for piece in pieces_of(x)], axis=1)], [expected], tolerance=1e-5)
    at_once = np.concatenate(pieces_of(x))
    reset(halves)
    found = halves.predict(at_once, batch_size=BATCH, verbose=0)
    assert_equal([np.concatenate(np.split(found, PIECES), axis=1)], [expected], tolerance=1e-5)


@pytest.mark.parametrize("stack", ["stack", "both directions", "masked"])
def test_training_in_pieces_equals_states_that_are_handed_on(stack: str) -> None:
    """The gradient ends where a piece begins; the state does not."""
    x = long_sequences()
    y = np.tanh(x.cumsum(axis=1))[..., :1]
    ours, other = build(stack, stays=True), build(stack, stays=True)
    history = ours.fit(
        np.concatenate(pieces_of(x)), np.concatenate(pieces_of(y)), batch_size=BATCH, shuffle=False, epochs=2, verbose=0
    )
    losses = [[other.train_on_batch(*pair) for pair in zip(pieces_of(x), pieces_of(y), strict=True)] for _ in range(2)]
    assert_equal([np.array(history.history["loss"])], [np.mean(losses, axis=1)], tolerance=1e-5)
    assert_equal(ours.get_weights(), other.get_weights(), tolerance=1e-5)
    forgetful = build(stack, stays=False)
    without = [forgetful.train_on_batch(*pair) for pair in zip(pieces_of(x), pieces_of(y), strict=True)]
    assert not np.allclose(without, losses[0], rtol=1e-3)


def test_evaluation_goes_on_from_the_state_and_leaves_its_own() -> None:
    x = long_sequences()
    y, model = np.zeros((BATCH, LONG, 1), np.float32), build("stack", stays=True)
    whole = build("stack", stays=False).evaluate(x, y, verbose=0)
    losses = [
        model.evaluate(*pair, batch_size=BATCH, verbose=0) for pair in zip(pieces_of(x), pieces_of(y), strict=True)
    ]
    assert np.mean(losses) == pytest.approx(whole, rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a stateless call is JAX's own")
def test_a_compiled_call_returns_the_new_state() -> None:
    import jax

    x, model = long_sequences(), build("stack", stays=True)
    expected = build("stack", stays=False).predict(x, verbose=0)
    step = jax.jit(model.stateless_call)
    trainable, state = [
        [one.value for one in group] for group in (model.trainable_variables, model.non_trainable_variables)
    ]
    outputs = []
    for piece in pieces_of(x):
        output, state = step(trainable, state, piece)
        outputs.append(output)
    assert_equal([np.concatenate(outputs, axis=1)], [expected], tolerance=1e-5)


def test_the_state_is_no_weight_and_is_not_saved(tmp_path: Path) -> None:
    model, x = build("stack", stays=True), sequences()
    assert len(model.get_weights()) == len(build("stack", stays=False).get_weights())
    first = model.predict(x, verbose=0)
    assert not np.allclose(model.predict(x, verbose=0), first)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), first)


class _Reset(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, when: str) -> None:
        super().__init__()
        setattr(self, when, lambda *_, **__: reset(self.model))


@pytest.mark.parametrize("when", ["on_epoch_begin", "on_epoch_end"])
def test_a_callback_resets_the_state_between_epochs(when: str) -> None:
    x = long_sequences()
    x, y = np.concatenate(pieces_of(x)), np.zeros((BATCH * PIECES, LONG // PIECES, 1), np.float32)
    model = build("stack", stays=True)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    options: dict[str, Any] = {"batch_size": BATCH, "shuffle": False, "epochs": 2, "verbose": 0}
    reset_losses = model.fit(x, y, callbacks=[_Reset(when)], **options).history["loss"]
    reset(model)
    kept_losses = model.fit(x, y, **options).history["loss"]
    assert reset_losses[0] == pytest.approx(reset_losses[1], rel=1e-6)
    assert kept_losses[0] != pytest.approx(kept_losses[1], rel=1e-6)


def test_a_callback_resets_the_state_between_batches() -> None:
    x = np.concatenate(pieces_of(long_sequences()))
    y = np.zeros((*x.shape[:2], 1), np.float32)
    model, forgetful = build("stack", stays=True), build("stack", stays=False)
    options: dict[str, Any] = {"batch_size": BATCH, "shuffle": False, "epochs": 2, "verbose": 0}
    found = model.fit(x, y, callbacks=[_Reset("on_train_batch_end")], **options).history["loss"]
    assert found == pytest.approx(forgetful.fit(x, y, **options).history["loss"], rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only on JAX does fit hold the state during an epoch")
def test_a_state_that_fit_holds_is_not_reset_unnoticed() -> None:
    x, model = np.concatenate(pieces_of(long_sequences())), build("stack", stays=True)
    y = np.zeros((*x.shape[:2], 1), np.float32)
    reset_directly = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: reset(model))
    with pytest.raises(InvalidSetting, match=r"reset the layers of self\.model"):
        model.fit(x, y, batch_size=BATCH, callbacks=[reset_directly], verbose=0)


def test_a_lower_precision_keeps_its_state_too() -> None:
    layer = LSTM(UNITS, stateful=True, return_sequences=True, dtype="mixed_bfloat16")
    whole = LSTM(UNITS, return_sequences=True, dtype="mixed_bfloat16")
    for one in (layer, whole):
        one.build((BATCH, None, FEATURES))
    whole.set_weights(layer.get_weights())
    x = sequences(BATCH, 10)
    halves = [keras.ops.convert_to_numpy(keras.ops.cast(layer(part), "float32")) for part in (x[:, :5], x[:, 5:])]
    expected = keras.ops.convert_to_numpy(keras.ops.cast(whole(x), "float32"))
    np.testing.assert_allclose(np.concatenate(halves, axis=1), expected, atol=0.02)


def test_layers_of_keras_keep_their_state_once_accelerated() -> None:
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(BATCH, None, FEATURES)),
            keras.layers.LSTM(UNITS, stateful=True, return_sequences=True),
        ]
    )
    unrolled.accelerate(model)
    x = sequences(BATCH, 10)
    halves = [model.predict(part, verbose=0) for part in (x[:, :5], x[:, 5:])]
    model.layers[0].reset_state()
    assert_equal([np.concatenate(halves, axis=1)], [model.predict(x, verbose=0)], tolerance=1e-5)


# Sequences that begin within a row.


@every_kind
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", [None, *MASKS])
def test_resets_by_the_kernels_equal_those_by_keras_loop(kind: str, go_backwards: bool, mask: str | None) -> None:
    for return_sequences, zero_output in ((False, False), (False, True), (True, False), (True, True)):
        options: dict[str, Any] = {
            "go_backwards": go_backwards,
            "return_sequences": return_sequences,
            "return_state": True,
            "zero_output_for_mask": zero_output,
        }
        ours, _ = both(kind, **options)
        other, _ = both(kind, **options)
        other._kernel = "reference"
        arguments = {"resets": RESETS, "mask": None if mask is None else MASKS[mask]}
        found = differentiate(ours, [sequences(), *initial_state(kind)], **arguments)
        expected = differentiate(other, [sequences(), *initial_state(kind)], **arguments)
        assert ours.kernel_used == "native"
        for one, another in zip(found, expected, strict=True):
            assert_equal(one, another, tolerance=1e-5)


@every_kind
def test_resets_equal_sequences_of_their_own(kind: str) -> None:
    layer, _ = both(kind, return_sequences=True)
    (outputs,), (gradient, *_) = differentiate(layer, [sequences()], resets=RESETS)
    without: list[Array] = []
    for row, marks in enumerate(RESETS):
        begins = [0, *(np.flatnonzero(marks[1:]) + 1), TIME]
        for begin, end in pairwise(begins):
            alone = keras.ops.convert_to_numpy(layer(sequences()[row : row + 1, begin:end]))
            assert_equal([outputs[row : row + 1, begin:end]], [alone], tolerance=EXACT)
        changed = sequences()
        changed[row, : begins[-2]] += 1  # what comes before the last sequence
        without.append(keras.ops.convert_to_numpy(layer(changed, resets=RESETS))[row, begins[-2] :])
        np.testing.assert_array_equal(without[-1], outputs[row, begins[-2] :])
    assert np.isfinite(gradient).all()


def functional(resets: bool = True) -> keras.Model:
    x, marks = keras.Input((TIME, FEATURES)), keras.Input((TIME,), dtype="bool")
    named = {"resets": marks} if resets else {}
    y = LSTM(UNITS, return_sequences=True, name="reader")(keras.layers.Masking()(x), **named)
    return keras.Model([x, marks] if resets else x, keras.layers.Dense(1)(y))


def test_resets_are_an_input_of_a_model_beside_a_mask(tmp_path: Path) -> None:
    x, model = sequences(), functional()
    x[0, 4:] = 0
    plain = functional(resets=False)
    plain.set_weights(model.get_weights())
    none = np.zeros_like(RESETS)
    assert_equal([model.predict([x, none], verbose=0)], [plain.predict(x, verbose=0)], tolerance=EXACT)
    model.compile("adam", "mse")
    model.fit([x, RESETS], np.zeros((BATCH, TIME, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict([x, RESETS], verbose=0)
    np.testing.assert_array_equal(again.predict([x, RESETS], verbose=0), expected)
    assert not np.allclose(model.predict([x, none], verbose=0), expected)


def test_a_model_with_resets_is_not_made_one_of_keras() -> None:
    with pytest.raises(InvalidInput, match="reader is called with resets, which Keras' LSTM does not have"):
        unrolled.to_keras(functional())
    unrolled.to_keras(functional(resets=False))
