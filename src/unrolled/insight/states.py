"""What the states and units of a network tend to: growing, standing still, dying."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_EXPLOSION = 100.0
"""In root mean square; a state that grows from nothing to less than this has not exploded."""
CLOSED, OPEN = 0.02, 0.98
"""A gate beyond these passes on less than a twelfth of the gradient that it passes at its best, s' = s (1 - s)."""
SAME = 1e-3
"""The width within which the values of a bounded unit count as one."""


def growth_of_states(states: NDArray[Any], is_read: NDArray[np.bool_]) -> float:
    """How many times larger the states are at the end than in the middle of the sequence.

    Root mean squares over units are compared, that of the last tenth of the steps with that of the tenth before the
    middle, each as the median of the examples: in a healthy relu layer there may be one that leaps. A state that a
    relu multiplies by r a step grows r^(T/2) times, one that adds up evenly twice.

    Args:
        states: h of each step, [B, T, H].
        is_read: [B, T]; steps that are masked do not count, and each sequence has its own end.

    Returns:
        The ratio; 1 where the states end below `SMALLEST_EXPLOSION` or sequences have fewer than 4 steps; infinite
        where a state is.
    """
    sizes = []
    for sequence, read in zip(states, is_read, strict=True):
        steps = sequence[read]
        tenth, middle = max(1, len(steps) // 10), len(steps) // 2
        if len(steps) >= 4:
            sizes.append([(part**2).mean() for part in (steps[middle - tenth : middle], steps[-tenth:])])
    if not sizes:
        return 1.0
    middle_size, end_size = np.sqrt(np.median(sizes, axis=0)).tolist()
    if not np.isfinite(end_size):
        return float("inf")
    if end_size < SMALLEST_EXPLOSION:
        return 1.0
    return float(end_size / middle_size) if middle_size else float("inf")


def saturation(gate: NDArray[Any], is_read: NDArray[np.bool_]) -> float:
    """The share of a gate's values that are below `CLOSED` or above `OPEN`, in per cent.

    Args:
        gate: [B, T, H].
        is_read: [B, T]; masked steps do not count.
    """
    values = gate[is_read]
    return 100 * float(((values < CLOSED) | (values > OPEN)).mean()) if values.size else 0.0


def dead_share(values: NDArray[np.floating]) -> float:
    """The share of relu units that are zero in every example and step, in per cent; the last axis is the units."""
    units = values.reshape(-1, values.shape[-1])
    return 100 * float((units == 0).all(axis=0).mean())


def stuck_share(values: NDArray[np.floating]) -> float:
    """The share of units whose values all lie within `SAME`, in per cent; the last axis is the units."""
    units = values.reshape(-1, values.shape[-1])
    return 100 * float((np.ptp(units, axis=0) <= SAME).mean())
