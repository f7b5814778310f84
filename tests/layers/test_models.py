"""The layers in models: wrapped, stacked, trained, saved, and exchanged with Keras' own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import unrolled.layers
from tests.layers.comparison import FEATURES, LAYERS, MASKS, TIME, UNITS, assert_equal, both, sequences

import keras
import numpy as np
import pytest

Make = Callable[..., Any]


def layer_of(module: Any, kind: str) -> Make:
    name, own = LAYERS[kind]
    return lambda **arguments: getattr(module, name)(UNITS, **own, **arguments)


def two_models(kind: str, build: Callable[[Make], keras.Model]) -> tuple[keras.Model, keras.Model]:
    """The same model of native layers and of Keras' layers, with equal weights."""
    keras.utils.set_random_seed(0)
    ours, theirs = (build(layer_of(module, kind)) for module in (unrolled.layers, keras.layers))
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def stack(make: Make, time: int | None = TIME, dropout: float = 0.2) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((time, FEATURES)),
            keras.layers.Masking(),
            keras.layers.Bidirectional(make(return_sequences=True, kernel_regularizer="l2", activity_regularizer="l2")),
            make(recurrent_constraint="unit_norm", recurrent_regularizer="l1", dropout=dropout, seed=3),
            keras.layers.Dense(1),
        ]
    )


def recurrent_layers(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]


def data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    inputs = sequences(batch=32)
    inputs[::3, 4:] = 0  # masked
    return inputs, inputs.sum(axis=(1, 2))


@pytest.mark.parametrize("kind", LAYERS)
def test_training_gives_the_same_weights(kind: str) -> None:
    """With regularizers, constraints, dropout, masks and wrappers."""
    models = two_models(kind, stack)
    histories = []
    for model in models:
        model.compile(keras.optimizers.SGD(0.01), "mse")
        histories.append(model.fit(*data(), epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"])
    assert_equal([np.array(histories[0])], [np.array(histories[1])], tolerance=1e-4)
    assert_equal(*(model.get_weights() for model in models), tolerance=1e-3)
    assert {layer.kernel_used for layer in recurrent_layers(models[0])} == {"native"}
    assert_equal(*([model.predict(data()[0], verbose=0)] for model in models), tolerance=1e-3)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_loss_falls(kind: str) -> None:
    keras.utils.set_random_seed(0)
    make = layer_of(unrolled.layers, kind)
    model = keras.Sequential([keras.Input((TIME, FEATURES)), make(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(sequences(), sequences().sum(axis=(1, 2)), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(("kind", "merge_mode"), [*((kind, "concat") for kind in LAYERS), ("LSTM", None)])
def test_both_directions_equal_keras(kind: str, merge_mode: str | None) -> None:
    ours, theirs = (
        keras.layers.Bidirectional(layer_of(module, kind)(return_sequences=True, return_state=True), merge_mode)
        for module in (unrolled.layers, keras.layers)
    )
    for layer in (ours, theirs):
        layer.build((None, TIME, FEATURES))
    ours.set_weights(theirs.get_weights())
    for mask in (None, keras.ops.convert_to_tensor(MASKS["leading"])):
        outputs = [
            [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(layer(sequences(), mask=mask))]
            for layer in (ours, theirs)
        ]
        assert_equal(*outputs, tolerance=1e-5)
    assert (ours.forward_layer.kernel_used, ours.backward_layer.kernel_used) == ("native", "native")


@pytest.mark.parametrize(("kind", "time"), [*((kind, None) for kind in LAYERS), ("LSTM", 3)])
def test_distributed_over_time_equals_keras(kind: str, time: int | None) -> None:
    def build(make: Make) -> keras.Model:
        inputs = keras.Input((time, TIME, FEATURES))
        return keras.Model(inputs, keras.layers.TimeDistributed(make(return_sequences=True))(inputs))

    films = np.stack([sequences(), 2 * sequences(), -sequences()], axis=1)
    models = two_models(kind, build)
    assert_equal(*([model.predict(films, verbose=0)] for model in models), tolerance=1e-5)
    ours = models[0]
    ours.compile("sgd", "mse")
    losses = ours.fit(films, np.zeros_like(ours.predict(films, verbose=0)), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert [layer.kernel_used for layer in recurrent_layers(ours)] == ["native"]


@pytest.mark.parametrize("kind", ["LSTM", "SimpleRNN"])
def test_unknown_sizes_accept_any(kind: str) -> None:
    models = two_models(kind, lambda make: stack(make, time=None))
    for batch, time in ((1, 2), (5, 9)):
        # A single value may come near zero; it is as exact as the terms that it is the sum of.
        our, their = (model.predict(sequences(batch, time), verbose=0) for model in models)
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-6)
    ours = models[0]
    ours.compile("sgd", "mse")
    for batch, time in ((4, 3), (6, 8)):
        assert np.isfinite(ours.train_on_batch(sequences(batch, time), np.zeros(batch)))


@pytest.mark.parametrize("kind", LAYERS)
def test_the_weights_are_those_of_keras(kind: str) -> None:
    ours, theirs = both(kind)
    for attribute in ("name", "shape", "dtype"):
        assert [getattr(w, attribute) for w in ours.weights] == [getattr(w, attribute) for w in theirs.weights]


@pytest.mark.parametrize("kind", LAYERS)
def test_the_configuration_is_that_of_keras(kind: str) -> None:
    ours, theirs = both(kind, activation="relu", go_backwards=True, dropout=0.1, seed=1)
    assert {**ours.get_config(), "name": ""} == {**theirs.get_config(), "name": ""}
    assert type(ours).from_config(theirs.get_config()).get_config() == theirs.get_config()
    assert type(theirs).from_config(ours.get_config()).get_config() == ours.get_config()
    assert keras.saving.serialize_keras_object(ours)["registered_name"] == f"unrolled>{LAYERS[kind][0]}"


@pytest.mark.parametrize("kind", ["LSTM", "GRU, reset before"])
def test_a_saved_model_continues_training(kind: str, tmp_path: Path) -> None:
    model = stack(layer_of(unrolled.layers, kind), dropout=0)  # its seed is not saved by Keras
    model.compile("adam", "mse")
    model.fit(*data(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = unrolled.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in recurrent_layers(loaded)] == [type(layer) for layer in recurrent_layers(model)]
    np.testing.assert_array_equal(*(each.predict(data()[0], verbose=0) for each in (model, loaded)))
    losses = [each.fit(*data(), shuffle=False, verbose=0).history["loss"] for each in (model, loaded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_weight_files_fit_either_model(kind: str, tmp_path: Path) -> None:
    ours, theirs = two_models(kind, stack)
    path = tmp_path / "of.weights.h5"
    for source, target in ((ours, theirs), (theirs, ours)):
        source.set_weights([np.random.default_rng(5).normal(size=w.shape) for w in source.get_weights()])
        source.save_weights(path)
        target.load_weights(path)
        for written, read in zip(source.get_weights(), target.get_weights(), strict=True):
            np.testing.assert_array_equal(written, read)
