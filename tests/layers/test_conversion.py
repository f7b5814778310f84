"""Conversion changes the recurrent layers of a model, and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import environment
from tests.layers.comparison import FEATURES, UNITS, assert_equal, sequences
from unrolled.errors import DataError, InvalidInput

import keras
import numpy as np
import pytest

LAYERS = keras.layers


def sequential() -> keras.Model:
    return keras.Sequential(
        [keras.Input((7, FEATURES)), LAYERS.LSTM(UNITS, return_sequences=True), LAYERS.GRU(UNITS), LAYERS.Dense(1)]
    )


def functional() -> keras.Model:
    """A layer used twice, a wrapped one, and states."""
    inputs = keras.Input((7, FEATURES))
    shared = LAYERS.SimpleRNN(FEATURES, return_sequences=True)
    outputs, *states = LAYERS.Bidirectional(LAYERS.LSTM(UNITS, return_state=True))(shared(shared(inputs)))
    return keras.Model(inputs, LAYERS.Dense(1)(LAYERS.Concatenate()([outputs, *states])))


def nested() -> keras.Model:
    inputs = keras.Input((7, FEATURES))
    return keras.Model(inputs, keras.Sequential([functional(), LAYERS.Dense(1)])(inputs))


class Stack(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = [LAYERS.GRU(UNITS, return_sequences=True), LAYERS.LSTM(1)]

    def call(self, inputs: Any) -> Any:
        for layer in self.recurrent:
            inputs = layer(inputs)
        return inputs


MODELS = {"sequential": sequential, "functional": functional, "nested": nested, "subclassed": Stack}


def recurrent_layers(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, LAYERS.RNN)]


def data() -> tuple[Any, Any]:
    return sequences(batch=16), sequences(batch=16).sum(axis=(1, 2))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_a_converted_model_continues_training(build: Any) -> None:
    keras.utils.set_random_seed(0)
    model, twin = build(), build()
    for each in (model, twin):
        each.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        each.fit(*data(), verbose=0)
    twin.set_weights(model.get_weights())
    for theirs, ours in zip(twin.optimizer.variables, model.optimizer.variables, strict=True):
        theirs.assign(keras.ops.convert_to_numpy(ours))
    assert unrolled.accelerate(model) is model
    histories = [each.fit(*data(), epochs=2, shuffle=False, verbose=0).history for each in (model, twin)]
    assert {layer.kernel_used for layer in recurrent_layers(model)} == {"native"}
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-4)
    assert_equal(*([each.predict(data()[0], verbose=0)] for each in (model, twin)), tolerance=1e-3)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_to_keras_undoes_accelerate(build: Any) -> None:
    model = build()
    before = keras.ops.convert_to_numpy(model(sequences()))
    classes = [type(layer) for layer in recurrent_layers(model)]
    assert all(type(layer).__module__.startswith("unrolled.") for layer in recurrent_layers(unrolled.accelerate(model)))
    assert unrolled.to_keras(model) is model
    assert [type(layer) for layer in recurrent_layers(model)] == classes
    assert all(layer.supports_jit for layer in recurrent_layers(model))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(sequences())), before)


def test_a_converted_model_loads_without_unrolled(tmp_path: Path) -> None:
    model = unrolled.accelerate(functional())
    model.compile("adam", "mse")
    model.fit(*data(), verbose=0)
    np.save(tmp_path / "expected.npy", model.predict(data()[0], verbose=0))
    np.save(tmp_path / "inputs.npy", data()[0])
    unrolled.to_keras(model).save(tmp_path / "model.keras")
    program = (
        "import sys; sys.modules['unrolled'] = None; import keras, numpy as np; "
        "model = keras.models.load_model('model.keras'); "
        "outputs = model.predict(np.load('inputs.npy'), verbose=0); "
        "np.testing.assert_allclose(outputs, np.load('expected.npy'), rtol=1e-4, atol=1e-5)"
    )
    settings = environment(KERAS_BACKEND=keras.backend.backend())
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=settings, check=True, timeout=300)


@pytest.mark.parametrize("accelerated", [True, False])
def test_load_model_loads_either_kind(tmp_path: Path, accelerated: bool) -> None:
    model = sequential()
    (unrolled.accelerate(model) if accelerated else model).save(tmp_path / "model.keras")
    loaded = unrolled.load_model(str(tmp_path / "model.keras"), compile=False)
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]


def test_subclasses_are_not_converted() -> None:
    class Own(keras.layers.LSTM):  # type: ignore[misc]
        pass

    model = keras.Sequential([keras.Input((7, FEATURES)), Own(4, return_sequences=True), LAYERS.RNN(LAYERS.GRUCell(3))])
    assert [type(layer) for layer in unrolled.accelerate(model).layers] == [Own, LAYERS.RNN]


def test_the_argument_kernel_survives() -> None:
    layer = unrolled.layers.LSTM(UNITS, kernel="reference")
    assert type(unrolled.to_keras(layer)) is LAYERS.LSTM
    assert unrolled.accelerate(layer).get_config()["kernel"] == "reference"


def test_a_model_compiled_by_xla_is_compiled_again() -> None:
    model = sequential()
    model.compile("sgd", "mse", jit_compile=keras.backend.backend() != "torch")
    model.fit(*data(), verbose=0)
    unrolled.accelerate(model)
    assert model.jit_compile is (keras.backend.backend() == "jax")
    unrolled.to_keras(model)
    assert model.jit_compile is (keras.backend.backend() != "torch")
    unrolled.accelerate(model)
    model.fit(*data(), verbose=0)
    assert recurrent_layers(model)[0].kernel_used == "native"


def test_other_objects_and_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"accelerate: expected a Keras model, got str\. Pass a keras\.Model\."):
        unrolled.accelerate("model.keras")
    with pytest.raises(DataError, match=r"nowhere\.keras: no such file\. Check the path\."):
        unrolled.load_model(tmp_path / "nowhere.keras")
    (tmp_path / "notes.keras").write_text("no model")
    with pytest.raises(DataError, match=r"notes\.keras: not a Keras model\. Save it again with model\.save\."):
        unrolled.load_model(tmp_path / "notes.keras")
