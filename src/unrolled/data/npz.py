"""NPZ files: which of their arrays are the examples, what each has, their lengths, parts, classes and channels."""

import lzma
import re
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import IO, Any

from unrolled.data.columns import PARTS
from unrolled.data.limits import check_unpacked
from unrolled.data.ragged import objects
from unrolled.data.table import format_list
from unrolled.errors import DataError, first_line
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray

# Raised by NumPy for archives that are truncated, altered, encrypted or pickled, for other files, and for headers that
# claim more than there is memory.
ERRORS_OF_DAMAGED_FILES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_LARGEST_CODE, _SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)

_INPUTS = ("x", "input", "inputs", "data", "features", "sequences", "series", "images", "samples", "signals")
_TARGETS = ("y", "target", "targets", "label", "labels", "class", "classes")
_LENGTHS = ("lengths", "length", "lens", "seq_lengths", "sequence_lengths", "seq_lens")
_SPLITS = ("split", "splits", "subset", "partition")
_CLASS_NAMES = ("class_names", "classes", "target_names", "label_names", "labels")
_CHANNEL_NAMES = ("channels", "channel_names", "feature_names")
_GROUPS = tuple(
    f"{word}{ending}"
    for word in ("subject", "patient", "person", "participant", "speaker", "user", "group")
    for ending in ("", "s", "_id", "_ids")
)
_ORDER = ("train", "validation", "test")
_HOW_TO_PREDICT_STEPS = "To predict a number at each step set task: regress and data: {per: step}"
_HOW_TO_NAME = (
    "Name the examples X and what each has y, or x_train, y_train, x_test and y_test; beside X and y may stand "
    "lengths, split, class_names and channels: numpy.savez(path, X=..., y=...)"
)

Arrays = Mapping[str, NDArray[Any]]
Pair = tuple[NDArray[Any], NDArray[Any]]
"""Examples [B, ...], or [B] objects of unequal length; and what each has, [B] or [B, columns], or each of their steps,
[B] objects [T, columns]."""


@dataclass(frozen=True)
class ArrayParts:
    """The examples of a file of arrays.

    Attributes:
        parts: By ``train``, ``validation`` and ``test``, as far as the file has them, the examples and their targets.
        target: The name of the array of the targets.
        classes: The names of the classes in their order, where the file has them; the targets are such names then.
        groups: The group of each training example, where it is asked for.
        notes: What was understood, a sentence each.
    """

    parts: Mapping[str, Pair]
    target: str = "y"
    classes: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def open_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an NPZ file, by name.

    Raises:
        DataError: The file is missing, damaged, or holds pickled objects or more than its size explains.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_unpacked(
                path,
                sum(member.file_size for member in members),
                path.stat().st_size,
                "Save it without compression: numpy.savez",
            )
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    is_array = file.read(len(_MAGIC)) == _MAGIC
                    file.seek(0)
                    if is_array:
                        name = member.filename.removesuffix(".npy")
                        arrays[name] = read_plain_array(f"{path}: {name}", file, member.file_size)
            return arrays
    except ERRORS_OF_DAMAGED_FILES as error:
        raise DataError(
            f"{path}: expected an NPZ file of plain arrays, got a damaged or pickled one ({first_line(error)}). "
            "Save it again with numpy.savez."
        ) from None
    except DataError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from None


_MAGIC = b"\x93NUMPY"


def read_plain_array(where: str, file: IO[bytes], size: int) -> NDArray[Any]:
    """Read an array in the format of NumPy.

    Args:
        where: The array, for messages.
        file: Its bytes.
        size: The number of bytes.

    Raises:
        DataError: Its texts are none.
        Exception: One of ``ERRORS_OF_DAMAGED_FILES``.
    """
    with np.errstate(all="ignore"):  # a shape may overflow
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    # An axis of empty texts, or beside one of length 0, can be of any length.
    if max(array.shape, default=0) > size:
        raise ValueError(f"an axis of {max(array.shape):,} in {size:,} bytes")
    if array.dtype.kind == "U" and array.size and array.itemsize:
        codes = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1).view(np.uint32)
        first, last = _SURROGATES
        is_wrong = (codes > _LARGEST_CODE) | ((codes >= first) & (codes <= last))
        if is_wrong.any():
            index, of_each = int(is_wrong.argmax()), array.itemsize // codes.itemsize
            raise DataError(
                f"{where}: expected text, got the code 0x{codes[index]:x}, which no character has, in item "
                f"{index // of_each}. Correct it: text.encode('utf-8', 'replace').decode()"
            )
    return array


def read_npz(path: Path, per: str = "sequence", by: str | None = None) -> ArrayParts:
    """Read the examples of an NPZ file with what each has, or each of their steps.

    Names may be in any case, and of several usual words: ``X`` or ``data``, ``y`` or ``labels``. The parts are arrays
    of their own (``x_train``, ``y_test``, ``X_val``), or named for each example by an array ``split``. With an array
    ``lengths`` the examples are divided out of frames that stand end to end, or their padding is cut off.

    Args:
        path: The file.
        per: What has a target, each ``sequence`` or each ``step``.
        by: The array with the group of each example, which stays in one part.

    Raises:
        DataError: The file is missing or damaged, its arrays cannot be told apart, or they do not fit together.
    """
    arrays = open_npz(path)
    if not arrays:
        raise DataError(f"{path}: expected an NPZ file of plain arrays, got none. {_HOW_TO_NAME}")
    found = _Roles.of(path, arrays, per)
    parts = [part for part in _ORDER if found.names(part, _INPUTS)]
    if parts:
        return _read_parts(found, parts, by)
    inputs, used = found.inputs("")
    target = found.target("", len(inputs) if inputs.ndim else 0)
    y = found.values("", target, inputs)
    classes, of_classes = found.class_names(target, y)
    if classes:
        y = _named(path, target, y, classes)
    split = found.split(len(inputs))
    used |= {target: "targets"} | dict.fromkeys(of_classes, "names of the classes")
    used |= {split.name: "parts"} if split else {}
    pairs = {"train": (inputs, y)} if split is None else {part: (inputs[at], y[at]) for part, at in split.parts.items()}
    groups, of_groups = found.groups("", by, len(inputs))
    if groups is not None and split is not None:
        groups = groups[split.parts["train"]]
    return found.described(ArrayParts(pairs, target, tuple(classes), groups), used | of_groups)


def outline_npz(path: Path) -> tuple[str | None, bool]:
    """Return the array of the subjects or other groups of the examples, and whether each step has a target.

    Returns:
        Its name, None if there is none or several; and True if the targets are as many as the steps of the examples.

    Raises:
        DataError: The file is missing or damaged, or its arrays cannot be told apart.
    """
    arrays = open_npz(path)
    found = _Roles.of(path, arrays)
    groups = [name for part in ("", "train") for name in found.names(part, _GROUPS)]
    part = "train" if found.names("train", _INPUTS) else ""
    pairs = product(found.names(part, _INPUTS), found.names(part, _TARGETS))
    has_step_targets = any(has_step_shape(arrays[name], arrays[target]) for name, target in pairs)
    return groups[0] if len(groups) == 1 else None, has_step_targets


def read_npz_inputs(path: Path) -> NDArray[Any]:
    """Read examples without what they have: those of an array such as X_test, or all in their order, or the only array.

    Raises:
        DataError: The file is missing or damaged, or several of its arrays may be the examples.
    """
    arrays = open_npz(path)
    if not arrays:
        raise DataError(f"{path}: expected an NPZ file of plain arrays, got none. {_HOW_TO_NAME}")
    found = _Roles.of(path, arrays)
    for part in ("test", ""):
        if found.names(part, _INPUTS):
            return found.inputs(part)[0]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise DataError(f"{path}: expected an array X, got {_shown(arrays)}. Save it as: numpy.savez(path, X=images)")


def check_pair(where: str, x: NDArray[Any], y: NDArray[Any]) -> None:
    """Refuse targets that are not one class or some numbers for each example.

    Raises:
        DataError: They are not.
    """
    examples = len(x) if x.ndim else 0
    has_numbers = y.ndim == 2 and y.dtype.kind == "f" and not _is_one_hot(y)
    if (y.ndim != 1 and not has_numbers) or examples != len(y) or not examples:
        remedy = "Save as many labels as examples."
        if y.ndim > 1 and y.shape[:2] == x.shape[:2]:
            remedy = _HOW_TO_PREDICT_STEPS
        elif y.ndim == 2:
            one_hot = "Give each class' index: y.argmax(axis=1)."
            remedy = "Leave the second axis out: y[:, 0]" if y.shape[1] == 1 else one_hot
        raise DataError(
            f"{where}: expected one label for each of {examples:,} examples, got the shape {list(y.shape)}. {remedy}"
        )
    if y.dtype.kind not in "iufbUS":
        raise DataError(f"{where}: expected numbers or text, got {y.dtype}. Convert them: y.astype(int)")


def has_step_shape(x: NDArray[Any], y: NDArray[Any]) -> bool:
    """Return True if numbers [B, T] or [B, T, columns] are as many as the steps of the examples [B, T, F]."""
    return x.ndim == 3 and y.ndim in (2, 3) and y.dtype.kind == "f" and y.shape[:2] == x.shape[:2]


def step_numbers(where: str, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers of each step, [B] objects [T, columns] float64, NaN for one that is missing.

    Args:
        where: The array, for messages.
        x: [B, T, F] examples, or [B] objects [T, F].
        y: [B, T] or [B, T, columns] numbers, or [B] objects [T] or [T, columns].

    Raises:
        DataError: There is not a number for each step.
    """
    if x.dtype != object and (y.ndim not in (2, 3) or x.ndim < 3 or y.shape[:2] != x.shape[:2]):
        raise DataError(
            f"{where}: expected a number for each step, {list(x.shape[:2])}, or several in a last axis, got the shape "
            f"{list(y.shape)}. Save as many numbers as steps."
        )
    numbers = [np.asarray(one) for one in y]
    for index, (example, one) in enumerate(zip(x, numbers, strict=True)):
        if one.dtype.kind not in "iufb" or len(one) != len(example) or np.isinf(one).any():
            raise DataError(
                f"{where}: expected {len(example)} finite numbers in example {index}, or NaN for one that is missing, "
                f"got {one.dtype} {list(one.shape)}. Correct it."
            )
    return objects([one.astype(np.float64).reshape(len(one), -1) for one in numbers])


def _is_one_hot(y: NDArray[Any]) -> bool:
    return y.shape[1] > 1 and bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def as_text(labels: NDArray[Any]) -> NDArray[Any]:
    """Decode labels of bytes; other labels are returned unchanged."""
    return np.char.decode(labels, "utf-8", "replace") if labels.dtype.kind == "S" else labels


def _shown(arrays: Arrays, names: Sequence[str] | None = None) -> str:
    """Return arrays with their shapes: ``X float32 [24, 5, 4], y int64 [24]``."""
    chosen = arrays if names is None else names
    return format_list([f"{name} {arrays[name].dtype} {list(arrays[name].shape)}" for name in chosen], 20) or "none"


def _word_and_part(name: str) -> tuple[str, str]:
    """Return what an array is by its name, in lower case, and its part.

    Example:
        >>> _word_and_part("X_train"), _word_and_part("testLabels"), _word_and_part("class_names")
        (('x', 'train'), ('labels', 'test'), ('class_names', ''))
    """
    apart = re.sub(r"^([xyXY])(?=(?i:train|test|val|dev))|(?<=[a-z])(?=[A-Z])", r"\1_", name)
    words = [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]
    for at in (-1, 0):
        if len(words) > 1 and words[at] in PARTS:
            part = PARTS[words.pop(at)]
            return "_".join(words), part
    return "_".join(words), ""


@dataclass(frozen=True)
class _Division:
    """The examples of each part, as an array names them."""

    name: str
    parts: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class _Roles:
    """The arrays of a file by their words and parts."""

    path: Path
    arrays: Arrays
    by_word: Mapping[tuple[str, str], str]
    per: str = "sequence"

    @classmethod
    def of(cls, path: Path, arrays: Arrays, per: str = "sequence") -> "_Roles":
        found: dict[tuple[str, str], str] = {}
        for name in arrays:
            key = _word_and_part(name)
            if key in found:
                raise cls(path, arrays, found).unclear(f"{found[key]} and {name} mean the same")
            found[key] = name
        return cls(path, arrays, found, per)

    def unclear(self, reason: str) -> DataError:
        """Return the error for arrays that cannot be told apart."""
        return DataError(f"{self.path}: {reason}, among the arrays {_shown(self.arrays)}. {_HOW_TO_NAME}")

    def names(self, part: str, words: Sequence[str]) -> list[str]:
        """Return the names of the arrays of a part that are called by one of the words."""
        return [self.by_word[word, part] for word in words if (word, part) in self.by_word]

    def one(self, part: str, words: Sequence[str]) -> str | None:
        """Return the name of the only such array; None if there is none."""
        names = self.names(part, words)
        if len(names) > 1:
            raise self.unclear(f"cannot tell which of {format_list(names)} to read")
        return names[0] if names else None

    def inputs(self, part: str) -> tuple[NDArray[Any], dict[str, str]]:
        """Return the examples of a part, and by name what the arrays are that they are read from."""
        names, lengths = self.names(part, _INPUTS), self.one(part, _LENGTHS)
        if len(names) > 1:  # features may be names
            names = [name for name in names if self._holds_examples(name)]
        if len(names) != 1:
            what = f"which of {format_list(names)} holds" if names else "which array holds"
            raise self.unclear(f"cannot tell {what} the examples")
        name = names[0]
        if lengths is None:
            return self.arrays[name], {name: "examples"}
        divided = _divided(self.path, name, self.arrays[name], lengths, self.arrays[lengths])
        return divided, {name: "frames", lengths: "lengths"}

    def _holds_examples(self, name: str) -> bool:
        return self.arrays[name].ndim > 1 and self.arrays[name].dtype.kind in "iufb"

    def _is_list(self, name: str) -> bool:
        return self.arrays[name].ndim == 1 and self.arrays[name].dtype.kind in "iufbUS"

    def check_no_whole(self, train: str) -> None:
        """Refuse examples, lengths or a split of the whole beside parts that are arrays of their own."""
        whole = [name for name in self.names("", _INPUTS) if self._holds_examples(name)]
        for name in (*whole, *self.names("", _LENGTHS), *self.names("", _SPLITS)):
            raise self.unclear(f"cannot tell what {name} is beside {train}")

    def target(self, part: str, examples: int) -> str:
        """Return the name of the array of what each example has."""
        names = self.names(part, _TARGETS)
        fitting = [name for name in names if self.arrays[name].ndim and len(self.arrays[name]) == examples]
        chosen = fitting or names[:1]
        if len(chosen) != 1:
            what = f"which of {format_list(chosen)} is" if chosen else "which array holds"
            raise self.unclear(f"cannot tell {what} what each example has")
        return chosen[0]

    def values(self, part: str, target: str, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return what each example of a part has, or each of its steps."""
        where, y, lengths = f"{self.path}: {target}", as_text(self.arrays[target]), self.one(part, _LENGTHS)
        if self.per == "step":
            y = y if lengths is None else _divided(self.path, target, y, lengths, self.arrays[lengths])
            return step_numbers(where, inputs, y)
        if has_step_shape(self.arrays[self.names(part, _INPUTS)[0]], y) and (lengths is not None or np.isnan(y).any()):
            raise DataError(
                f"{where}: expected as many numbers for each example, got {list(y.shape)} with lengths or missing "
                f"ones: a number for each step. {_HOW_TO_PREDICT_STEPS}"
            )
        check_pair(where, inputs, y)
        return y

    def class_names(self, target: str, y: NDArray[Any]) -> tuple[list[str], list[str]]:
        """Return the names of the classes, and of the array that holds them; nothing if there is none."""
        names = [name for name in self.names("", _CLASS_NAMES) if name != target and self._is_list(name)]
        if not names or are_measured(y) or self.per == "step":
            return [], []
        if len(names) > 1:
            raise self.unclear(f"cannot tell which of {format_list(names)} are the names of the classes")
        classes = [str(one) for one in as_text(self.arrays[names[0]]).tolist()]
        if len(set(classes)) != len(classes):
            raise self.unclear(f"expected names of classes that differ in {names[0]}")
        return classes, names

    def split(self, examples: int) -> _Division | None:
        """Return the examples of each part as an array names them; None if there is none."""
        name = self.one("", _SPLITS)
        if name is None:
            return None
        words = as_text(self.arrays[name])
        if words.shape != (examples,) or words.dtype.kind != "U":
            raise DataError(
                f"{self.path}: {name}: expected train, validation or test for each of {examples:,} examples, got "
                f"{words.dtype} {list(words.shape)}. Write these words, or leave the array out."
            )
        lower = np.char.lower(np.char.strip(words))
        for word in np.unique(lower).tolist():
            if word not in PARTS:
                raise DataError(
                    f'{self.path}: {name}: expected train, validation or test, got "{word}". Write one of them.'
                )
        of_each = np.array([PARTS[word] for word in lower.tolist()])
        parts = {part: np.flatnonzero(of_each == part) for part in _ORDER if (of_each == part).any()}
        if "train" not in parts:
            raise DataError(f"{self.path}: {name}: expected training examples, got {format_list([*parts])} alone.")
        return _Division(name, parts)

    def groups(self, part: str, by: str | None, examples: int) -> tuple[NDArray[np.int64] | None, dict[str, str]]:
        """Return the number of the group of each example of a part, and by name what the array is."""
        if by is None:
            return None, {}
        named = [self.by_word.get((word, own)) for word, own in ((by.lower(), part), _word_and_part(by))]
        name = next((name for name in (by, *named) if name in self.arrays), None)
        if name is None:
            raise DataError(f"{self.path}: data.split.by: no array {by}. Arrays: {_shown(self.arrays)}.")
        values = self.arrays[name]
        if values.shape != (examples,) or values.dtype.kind not in "iubUS":
            raise DataError(
                f"{self.path}: {name}: expected the group of each of {examples:,} training examples as a whole number "
                f"or text, got {values.dtype} {list(values.shape)}. Name another array in data.split."
            )
        texts = as_text(values)
        for index in np.flatnonzero(np.char.strip(texts) == "")[:1] if texts.dtype.kind == "U" else ():
            raise DataError(f"{self.path}: {name}: expected a group, got an empty text in example {index}. Add it.")
        return np.unique(values, return_inverse=True)[1].astype(np.int64), {name: "groups"}

    def described(self, found: ArrayParts, used: Mapping[str, str]) -> ArrayParts:
        """Return what was read with notes on it, and on the arrays that were not read.

        Args:
            found: The examples.
            used: By the name of each array that was read, what it is.
        """
        notes = [
            f"{self.path.name}: {', '.join(f'{what}: {_shown(self.arrays, [name])}' for name, what in used.items())}"
        ]
        width = next(iter(found.parts.values()))[0][0].shape[-1:]
        for channels in self.names("", _CHANNEL_NAMES):
            if self.arrays[channels].shape == width:
                names = as_text(self.arrays[channels]).tolist()
                notes.append(f"channels: {format_list([str(name) for name in names])}")
                used = {**used, channels: "channels"}
        if len(found.parts) > 1:
            sizes = ", ".join(f"{part} {len(y):,}" for part, (_, y) in found.parts.items())
            notes.append(f"examples of each part: {sizes}")
        rest = [name for name in self.arrays if name not in used]
        if rest:
            notes.append(f"arrays not read: {_shown(self.arrays, rest)}")
        return replace(found, notes=tuple(notes))


def _read_parts(found: _Roles, parts: Sequence[str], by: str | None) -> ArrayParts:
    """Read the parts that are arrays of their own."""
    path = found.path
    found.check_no_whole(found.names(parts[0], _INPUTS)[0])
    lone = next((name for part in _ORDER if part not in parts for name in found.names(part, _TARGETS)), None)
    if lone is not None or "train" not in parts:
        raise found.unclear(f"no examples for {lone}" if lone else "no training examples")
    pairs: dict[str, Pair] = {}
    used: dict[str, str] = {}
    targets = []
    for part in parts:
        inputs, read = found.inputs(part)
        target = found.target(part, len(inputs) if inputs.ndim else 0)
        pairs[part] = (inputs, found.values(part, target, inputs))
        used |= {**read, target: "targets"}
        targets.append(target)
    names, of_names = found.class_names("", pairs["train"][1])
    if names:
        pairs = {
            part: (x, _named(path, target, y, names))
            for target, (part, (x, y)) in zip(targets, pairs.items(), strict=True)
        }
    groups, of_groups = found.groups("train", by, len(pairs["train"][1]))
    used |= dict.fromkeys(of_names, "names of the classes") | of_groups
    return found.described(ArrayParts(pairs, "y", tuple(names), groups), used)


def _divided(path: Path, name: str, x: NDArray[Any], of: str, lengths: NDArray[Any]) -> NDArray[Any]:
    """Return series of the given lengths, [B] objects [T, F], from frames end to end or from padded ones."""
    got = f"{name} {list(x.shape)} and {of} {list(lengths.shape)}"
    if lengths.ndim != 1 or not len(lengths) or lengths.dtype.kind not in "iu" or lengths.min() < 1:
        raise DataError(
            f"{path}: {of}: expected whole numbers of 1 and more, [examples], got {lengths.dtype} in {got}."
        )
    if x.ndim not in (1, 2, 3):
        raise DataError(f"{path}: expected frames [frames, channels] of {of}, got {got}. Leave {of} out.")
    total = int(lengths.sum())
    if x.ndim < 3 and total == len(x):
        frames = x[:, None] if x.ndim == 1 else x
        return objects(np.split(frames, np.cumsum(lengths)[:-1]))
    if x.ndim > 1 and len(x) == len(lengths) and lengths.max() <= x.shape[1]:
        padded = x[..., None] if x.ndim == 2 else x
        return objects([example[:length] for example, length in zip(padded, lengths.tolist(), strict=True)])
    raise DataError(
        f"{path}: {of}: expected lengths that add up to the {len(x):,} frames of {name}, or one for each padded "
        f"example, got {got} with a sum of {total:,}. Correct {of}, or leave it out."
    )


def _named(path: Path, target: str, y: NDArray[Any], classes: Sequence[str]) -> NDArray[Any]:
    """Return the name of the class of each example, whose indices or names ``y`` holds."""
    if y.dtype.kind == "U":
        known: NDArray[np.bool_] = np.isin(y, list(classes))
    else:
        known = (y >= 0) & (y < len(classes)) & (y == np.floor(y))
        values = np.array([str(int(value)) for value in y.tolist()])
        are_names = bool(np.isin(values, list(classes)).all())
        if are_names and known.all() and (values != np.array(classes)[y.astype(np.int64)]).any():
            raise DataError(
                f"{path}: {target}: cannot tell if {values[0]} is the name of a class or its index among "
                f"{format_list(list(classes))}. Leave the names of the classes out, or save names as labels."
            )
        if are_names:
            return values
    if not known.all():
        raise DataError(
            f"{path}: {target}: expected the names of the {len(classes)} classes {format_list(list(classes))}, or "
            f"their indices from 0 to {len(classes) - 1}, got {y[~known][0]}. Correct the labels, or leave the names "
            "out."
        )
    return y if y.dtype.kind == "U" else np.array(classes)[y.astype(np.int64)]


_MOST_NUMBERED_CLASSES = 50


def are_measured(y: NDArray[Any]) -> bool:
    """Return True if targets are measurements: fractions, or more different numbers than classes are numbered with.

    Whole numbers of an integer type are classes all the same, unless hardly two of them are equal.
    """
    if y.dtype.kind not in "iuf":
        return False
    if y.ndim > 1 or (y != np.floor(y)).any():
        return True
    different = len(np.unique(y))
    return different > _MOST_NUMBERED_CLASSES and (y.dtype.kind == "f" or 2 * different > len(y))
