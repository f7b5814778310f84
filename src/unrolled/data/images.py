"""The user's own arrays as examples."""

from pathlib import Path
from typing import Any

from unrolled.data.array_files import open_npz, read_array, read_arrays
from unrolled.data.dataset import Dataset, Split, hold_out, objects
from unrolled.data.idx import is_idx
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

TEST_SHARE = 1 / 6  # MNIST's own share of its handwriting, roughly: 10,000 of 70,000
TEST_SEED = 0
_LARGEST_CLASS_INDEX = 9_999


def load_file(path: Path, labels: Path | None = None) -> Dataset:
    """Make a data set of the user's own file.

    Args:
        path: An NPZ file with the arrays x_train, y_train and, where there are any, x_test, y_test; or the images of
            an IDX pair, whose labels are found beside it (``images-idx3`` becomes ``labels-idx1``), and beside
            ``train-images…`` a test pair ``t10k-images…`` or ``test-images…``; or ``x_train.npy``, beside it
            ``y_train.npy`` and, where there are any, ``x_test.npy`` and ``y_test.npy``.
        labels: The labels of a pair that is named otherwise.

    Returns:
        The data set; where values are missing (NaN), one of series. Where the file has no test examples, a sixth of
        each class is held out, always the same.

    Raises:
        DataError: A file is missing or damaged, or its arrays do not fit together.
    """
    (x, y), test = read_arrays(path, labels)
    classes = _class_names(path, [y] if test is None else [y, test[1]])
    given = [_inputs(path, part) for part in (x, *(test or ())[:1])]
    if given[-1].shape[1:] != given[0].shape[1:]:
        raise DataError(
            f"{path}: expected test examples of the training examples' shape {list(given[0].shape[1:])}, "
            f"got {list(given[1].shape[1:])}. Bring them to one size."
        )
    if any(_has_gaps(inputs) for inputs in given):
        given = [_as_series(inputs) for inputs in given]
    train = Split(given[0], label_indices(path, y, classes))
    if test is not None:
        return Dataset(path.name, train, Split(given[1], label_indices(path, test[1], classes)), classes)
    learned, measured = hold_out(train, TEST_SHARE, TEST_SEED)
    if not measured.size:
        raise DataError(
            f"{path}: expected enough examples to hold a sixth of each class out for the test, got {train.size} of "
            f"{len(classes)} classes. Add examples, or arrays x_test and y_test."
        )
    return Dataset(path.name, learned, measured, classes)


def load_measured(path: Path, classes: tuple[str, ...]) -> Split:
    """The examples of a file to measure a trained network on: its test part, or all of it where it has none.

    Args:
        path: As in ``load_file``.
        classes: The names of the network's classes, which the labels must be among.

    Raises:
        DataError: As in ``load_file``, or a label is not one of the classes.
    """
    everything, test = read_arrays(path, None)
    x, y = test or everything
    return Split(_inputs(path, x), label_indices(path, y, classes))


def read_inputs(path: Path) -> NDArray[Any]:
    """The examples of a file without labels: an IDX or NPY file, or an NPZ file's ``x_test``, ``x`` or only array."""
    if is_idx(path) or path.suffix == ".npy":
        return _inputs(path, read_array(path))
    arrays = open_npz(path)
    for name in ("x_test", "x", "images"):
        if name in arrays:
            return _inputs(path, arrays[name])
    if len(arrays) == 1:
        return _inputs(path, next(iter(arrays.values())))
    raise DataError(f"{path}: expected an array x, got {', '.join(arrays)}. Save it as: numpy.savez(path, x=images)")


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
    if np.isinf(x).any():
        example = int(np.flatnonzero(np.isinf(x).any(axis=(1, 2)))[0])
        raise DataError(
            f"{path}: expected finite numbers, NaN where one is missing, got infinity in example {example}. Remove it."
        )
    return x


def _has_gaps(x: NDArray[Any]) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(x).any())


def _as_series(x: NDArray[Any]) -> NDArray[Any]:
    """[B] of [T, F], without the steps at the end that have no value."""
    has_value = ~np.isnan(x).all(axis=2)
    ends = np.maximum(1, x.shape[1] - has_value[:, ::-1].argmax(axis=1))
    ends[~has_value.any(axis=1)] = 1
    return objects([example[:end] for example, end in zip(x.astype(np.float32), ends, strict=True)])
