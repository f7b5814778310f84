"""The layers' contract with Keras, on whichever backend the tests run."""

from pathlib import Path
from typing import Any

import unrolled.layers

import keras
import numpy as np
import pytest

LAYERS = ("LSTM", "GRU", "SimpleRNN")
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"activation": "relu", "return_sequences": True},
    {"go_backwards": True, "use_bias": False},
    {"return_sequences": True, "dropout": 0.3, "recurrent_dropout": 0.2},
)


def both(name: str, **arguments: Any) -> tuple[keras.Layer, keras.Layer]:
    """Our layer and Keras' of the same name, with equal weights, for inputs [B, T, 4]."""
    ours, theirs = (getattr(module, name)(5, **arguments) for module in (unrolled.layers, keras.layers))
    for layer in (ours, theirs):
        layer.build((None, 7, 4))
    ours.set_weights(theirs.get_weights())
    return ours, theirs


@pytest.fixture
def sequences() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(3, 7, 4)).astype(np.float32)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_outputs_equal_keras(name: str, arguments: dict[str, Any], sequences: np.ndarray[Any, Any]) -> None:
    ours, theirs = both(name, **arguments)
    mask = np.arange(7) < np.array([[7], [4], [1]])
    for given in (None, mask):
        outputs = [keras.ops.convert_to_numpy(layer(sequences, mask=given)) for layer in (ours, theirs)]
        np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_have_keras_names_shapes_and_order(name: str) -> None:
    ours, theirs = both(name)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]


@pytest.mark.parametrize("name", LAYERS)
def test_a_configuration_makes_the_same_layer(name: str) -> None:
    layer = getattr(unrolled.layers, name)(5, activation="relu", go_backwards=True, name="reader")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert keras.saving.serialize_keras_object(layer)["registered_name"] == f"unrolled>{name}"


@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_model_predicts_the_same(name: str, tmp_path: Path, sequences: np.ndarray[Any, Any]) -> None:
    model = keras.Sequential([keras.Input((7, 4)), getattr(unrolled.layers, name)(5), keras.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is getattr(unrolled.layers, name)
    outputs = (keras.ops.convert_to_numpy(net(sequences)) for net in (model, loaded))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("name", LAYERS)
def test_the_loss_falls(name: str, sequences: np.ndarray[Any, Any]) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((7, 4)), getattr(unrolled.layers, name)(5), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(sequences, sequences.sum(axis=(1, 2)), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
