"""From a name or a file to a Dataset."""

import os
from pathlib import Path

from unrolled.data import mnist
from unrolled.data.dataset import Dataset
from unrolled.data.downloads import FASHION_MNIST, KMNIST
from unrolled.data.images import load_file
from unrolled.errors import DataError, did_you_mean

NAMED = {
    "mnist": mnist.load,
    "fashion-mnist": FASHION_MNIST.load,
    "kmnist": KMNIST.load,
}


def load(name: str | Path, *, where: str = "data") -> Dataset:
    """Load a data set by its name, or from the user's own file.

    Args:
        name: ``"mnist"`` (inside the package), ``"fashion-mnist"`` or ``"kmnist"`` (downloaded once into
            ``KERAS_HOME``), or the path of an NPZ file or of the images of an IDX pair.

        where: How a message names the place that asks for it.

    Returns:
        The training and test examples, with the names of their classes.

    Raises:
        DataError: The name is unknown, or the files are missing, damaged or of the wrong form.

    Example:
        >>> load("mnist").test.inputs.shape
        (10000, 28, 28)
    """
    if str(name) in NAMED:
        return NAMED[str(name)]()
    if not looks_like_a_file(name):
        raise DataError(
            f'{where}: expected {", ".join(NAMED)} or a file, got "{name}".'
            f"{did_you_mean(str(name), NAMED) or ' Check the spelling, or name a file: digits.npz'}"
        )
    return load_file(Path(name))


def looks_like_a_file(name: str | Path) -> bool:
    """Whether this can only be meant as a path: a Path, or text with a folder or an extension, or one that exists."""
    return isinstance(name, Path) or Path(name).suffix != "" or os.sep in name or os.path.exists(name)  # noqa: PTH110
