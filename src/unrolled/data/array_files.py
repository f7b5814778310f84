"""Files of arrays: NPZ, NPY, and IDX pairs named as MNIST names its files."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

from unrolled.data.idx import is_idx, read_idx
from unrolled.errors import DataError
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")

# What NumPy raises for archives that are cut off, altered, encrypted, pickled, or no archives.
_DAMAGES = (
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

Pair = tuple[NDArray[Any], NDArray[Any]]
"""Examples and their labels."""


def is_batch(path: Path) -> bool:
    """Whether the name is that of a file of many examples: NPZ, NPY or IDX."""
    return path.suffix in (".npz", ".npy") or is_idx(path)


def read_arrays(path: Path, labels: Path | None) -> tuple[Pair, Pair | None]:
    """The training (or only) arrays of a file and its test arrays, as they are stored."""
    if path.suffix == ".npz":
        return _read_npz(path)
    if is_idx(path) or path.suffix == ".npy" or labels:
        test = next((pair for pair in _test_pairs(path) if pair.exists()), None) if labels is None else None
        return _read_pair(path, labels or _labels_beside(path)), _read_pair(
            test, _labels_beside(test)
        ) if test else None
    if not path.exists():
        raise DataError(f"{path}: expected a file, got nothing there. Check the path.")
    raise DataError(
        f"{path}: expected .csv, .tsv, .jsonl, .parquet, .tab, .ts, .txt, .npz, .npy or IDX, got another kind. "
        "Save the arrays with: numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
    )


def open_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in an NPZ file, by name.

    Raises:
        DataError: The file is missing, damaged, or holds pickled objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
            return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    except _DAMAGES as error:
        raise DataError(
            f"{path}: expected an NPZ file of plain arrays, got a damaged or pickled one ({error}). "
            "Save it again with numpy.savez."
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None


def _read_npz(path: Path) -> tuple[Pair, Pair | None]:
    arrays = open_npz(path)
    if not {"x_train", "y_train"} <= arrays.keys() or ("x_test" in arrays) != ("y_test" in arrays):
        raise DataError(
            f"{path}: expected the arrays {', '.join(_ARRAYS)}, got {', '.join(arrays) or 'none'}. "
            "Save them with: numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
        )
    pairs = [
        (arrays[f"x_{part}"], _as_text(arrays[f"y_{part}"])) for part in ("train", "test") if f"x_{part}" in arrays
    ]
    for part, (x, y) in zip(("train", "test"), pairs, strict=False):
        _check_pair(f"{path}: y_{part}", x, y)
    return pairs[0], pairs[1] if len(pairs) == 2 else None


def _read_pair(images: Path, labels: Path) -> Pair:
    if not labels.exists():
        raise DataError(
            f"{images}: expected its labels in {labels}, got nothing there. Put them there, or name them in the "
            "experiment: data: {file: IMAGES, labels: LABELS}"
        )
    if labels == images:
        raise DataError(
            f"{images}: expected a name with the word images, by which to find its labels, got another. "
            "Rename the pair, or name them in the experiment: data: {file: IMAGES, labels: LABELS}"
        )
    x, y = read_array(images), _as_text(read_array(labels))
    _check_pair(str(labels), x, y)
    return x, y


def read_array(path: Path) -> NDArray[Any]:
    """The array in an NPY or IDX file.

    Raises:
        DataError: As in ``open_npz``.
    """
    if path.suffix != ".npy":
        return read_idx(path)
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise cannot_read(path, error) from None
    except _DAMAGES as error:
        raise DataError(
            f"{path}: expected an NPY file of a plain array, got a damaged or pickled one ({error}). "
            "Save it again with numpy.save."
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: expected an NPY file, got an archive of several. Name it {path.stem}.npz.")
    return array


def _check_pair(where: str, x: NDArray[Any], y: NDArray[Any]) -> None:
    examples = len(x) if x.ndim else 0
    if y.ndim != 1 or examples != len(y) or not examples:
        remedy = "Give each class' index: y.argmax(axis=1)." if y.ndim == 2 else "Save as many labels as examples."
        raise DataError(
            f"{where}: expected one label for each of {examples:,} examples, got the shape {list(y.shape)}. {remedy}"
        )
    if y.dtype.kind not in "iuUS":
        raise DataError(f"{where}: expected labels as integers or text, got {y.dtype}. Convert them: y.astype(int)")


def _as_text(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels of bytes as the text that they spell."""
    return np.char.decode(labels, "utf-8", "replace") if labels.dtype.kind == "S" else labels


def _labels_beside(images: Path) -> Path:
    if images.suffix == ".npy" and images.name[0] in "xX":
        return images.with_name(("y" if images.name[0] == "x" else "Y") + images.name[1:])
    return images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))


def _test_pairs(images: Path) -> list[Path]:
    if images.suffix == ".npy":
        return [images.with_name(images.name.replace("train", "test", 1))] if "train" in images.name else []
    if not images.name.startswith("train"):
        return []
    return [images.with_name(images.name.replace("train", other, 1)) for other in ("t10k", "test")]
