"""MNIST inside the package is MNIST, byte for byte."""

import hashlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import unrolled
from unrolled.data.bundled import DIGITS, FILES, Arrays, load_data
from unrolled.data.dataset import Dataset

import numpy as np
import pytest
from numpy.typing import NDArray

# Of the four files as LeCun published them, unpacked.
PUBLISHED = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
MOST_BYTES = 9_500_000

IdxBytes = Callable[[NDArray[Any]], bytes]


@pytest.fixture(scope="module")
def arrays() -> tuple[Arrays, Arrays]:
    return load_data()


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return unrolled.load("mnist")


@pytest.mark.parametrize("index", range(4), ids=FILES)
def test_the_published_files_can_be_rebuilt(arrays: tuple[Arrays, Arrays], index: int, idx_bytes: IdxBytes) -> None:
    array = [array for part in arrays for array in part][index]
    assert hashlib.md5(idx_bytes(array)).hexdigest() == PUBLISHED[FILES[index]]


def test_the_files_are_small() -> None:
    folder = Path(str(files("unrolled.data"))) / "files" / "mnist"
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sorted(sizes) == sorted(f"{name}.xz" for name in FILES)
    assert sum(sizes.values()) <= MOST_BYTES


def test_load_data_has_the_shapes_of_keras(arrays: tuple[Arrays, Arrays]) -> None:
    (x_train, y_train), (x_test, y_test) = arrays
    assert [array.shape for array in (x_train, y_train)] == [(60000, 28, 28), (60000,)]
    assert [array.shape for array in (x_test, y_test)] == [(10000, 28, 28), (10000,)]
    assert {array.dtype for part in arrays for array in part} == {np.dtype(np.uint8)}


def test_load_data_gives_arrays_of_ones_own() -> None:
    (x_train, y_train), (x_test, y_test) = load_data()
    for array in (x_train, y_train, x_test, y_test):
        assert array.flags.writeable
    before = int(x_test[0, 0, 0])
    x_test[0, 0, 0] = before + 1
    assert load_data()[1][0][0, 0, 0] == before


def test_mnist_is_loaded_by_its_name(mnist: Dataset) -> None:
    assert mnist.name == "mnist"
    assert mnist.classes == DIGITS == tuple("0123456789")
    assert mnist.example_shape == (28, 28)
    assert "LeCun" in mnist.source
    assert "CC BY-SA 3.0" in mnist.source


def test_the_dataset_has_the_arrays_of_load_data(mnist: Dataset, arrays: tuple[Arrays, Arrays]) -> None:
    for split, (inputs, targets) in zip((mnist.train, mnist.test), arrays, strict=True):
        assert split.inputs.dtype == np.uint8
        assert split.targets.dtype == np.int64
        np.testing.assert_array_equal(split.inputs, inputs)
        np.testing.assert_array_equal(split.targets, targets)


def test_pixels_go_from_0_to_255(mnist: Dataset) -> None:
    for split in (mnist.train, mnist.test):
        assert (int(split.inputs.min()), int(split.inputs.max())) == (0, 255)
