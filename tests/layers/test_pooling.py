"""The largest value over the steps that are not masked, and the last steps."""

import warnings
from pathlib import Path

from unrolled.layers import GRU, GlobalMaxPooling1D, LastSteps

import keras
import numpy as np
import pytest

VALUES = np.random.default_rng(3).normal(-1, 1, (4, 6, 3)).astype(np.float32)
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]], bool)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_masked_steps_are_left_out(data_format: str, keepdims: bool) -> None:
    first = data_format == "channels_first"
    inputs = VALUES.transpose(0, 2, 1) if first else VALUES
    layer = GlobalMaxPooling1D(data_format=data_format, keepdims=keepdims)
    expected = np.array(
        [row[kept].max(axis=0) if kept.any() else np.zeros(3) for row, kept in zip(VALUES, MASK, strict=True)]
    )
    found = keras.ops.convert_to_numpy(layer(inputs, mask=MASK))
    np.testing.assert_array_equal(found, np.expand_dims(expected, 2 if first else 1) if keepdims else expected)
    own = keras.layers.GlobalMaxPooling1D(data_format=data_format, keepdims=keepdims)
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(one(inputs)) for one in (layer, own)))
    assert layer.compute_output_shape(inputs.shape) == found.shape


def test_padding_changes_nothing_and_gradients_are_finite(tmp_path: Path) -> None:
    layers = [keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.Bidirectional(GRU(5, return_sequences=True))]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = keras.Sequential(
            [keras.Input((None,), dtype="int32"), *layers, GlobalMaxPooling1D(), keras.layers.Dense(2)]
        )
        model.compile("sgd", "mse")
        padded = np.array([[3, 8, 2, 0, 0], [5, 1, 7, 2, 4], [0, 0, 0, 0, 0]], np.int32)
        alone, together = model.predict_on_batch(padded[:1, :3]), model.predict_on_batch(padded)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-6)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict_on_batch(padded), together)
    assert np.isfinite(model.train_on_batch(padded, np.ones((3, 2), np.float32)))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_last_steps_of_any_sequence_behind_a_mask(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = keras.Sequential(
            [keras.Input((None, 3)), keras.layers.Masking(), GRU(5, return_sequences=True), LastSteps(2)]
        )
        states = keras.Sequential(model.layers[:-1])
        found = model.predict_on_batch(VALUES)
    np.testing.assert_array_equal(found, states.predict_on_batch(VALUES)[:, -2:])
    assert model.output_shape == (None, 2, 5)
    assert LastSteps(8).compute_output_shape((4, 6, 3)) == LastSteps(8)(VALUES).shape == (4, 6, 3)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras").predict_on_batch(VALUES), found)
