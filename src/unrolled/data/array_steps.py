"""Files of arrays with numbers at each step of a series."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.data.arrays import as_inputs, check_shapes, numbered_names, read_arrays
from unrolled.data.dataset import Dataset, Division, Split
from unrolled.data.labeled_steps import LabeledSteps, assemble_steps, has_numbers, split_of_steps
from unrolled.data.npz import ArrayParts
from unrolled.data.ragged import objects
from unrolled.data.targets import NUMBERS, as_arrays
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray


def load_array_steps(path: Path, labels: Path | None = None, by: str | None = None) -> Dataset:
    """Load series with numbers at each step from an NPZ file, or from an NPY pair.

    Args:
        path: The file (see ``load_arrays``): examples [B, T, F] and numbers [B, T] or [B, T, columns], or with an array
            ``lengths`` frames that stand end to end. NaN is a missing number.
        labels: The numbers of a pair, if their name does not follow the convention.
        by: Of an NPZ file, the array with the group of each example, which stays in one part.

    Returns:
        The data set. Without test examples a sixth is held out for the test, always the same.

    Raises:
        DataError: A file is missing or damaged, or its arrays do not fit together.
    """
    return assemble_steps(path.name, _read_parts(path, labels, by))


def read_array_steps(path: Path, outputs: tuple[str, ...]) -> Split:
    """Read the examples of a file to evaluate a network on: the test part, or all if there is none.

    Args:
        path: An NPZ file, or the examples of an NPY pair.
        outputs: The names of the network's numbers.

    Raises:
        DataError: A file is missing or damaged, or has other numbers.
    """
    parts = _read_parts(path)
    return split_of_steps(parts.get("test") or parts["train"], outputs)


def _read_parts(path: Path, labels: Path | None = None, by: str | None = None) -> dict[str, LabeledSteps]:
    found = read_arrays(path, labels, per="step", by=by)
    inputs = {part: objects(list(as_inputs(path, x))) for part, (x, _) in found.parts.items()}
    check_shapes(path, inputs)
    if inputs["train"][0].ndim != 2:
        raise DataError(f"{path}: expected series [examples, steps, channels], got pictures in colours. Leave per out.")
    parts = {part: _as_steps(path, found, inputs[part], y) for part, (_, y) in found.parts.items()}
    if found.groups is None:
        return parts
    return parts | {"train": replace(parts["train"], division=Division("group", found.groups))}


def _as_steps(path: Path, found: ArrayParts, series: NDArray[Any], y: NDArray[Any]) -> LabeledSteps:
    series = objects([np.asarray(one, np.float32) for one in series])
    lengths = _lengths_without_padding(series, y)
    kept = [numbers[:length] for numbers, length in zip(y, lengths, strict=True)]
    numbers = np.concatenate(kept)
    zeros = sum(np.isfinite(y[row][length:]).any() for row, length in enumerate(lengths))
    padding = f"{path.name}: 0 beside missing inputs at the end of {zeros:,} examples is padding, not a target"
    return LabeledSteps(
        [one[:length] for one, length in zip(series, lengths, strict=True)],
        as_arrays(numbers),
        np.array(lengths, np.int64),
        lambda example, step: f"{path}: {found.target}: example {example}",
        notes=(*found.notes, *([padding] if zeros else [])),
        kind=NUMBERS,
        names=numbered_names(found.target, numbers.shape[1]),
    )


def _lengths_without_padding(series: NDArray[Any], y: NDArray[Any]) -> list[int]:
    """Return the lengths of series without the steps at the end where nothing is known.

    Args:
        series: [B] objects [T, F], padded by NaN.
        y: [B] objects [T, columns], padded by NaN; or by 0, if none has another number where its series is padded.
    """
    ends = [_end(~np.isnan(one).all(axis=1)) for one in series]
    beyond = np.concatenate([numbers[end:] for numbers, end in zip(y, ends, strict=True)])
    if not beyond[~np.isnan(beyond)].any():
        return [max(1, end) for end in ends]
    return [max(1, end, _end(has_numbers(numbers))) for numbers, end in zip(y, ends, strict=True)]


def _end(is_used: NDArray[np.bool_]) -> int:
    return len(is_used) - int(is_used[::-1].argmax()) if is_used.any() else 0
