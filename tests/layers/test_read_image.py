"""Images as sequences, on each backend."""

import hashlib
from pathlib import Path

from unrolled.errors import InvalidSetting
from unrolled.layers import ReadImage
from unrolled.layers.preprocessing import ORDERS, permutation

import keras
import numpy as np
import pytest

IMAGES = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
COLOURS = np.stack([IMAGES, 100 + IMAGES, 200 + IMAGES], axis=-1)


def read(order: str, images: np.ndarray = IMAGES) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(ReadImage(order)(images)))


def test_rows_are_the_image_itself() -> None:
    np.testing.assert_array_equal(read("rows"), IMAGES)


def test_columns_come_from_the_left() -> None:
    np.testing.assert_array_equal(read("columns")[0], IMAGES[0].T)


def test_pixels_come_row_by_row() -> None:
    assert read("pixels")[0, :, 0].tolist() == list(range(12))


def test_a_snake_turns_at_the_end_of_each_row() -> None:
    assert read("snake")[0, :, 0].tolist() == [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11]


def test_permuted_pixels_come_in_one_order_for_all_images() -> None:
    order = permutation(12)
    np.testing.assert_array_equal(read("permuted")[..., 0], IMAGES.reshape(2, 12)[:, order])


def test_the_published_order_is_what_it_was() -> None:
    digest = hashlib.sha256(permutation(784).astype("<i8").tobytes()).hexdigest()
    assert digest.startswith("fe62e3fef305ce16")
    assert sorted(permutation(784)) == list(range(784))


@pytest.mark.parametrize("order", ORDERS)
def test_the_colours_of_a_pixel_stand_side_by_side(order: str) -> None:
    steps = read(order, COLOURS)
    for channel in range(3):
        np.testing.assert_array_equal(steps[..., channel::3], read(order, COLOURS[..., channel]))


@pytest.mark.parametrize("images", [IMAGES, COLOURS], ids=["grey", "colours"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_shape_is_known_before_the_values_are(order: str, images: np.ndarray) -> None:
    shape = images.shape[1:]
    assert ReadImage(order)(keras.Input(shape)).shape[1:] == read(order, images).shape[1:]
    assert ReadImage(order).compute_output_shape((None, *shape))[1:] == read(order, images).shape[1:]


@pytest.mark.parametrize("images", [IMAGES, COLOURS], ids=["grey", "colours"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_saved_model_reads_in_the_same_order(order: str, images: np.ndarray, tmp_path: Path) -> None:
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, ReadImage(order)(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), read(order, images))


def test_an_unknown_order_is_rejected() -> None:
    with pytest.raises(InvalidSetting, match=r'ReadImage: unknown order "colums". Did you mean "columns"'):
        ReadImage("colums")
