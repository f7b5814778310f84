"""The user's own arrays: an NPZ file, or an IDX pair named as MNIST names its files."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, hold_out
from unrolled.data.idx import is_idx, read_idx
from unrolled.errors import DataError
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray

TEST_SHARE = 1 / 6  # MNIST's own share of its handwriting, roughly: 10,000 of 70,000
TEST_SEED = 0
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_LARGEST_CLASS_INDEX = 9_999

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

Labelled = tuple[NDArray[Any], NDArray[Any]]


def load_file(path: Path, labels: Path | None = None) -> Dataset:
    """Make a data set of the user's own file.

    Args:
        path: An NPZ file with the arrays x_train, y_train and, where there are any, x_test, y_test; or the images of
            an IDX pair, whose labels are found beside it (``images-idx3`` becomes ``labels-idx1``), and beside
            ``train-images…`` a test pair ``t10k-images…`` or ``test-images…``.
        labels: The labels of an IDX pair that is named otherwise.

    Returns:
        The data set. Where the file has no test examples, a sixth of each class is held out, always the same.

    Raises:
        DataError: A file is missing or damaged, or its arrays do not fit together.
    """
    (x, y), test = _read(path, labels)
    classes = _class_names(path, [y] if test is None else [y, test[1]])
    train = Split(_inputs(path, x), label_indices(path, y, classes))
    if test is None:
        learned, measured = hold_out(train, TEST_SHARE, TEST_SEED)
        if not measured.size:
            raise DataError(
                f"{path}: expected enough examples to hold a sixth of each class out for the test, got {train.size} of "
                f"{len(classes)} classes. Add examples, or arrays x_test and y_test."
            )
        return Dataset(path.name, learned, measured, classes)
    held = Split(_inputs(path, test[0]), label_indices(path, test[1], classes))
    if held.inputs.shape[1:] != train.inputs.shape[1:]:
        raise DataError(
            f"{path}: expected test examples of the training examples' shape {list(train.inputs.shape[1:])}, "
            f"got {list(held.inputs.shape[1:])}. Bring them to one size."
        )
    return Dataset(path.name, train, held, classes=classes)


def load_measured(path: Path, classes: tuple[str, ...]) -> Split:
    """The examples of a file to measure a trained network on: its test part, or all of it where it has none.

    Args:
        path: As in ``load_file``.
        classes: The names of the network's classes, which the labels must be among.

    Raises:
        DataError: As in ``load_file``, or a label is not one of the classes.
    """
    everything, test = _read(path, None)
    x, y = test or everything
    return Split(_inputs(path, x), label_indices(path, y, classes))


def read_inputs(path: Path) -> NDArray[Any]:
    """The examples of a file without their labels: an IDX file, or an NPZ file's ``x_test``, ``x`` or only array."""
    if is_idx(path):
        return _inputs(path, read_idx(path))
    arrays = _open_npz(path)
    for name in ("x_test", "x", "images"):
        if name in arrays:
            return _inputs(path, arrays[name])
    if len(arrays) == 1:
        return _inputs(path, next(iter(arrays.values())))
    raise DataError(f"{path}: expected an array x, got {', '.join(arrays)}. Save it as: numpy.savez(path, x=images)")


def is_batch(path: Path) -> bool:
    """Whether the name is that of a file of many examples, an NPZ or IDX file."""
    return path.suffix == ".npz" or is_idx(path)


def label_indices(path: Path, labels: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Each label's place among the classes, compared by name.

    Raises:
        DataError: A label is not one of the classes.
    """
    place = {name: index for index, name in enumerate(classes)}
    distinct, inverse = np.unique(labels, return_inverse=True)
    strange = [str(label) for label in distinct if str(label) not in place]
    if strange:
        raise DataError(
            f"{path}: expected labels among {', '.join(classes)}, got {', '.join(strange[:5])}. "
            "Relabel those examples or leave them out."
        )
    return np.array([place[str(label)] for label in distinct], dtype=np.int64)[inverse.reshape(-1)]


def _read(path: Path, labels: Path | None) -> tuple[Labelled, Labelled | None]:
    """The training (or only) arrays of a file and its test arrays, as they are stored."""
    if path.suffix == ".npz":
        return _read_npz(path)
    if is_idx(path) or labels:
        test = next((pair for pair in _test_pairs(path) if pair.exists()), None) if labels is None else None
        return _read_pair(path, labels or _labels_beside(path)), _read_pair(
            test, _labels_beside(test)
        ) if test else None
    raise DataError(
        f"{path}: expected an .npz file or the images of an IDX pair, got another kind. "
        "Save the arrays with: numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
    )


def _read_npz(path: Path) -> tuple[Labelled, Labelled | None]:
    arrays = _open_npz(path)
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


def _open_npz(path: Path) -> dict[str, NDArray[Any]]:
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


def _read_pair(images: Path, labels: Path) -> Labelled:
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
    x, y = read_idx(images), read_idx(labels)
    _check_pair(str(labels), x, y)
    return x, y


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
    return images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))


def _test_pairs(images: Path) -> list[Path]:
    if not images.name.startswith("train"):
        return []
    return [images.with_name(images.name.replace("train", other, 1)) for other in ("t10k", "test")]


def _class_names(path: Path, parts: list[NDArray[Any]]) -> tuple[str, ...]:
    """0, 1, … up to the largest integer label, or the distinct labels in order."""
    distinct = sorted(
        {label for part in parts for label in np.unique(part).tolist()}, key=lambda label: (str(type(label)), label)
    )
    if all(isinstance(label, int) and 0 <= label <= _LARGEST_CLASS_INDEX for label in distinct):
        names = tuple(str(index) for index in range(distinct[-1] + 1))
    else:
        names = tuple(str(label) for label in distinct)
    if len(names) < 2:
        raise DataError(f"{path}: expected two classes or more, got {len(names)}. Add examples of another class.")
    return names


def _inputs(path: Path, x: NDArray[Any]) -> NDArray[Any]:
    """Examples as [B, height, width]: a last axis of one channel is dropped, numbers but uint8 become float32."""
    if x.ndim == 4 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.ndim != 3 or x.dtype.kind not in "iufb" or 0 in x.shape:
        raise DataError(
            f"{path}: expected numbers [examples, rows, columns], got {x.dtype} {list(x.shape)}. "
            "Convert pictures to one grey channel."
        )
    if x.dtype == np.uint8:
        return x
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        example = int(np.flatnonzero(~np.isfinite(x).all(axis=(1, 2)))[0])
        raise DataError(f"{path}: expected finite numbers, got NaN or infinity in example {example}. Remove it.")
    return x
