"""Sequences of unequal length in one array."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.streamed.stored import Stored

import numpy as np
from numpy.typing import NDArray


def padded_length(length: int) -> int:
    """The next of few lengths, so that a backend compiles for few shapes: 8, 12, 16, 24, 32, 48, 64, ...

    Example:
        >>> [padded_length(length) for length in (1, 9, 13, 17, 33)]
        [8, 12, 16, 24, 48]
    """
    power = 8
    while power < length:
        power *= 2
    return power * 3 // 4 if power > 8 and length <= power * 3 // 4 else power


def pad(items: Sequence[NDArray[Any]] | NDArray[Any], length: int | None = None) -> NDArray[Any]:
    """[B, T, ...] with each item at the left, and behind it 0 where items are integers, NaN where they are numbers.

    Args:
        items: Arrays [T, ...]; what is longer than ``length`` is cut.
        length: T; without it the next of few lengths above the longest.
    """
    length = length or padded_length(max((len(item) for item in items), default=1))
    first = items[0]
    fill = 0 if first.dtype.kind in "iu" else np.nan
    padded = np.full((len(items), length, *first.shape[1:]), fill, first.dtype)
    for row, item in zip(padded, items, strict=True):
        row[: len(item)] = item[:length]
    return padded


def lengths(items: NDArray[Any] | Stored) -> NDArray[np.int64]:
    """[B] the length of each."""
    return items.lengths if isinstance(items, Stored) else np.array([len(item) for item in items], np.int64)
