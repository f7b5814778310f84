"""MNIST, complete, inside the package: nothing is downloaded."""

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.data.idx import read_idx

import numpy as np
from numpy.typing import NDArray

SOURCE = 'Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0'
DIGITS = tuple("0123456789")
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data() -> tuple[Arrays, Arrays]:
    """The arrays of ``keras.datasets.mnist.load_data()``, from this package instead of a download.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images [60000, 28, 28] and [10000, 28, 28] with pixels from
        0 to 255, and uint8 labels [60000] and [10000].

    Raises:
        DataError: A file of the installed package is missing or damaged.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, y_train[:3].tolist()
        ((60000, 28, 28), [5, 0, 4])
    """
    with as_file(files("unrolled.data") / "files" / "mnist") as folder, ThreadPoolExecutor() as pool:
        x_train, y_train, x_test, y_test = pool.map(read_idx, [folder / f"{name}.xz" for name in FILES])
    return (x_train, y_train), (x_test, y_test)


def load() -> Dataset:
    """MNIST as a Dataset."""
    train, test = (Split(inputs, targets.astype(np.int64)) for inputs, targets in load_data())
    return Dataset("mnist", train, test, classes=DIGITS, source=SOURCE)
