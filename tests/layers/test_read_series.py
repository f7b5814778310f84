"""Series of any scale and length as inputs of a network."""

from pathlib import Path

from unrolled.errors import InvalidSetting
from unrolled.layers import GRU, LSTM, ReadSeries

import keras
import numpy as np
import pytest

GAPS = np.array([[[1.0, 10.0], [3.0, np.nan], [np.nan, np.nan]], [[5.0, 30.0], [7.0, 10.0], [1.0, 20.0]]], np.float32)


def test_channels_are_scaled_and_gaps_filled() -> None:
    layer = ReadSeries([1.0, 20.0], [2.0, 10.0])
    expected = [[[0, -1], [1, 0], [0, 0]], [[2, 1], [3, -1], [0, 0]]]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(GAPS)), expected, atol=1e-6)
    mask = keras.ops.convert_to_numpy(layer.compute_mask(keras.ops.convert_to_tensor(GAPS)))
    np.testing.assert_array_equal(mask, [[True, True, False], [True, True, True]])


def test_a_relative_series_does_not_depend_on_its_level() -> None:
    layer = ReadSeries([1.0], [0.5], relative=True)
    series = np.array([[[1.0], [2.0], [3.0], [np.nan]]], np.float32)
    once, thrice = (keras.ops.convert_to_numpy(layer(factor * series)) for factor in (1, 3))
    np.testing.assert_allclose(once, thrice, atol=1e-6)
    np.testing.assert_allclose(once[0, :, 0], [-1, 0, 1, 0], atol=1e-6)


def stacked(kind: type, *, bidirectional: bool) -> keras.Model:
    inputs = keras.Input((None, 3))
    values = ReadSeries([0.0] * 3, [1.0] * 3)(inputs)
    for sequences in (True, False):
        layer = kind(5, return_sequences=sequences)
        values = (keras.layers.Bidirectional(layer) if bidirectional else layer)(values)
    return keras.Model(inputs, values)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_a_padded_batch_equals_each_series_alone(kind: type, bidirectional: bool) -> None:
    model = stacked(kind, bidirectional=bidirectional)
    random = np.random.default_rng(0)
    series = [random.normal(size=(length, 3)).astype(np.float32) for length in (3, 9, 5, 1)]
    batch = np.full((4, 12, 3), np.nan, np.float32)
    for row, item in zip(batch, series, strict=True):
        row[: len(item)] = item
    together = np.asarray(model.predict_on_batch(batch))
    alone = np.concatenate([np.asarray(model.predict_on_batch(item[None])) for item in series])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_padded_batch_of_tokens_equals_each_text_alone(bidirectional: bool) -> None:
    inputs = keras.Input((None,), dtype="int32")
    values = keras.layers.Embedding(20, 4, mask_zero=True)(inputs)
    for sequences in (True, False):
        layer = LSTM(5, return_sequences=sequences)
        values = (keras.layers.Bidirectional(layer) if bidirectional else layer)(values)
    model = keras.Model(inputs, values)
    random = np.random.default_rng(0)
    texts = [random.integers(1, 20, length).astype(np.int32) for length in (3, 9, 5, 1)]
    batch = np.zeros((4, 12), np.int32)
    for row, text in zip(batch, texts, strict=True):
        row[: len(text)] = text
    together = np.asarray(model.predict_on_batch(batch))
    alone = np.concatenate([np.asarray(model.predict_on_batch(text[None])) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_saved_layer_is_the_same(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((None, 2)), ReadSeries([1.0, 2.0], [3.0, 4.0], relative=True)])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict_on_batch(GAPS), model.predict_on_batch(GAPS))


def test_a_scale_of_zero_is_rejected() -> None:
    with pytest.raises(InvalidSetting, match="expected a mean and a scale other than 0 for each channel"):
        ReadSeries([0.0, 0.0], [1.0, 0.0])
