"""Files of arrays: NPZ, NPY, and the IDX format of MNIST."""

import gzip
import io
import lzma
import math
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Division, Split
from unrolled.data.labeled import ALL, check_groups, choose_test
from unrolled.data.limits import check_unpacked, most_bytes, too_large
from unrolled.data.npz import (
    ERRORS_OF_DAMAGED_FILES,
    ArrayParts,
    Pair,
    are_measured,
    as_text,
    check_pair,
    read_npz,
    read_npz_inputs,
    read_plain_array,
    step_numbers,
)
from unrolled.data.precision import loses_differences
from unrolled.data.ragged import objects
from unrolled.data.targets import CLASS, NUMBERS, TargetKind, as_arrays
from unrolled.data.values import LARGEST
from unrolled.errors import DataError, first_line
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray

_XZ_MAGIC = b"\xfd7zXZ\x00"
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_MOST_AXES = 64  # of NumPy
_XZ_MEMORY, _PIECE = 1 << 28, 1 << 20
_UINT8 = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, plain or compressed with gzip or xz.

    The file is two zero bytes, the type (8: unsigned byte), the number of axes, each axis' length as a big-endian
    32-bit integer, and then the values in C order.

    Args:
        path: The file; its compression is detected from its first bytes.

    Returns:
        The array, in the shape of the header.

    Raises:
        DataError: The file is missing, damaged, truncated, or not IDX.

    Reference:
        Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    data = _decompress(path)
    if len(data) < 4 or data[:3] != bytes([0, 0, _UINT8]):
        raise DataError(f"{path}: expected an IDX file of unsigned bytes, got something else. Check the file.")
    if data[3] > _MOST_AXES:
        raise DataError(f"{path}: expected at most {_MOST_AXES} axes, got {data[3]}. Copy or download the file again.")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise DataError(
            f"{path}: expected a header of {header} bytes, got a file of {len(data)}. Copy or download the file again."
        )
    shape = tuple(int(length) for length in np.frombuffer(data[4:header], dtype=">u4"))
    if len(data) != header + math.prod(shape):
        raise DataError(
            f"{path}: expected {math.prod(shape):,} values for the shape {shape} in its header, "
            f"got {len(data) - header:,}. Copy or download the file again."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def is_idx(path: Path) -> bool:
    """Return True if the name follows MNIST's convention: ``train-images-idx3-ubyte.gz``, ``digits.idx``."""
    return path.suffix.lower() != ".npz" and ("-idx" in path.name or path.suffix == ".idx")


def _decompress(path: Path) -> bytearray:
    """Return the contents as a bytearray, so that the array made of it is writable."""
    try:
        data = path.read_bytes()
        most = most_bytes(len(data))
        if data.startswith(_XZ_MAGIC):
            found = _decompress_xz(data, most)
        elif data.startswith(_GZIP_MAGIC):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                found = bytearray(file.read(most + 1))
        else:
            found = bytearray(data)
        if len(found) > most:
            raise too_large(path, None, len(data), "Store it without compression.")
        return found
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole compressed file, got a damaged one ({error}). Copy or download it again."
        ) from None
    except DataError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from None


def _decompress_xz(data: bytes, most: int) -> bytearray:
    """Decompress the streams of an xz file in parallel, one thread each; ``lzma`` releases the interpreter's lock.

    Each stream begins with six magic bytes, which ``scripts/pack_mnist.py`` keeps from occurring elsewhere.

    Returns:
        All bytes, or a few more than ``most`` of them.
    """
    starts = [0]
    while (start := data.find(_XZ_MAGIC, starts[-1] + 1)) != -1:
        starts.append(start)
    streams = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    sizes: list[int] = []

    def decompress(stream: bytes) -> bytearray:
        decompressor, found = lzma.LZMADecompressor(memlimit=_XZ_MEMORY), bytearray()
        while not decompressor.eof and sum(sizes) <= most:
            piece = decompressor.decompress(stream, _PIECE)
            if not piece and decompressor.needs_input:
                raise EOFError("Compressed data ended before the end-of-stream marker was reached")
            stream = b""
            sizes.append(len(piece))
            found += piece
        return found

    with ThreadPoolExecutor() as pool:
        return bytearray().join(pool.map(decompress, streams))


def is_array_file(path: Path) -> bool:
    """Return True if the name is that of an NPZ, NPY or IDX file."""
    return path.suffix.lower() in (".npz", ".npy") or is_idx(path)


def read_arrays(path: Path, labels: Path | None = None, per: str = "sequence", by: str | None = None) -> ArrayParts:
    """Read examples and what each has, or each of their steps, in the dtypes of their file.

    Args:
        path: An NPZ file, or the examples of an IDX or NPY pair (see ``load_arrays``).
        labels: The labels of a pair, if their name does not follow the convention.
        per: What has a target, each ``sequence`` or each ``step``.
        by: Of an NPZ file, the array with the group of each example.

    Raises:
        DataError: A file is missing or damaged, or there is not one label for each example.
    """
    if path.suffix.lower() == ".npz":
        return read_npz(path, per, by)
    if by is not None:
        raise DataError(f"{path}: data.split.by: expected an NPZ file with an array {by}. Save one, or leave it out.")
    test = next((pair for pair in _test_pairs(path) if pair.exists()), None) if labels is None else None
    parts = {"train": _read_pair(path, labels or _labels_beside(path), per)}
    return ArrayParts(parts | ({"test": _read_pair(test, _labels_beside(test), per)} if test else {}))


def _read_pair(images: Path, labels: Path, per: str) -> Pair:
    if not images.exists():
        raise cannot_read(images, FileNotFoundError())
    if labels == images:
        raise DataError(
            f"{images}: cannot find its labels, because its name lacks the word images. "
            "Rename the pair, or name them in the experiment: data: {file: IMAGES, labels: LABELS}"
        )
    if not labels.exists():
        raise DataError(
            f"{images}: its labels {labels} do not exist. Put them there, or name them in the "
            "experiment: data: {file: IMAGES, labels: LABELS}"
        )
    x, y = read_array(images), as_text(read_array(labels))
    if per == "step":
        return x, step_numbers(str(labels), x, y)
    check_pair(str(labels), x, y)
    return x, y


def read_array(path: Path) -> NDArray[Any]:
    """Read the array of an NPY or IDX file.

    Raises:
        DataError: The file is missing, damaged, or holds pickled objects.
    """
    if path.suffix.lower() != ".npy":
        return read_idx(path)
    try:
        size = path.stat().st_size
        check_unpacked(path, size, size, "Use fewer examples.")
        with path.open("rb") as file:
            if file.peek(len(_ZIP_MAGIC)).startswith(_ZIP_MAGIC):
                raise DataError(f"{path}: expected an NPY file, got an archive of several. Name it {path.stem}.npz.")
            return read_plain_array(str(path), file, size)
    except DataError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from None
    except ERRORS_OF_DAMAGED_FILES as error:
        raise DataError(
            f"{path}: expected an NPY file of a plain array, got a damaged or pickled one ({first_line(error)}). "
            "Save it again with numpy.save."
        ) from None


def _labels_beside(images: Path) -> Path:
    if images.suffix.lower() == ".npy" and images.name[0] in "xX":
        return images.with_name(("y" if images.name[0] == "x" else "Y") + images.name[1:])
    return images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))


def _test_pairs(images: Path) -> list[Path]:
    if images.suffix.lower() == ".npy":
        return [images.with_name(images.name.replace("train", "test", 1))] if "train" in images.name else []
    if not images.name.startswith("train"):
        return []
    return [images.with_name(images.name.replace("train", other, 1)) for other in ("t10k", "test")]


_LARGEST_CLASS_INDEX = 9_999


def load_arrays(
    path: Path, labels: Path | None = None, target_kind: TargetKind | None = None, by: str | None = None
) -> Dataset:
    """Load a data set from an NPZ file, or from an IDX or NPY pair.

    Args:
        path: One of

            - an NPZ file with examples and what each has, such as X and y, or x_train, y_train, x_test and y_test (see
              ``read_npz``);
            - the images of an IDX pair. Its labels are found beside it (``images-idx3`` becomes ``labels-idx1``), and
              beside ``train-images…`` a test pair ``t10k-images…`` or ``test-images…``;
            - ``x_train.npy``, with ``y_train.npy`` and, optionally, ``x_test.npy`` and ``y_test.npy`` beside it.
        labels: The labels of a pair, if their name does not follow the convention.
        target_kind: What an example has; without it, fractions and more than 50 different floats are numbers, and
            anything else is a class.
        by: Of an NPZ file, the array with the group of each example, which stays in one part.

    Returns:
        The data set; if values are missing (NaN), a data set of series. Without test examples a sixth of each class is
        held out for the test, always the same.

    Raises:
        DataError: A file is missing or damaged, or its arrays do not fit together.
    """
    found = read_arrays(path, labels, by=by)
    has_numbers = target_kind is NUMBERS or (target_kind is None and are_measured(found.parts["train"][1]))
    inputs = {part: as_inputs(path, x) for part, (x, _) in found.parts.items()}
    check_shapes(path, inputs)
    if any(_has_gaps(part) for part in inputs.values()):
        inputs = {part: x if x.dtype == object else _as_series(x) for part, x in inputs.items()}
    targets = {part: y for part, (_, y) in found.parts.items()}
    if has_numbers:
        numbers = {part: _as_numbers(path, found.target, y) for part, y in targets.items()}
        names = numbered_names(found.target, numbers["train"].shape[1])
        outputs = NUMBERS.outputs(str(path), as_arrays(numbers["train"]), names, lambda example: str(path))
        splits = {part: Split(inputs[part], numbers[part]) for part in inputs}
    else:
        targets = {part: _as_labels(y) for part, y in targets.items()}
        outputs = found.classes or _class_names(path, list(targets.values()))
        splits = {part: Split(inputs[part], label_indices(path, targets[part], outputs)) for part in inputs}
    division = None if found.groups is None else Division("group", found.groups)
    check_groups(str(path), division)
    if "test" not in splits:
        stay, test = choose_test(str(path), splits["train"], division, ALL)
        division = division.select(stay) if division else None
        splits["train"], splits["test"] = splits["train"].select(stay), splits["train"].select(test)
        if not splits["test"].size:
            raise DataError(
                f"{path}: expected enough examples to hold out a sixth of each class for the test, got "
                f"{splits['train'].size} of {len(outputs)} classes. Add examples, or arrays x_test and y_test."
            )
    return Dataset(
        path.name,
        splits["train"],
        splits["test"],
        outputs,
        validation=splits.get("validation"),
        notes=found.notes,
        division=division,
        target_kind=NUMBERS.name if has_numbers else CLASS.name,
    )


def numbered_names(name: str, columns: int) -> tuple[str, ...]:
    """Return the names of the columns of an array of targets.

    Example:
        >>> numbered_names("y", 1), numbered_names("y", 2)
        (('y',), ('y 1', 'y 2'))
    """
    return (name,) if columns == 1 else tuple(f"{name} {number}" for number in range(1, columns + 1))


def check_shapes(path: Path, inputs: Mapping[str, NDArray[Any]]) -> None:
    """Refuse parts whose examples have not the shape of the training examples, or series not as many channels.

    Raises:
        DataError: They have not.
    """
    shapes = {part: x[0].shape[-1:] if x.dtype == object else x.shape[1:] for part, x in inputs.items()}
    for part, shape in shapes.items():
        if shape != shapes["train"]:
            raise DataError(
                f"{path}: expected {part} examples of the training examples' shape {list(shapes['train'])}, got "
                f"{list(shape)}. Bring them to one size."
            )


def load_test_examples(path: Path, outputs: tuple[str, ...], target_kind: TargetKind = CLASS) -> Split:
    """Read the examples of a file to evaluate a network on: the test part, or all if there is none.

    Args:
        path: An NPZ file, or the examples of an IDX or NPY pair (see ``load_arrays``).
        outputs: The names of the network's classes or numbers.
        target_kind: What an example has, a class or numbers.

    Raises:
        DataError: A file is missing or damaged, or a label is not one of the classes.
    """
    found = read_arrays(path)
    x, y = found.parts.get("test") or found.parts["train"]
    if target_kind is NUMBERS:
        numbers = as_arrays(_as_numbers(path, found.target, y))
        return Split(as_inputs(path, x), NUMBERS.encode(numbers, outputs, lambda example: str(path)))
    return Split(as_inputs(path, x), label_indices(path, _as_labels(y), outputs))


def read_examples(path: Path) -> NDArray[Any]:
    """Read examples without labels: an IDX or NPY file, or those of an NPZ file (see ``read_npz_inputs``).

    Raises:
        DataError: The file is missing or damaged, or several of its arrays may be the examples.
    """
    is_one = is_idx(path) or path.suffix.lower() == ".npy"
    return as_inputs(path, read_array(path) if is_one else read_npz_inputs(path))


def _as_labels(y: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers of a float type as integers; other labels are returned unchanged."""
    is_whole = y.dtype.kind == "f" and bool((y == np.floor(y)).all())
    return y.astype(np.int64) if is_whole else y


def _as_numbers(path: Path, name: str, y: NDArray[Any]) -> NDArray[np.float64]:
    """Return targets [B, columns]."""
    if y.dtype.kind not in "iuf":
        raise DataError(f"{path}: {name}: expected numbers, got {y.dtype}. Save numbers, or set task: classify")
    numbers = y.astype(np.float64).reshape(len(y), -1)
    for example in np.flatnonzero(~np.isfinite(numbers).all(axis=1))[:1].tolist():
        raise DataError(f"{path}: {name}: expected a number, got {numbers[example]} in example {example}. Remove it.")
    return numbers


def label_indices(path: Path, labels: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the index of each label among the classes, compared by name.

    Raises:
        DataError: A label is not one of the classes.
    """
    indices = {name: index for index, name in enumerate(classes)}
    distinct, inverse = np.unique(labels, return_inverse=True)
    unknown = [str(label) for label in distinct if str(label) not in indices]
    if unknown:
        raise DataError(
            f"{path}: expected labels among {', '.join(classes)}, got {', '.join(unknown[:5])}. "
            "Relabel those examples or leave them out."
        )
    return np.array([indices[str(label)] for label in distinct], dtype=np.int64)[inverse.reshape(-1)]


def _class_names(path: Path, parts: list[NDArray[Any]]) -> tuple[str, ...]:
    """Return 0, 1, … up to the largest integer label, or the distinct labels in order."""
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


def as_inputs(path: Path, x: NDArray[Any]) -> NDArray[Any]:
    """Return examples as [B, height, width], or [B, height, width, 3] in colours; series [B] of [T, F] as they are.

    A last axis of length 1 is left out; uint8 is kept, others become float32, as all series do.
    """
    if x.dtype == object:
        owners = np.repeat(np.arange(len(x)), [len(series) for series in x])
        frames = _as_float32(path, np.concatenate(list(x))[:, None], owners)[:, 0]
        return objects(np.split(frames, np.flatnonzero(np.diff(owners)) + 1))
    if x.ndim == 4 and x.shape[-1] == 1:
        x = x[..., 0]
    is_colored = x.ndim == 4 and x.shape[-1] == 3
    if (x.ndim != 3 and not is_colored) or x.dtype.kind not in "iufb" or 0 in x.shape:
        remedy = "Convert pictures to grey levels, or to red, green and blue in the last axis."
        if x.ndim == 4 and x.shape[1] in (1, 3):
            remedy = "Move the channels to the last axis: x.transpose(0, 2, 3, 1)"
        elif x.ndim == 4 and x.shape[-1] == 4:
            remedy = "Leave the transparency out: x[..., :3]"
        elif x.ndim == 2:
            remedy = "Add an axis of one channel, x[..., None], or an array lengths of frames that stand end to end."
        raise DataError(
            f"{path}: expected numbers [examples, rows, columns] or [examples, rows, columns, 3], got {x.dtype} "
            f"{list(x.shape)}. {remedy}"
        )
    return x if x.dtype == np.uint8 else _as_float32(path, x, np.arange(len(x)))


def _as_float32(path: Path, x: NDArray[Any], owners: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return numbers as float32 after checking them.

    Args:
        path: The file, for messages.
        x: [N, ..., F] numbers.
        owners: [N] the example that each row belongs to, for messages.
    """
    if x.dtype.kind not in "iufb":
        raise DataError(f"{path}: expected numbers, got {x.dtype}. Convert them: x.astype(float)")
    largest = float(np.fmax.reduce(np.abs(x), axis=None))
    if LARGEST < largest < np.inf:
        raise DataError(f"{path}: expected numbers below {LARGEST:.1e}, got {largest:g}. Scale them.")
    if not np.can_cast(x.dtype, np.float32) and loses_differences(x.reshape(-1, x.shape[-1])):
        raise DataError(
            f"{path}: float32, which networks read, rounds the differences between these numbers away. Subtract the "
            "mean of each channel before you save them."
        )
    narrow: NDArray[np.float32] = x.astype(np.float32)
    rows = narrow.reshape(len(narrow), -1)
    if narrow.ndim == 4 and np.isnan(narrow).any():
        example = int(owners[np.isnan(rows).any(axis=1)][0])
        raise DataError(f"{path}: expected a number in every pixel, got NaN in example {example}. Fill them in.")
    if np.isinf(narrow).any():
        example = int(owners[np.isinf(rows).any(axis=1)][0])
        raise DataError(
            f"{path}: expected finite numbers, NaN where one is missing, got infinity in example {example}. Remove it."
        )
    return narrow


def _has_gaps(x: NDArray[Any]) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(x).any())


def _as_series(x: NDArray[Any]) -> NDArray[Any]:
    """Return series [T, F] without the empty steps at their ends, [B]."""
    has_value = ~np.isnan(x).all(axis=2)
    ends = np.maximum(1, x.shape[1] - has_value[:, ::-1].argmax(axis=1))
    ends[~has_value.any(axis=1)] = 1
    return objects([example[:end] for example, end in zip(x.astype(np.float32), ends, strict=True)])
