"""Numbers stay float64 until it is known whether float32, which networks read, tells them apart."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from unrolled.data.ragged import Ragged

import numpy as np
from numpy.typing import NDArray

LARGEST_LOSS = 1e-3
"""The share of a channel's standard deviation up to which float32 may round its values."""
_ROWS_AT_ONCE = 1 << 16


def narrowest(items: Any) -> type:
    """Return float32, or float64 if float32 loses the differences between the values of series [B] of [T, F]."""
    values = items.values if isinstance(items, Ragged) else np.concatenate(items)
    return np.float64 if loses_differences(values) else np.float32


def converted(items: Any, dtype: type) -> Any:
    """Return [B] series [T, F] with values of another dtype."""
    if not isinstance(items, Ragged):
        return [item.astype(dtype, copy=False) for item in items]
    return items if items.values.dtype == dtype else items.mapped(lambda values: values.astype(dtype))


class _HasInputs(Protocol):
    @property
    def inputs(self) -> Any: ...


Part = TypeVar("Part", bound=_HasInputs)


def narrowed(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return parts of a data set with series of float32, unless it loses the differences in the training examples.

    Args:
        parts: By name, one of them ``train``, dataclasses whose ``inputs`` may be series of float64.
    """
    train = parts["train"].inputs
    values = train.values if isinstance(train, Ragged) else train[0] if isinstance(train, list) else None
    if not isinstance(values, np.ndarray) or values.dtype != np.float64:
        return dict(parts)
    dtype = narrowest(train)
    return {part: replace(one, inputs=converted(one.inputs, dtype)) for part, one in parts.items()}  # type: ignore[type-var]


def loses_differences(values: NDArray[Any]) -> bool:
    """Return True if float32 rounds a channel of values [N, F] by more than a small share of its standard deviation.

    The values are read some rows at a time, as they may be on disk. Their squared deviations from the mean are added as
    those of two samples are::

        S = S1 + S2 + (m2 - m1)^2 n1 n2 / (n1 + n2)

    Reference:
        Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    """
    count, mean, squares, loss = (np.zeros(values.shape[1]) for _ in range(4))
    least, most = np.full_like(mean, np.inf), np.full_like(mean, -np.inf)
    for some in _pieces(values):
        known = np.isfinite(some)
        added, filled = known.sum(axis=0), np.where(known, some, 0.0)
        center = filled.sum(axis=0) / np.maximum(added, 1)
        delta, total = center - mean, np.maximum(count + added, 1)
        squares += (np.where(known, some - center, 0.0) ** 2).sum(axis=0) + delta**2 * count * added / total
        mean, count = mean + delta * added / total, count + added
        loss = np.maximum(loss, np.abs(filled - filled.astype(np.float32)).max(axis=0))
        least = np.minimum(least, np.where(known, some, np.inf).min(axis=0))
        most = np.maximum(most, np.where(known, some, -np.inf).max(axis=0))
    deviation = np.sqrt(squares / np.maximum(count, 1))
    return bool(((loss > LARGEST_LOSS * deviation) & (most > least)).any())


def _pieces(values: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    starts = range(0, len(values), _ROWS_AT_ONCE)
    return (values[begin : begin + _ROWS_AT_ONCE].astype(np.float64, copy=False) for begin in starts)
