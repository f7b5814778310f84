"""What is left of the gradient at each time step that a recurrent layer reads.

Measured is dL/dx_t, the gradient of the loss with respect to what the layer reads at step t, since every backend gives
it for every layer. It is dL/dh_t seen through the input weights, which are the same at each step: as t goes back, both
shrink or grow alike.
"""

import numpy as np
from numpy.typing import NDArray


def norms_over_time(gradient: NDArray[np.floating], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """The root mean square over the examples of each step's norm, [T]; NaN at steps that every example masks.

    Args:
        gradient: dL/dx, [B, T, ...].
        mask: [B, T], or None where all is read.
    """
    squares = (gradient.astype(np.float64) ** 2).reshape(*gradient.shape[:2], -1).sum(axis=2)
    read = np.ones(squares.shape, bool) if mask is None else mask.astype(bool)
    counts = read.sum(axis=0)
    sums = (squares * read).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    norms: NDArray[np.float64] = np.sqrt(means)
    return norms


def spread(norms: NDArray[np.float64], *, is_backwards: bool, has_both: bool) -> tuple[float, float]:
    """The smallest and the largest gradient over time, as multiples of that of the steps nearest to the loss.

    The nearest are the quarter of the steps that is read last; of a layer that reads both ways, the quarter at that
    end where the gradient is larger.

    Args:
        norms: As from `norms_over_time`.
        is_backwards: Whether the layer reads the last step first.
        has_both: Whether it reads both ways.

    Returns:
        (smallest, largest): 1 and 1 where all steps are alike, or there are fewer than four, or no gradient at all.
    """
    read = norms[~np.isnan(norms)]
    if len(read) < 4 or not read.any():
        return 1.0, 1.0
    if not np.isfinite(read).all():
        return 1.0, float("inf")
    quarter = len(read) // 4
    first, last = float(read[:quarter].mean()), float(read[-quarter:].mean())
    nearest = max(first, last) if has_both else first if is_backwards else last
    if not nearest:
        return 1.0, float("inf")
    return float(read.min()) / nearest, float(read.max()) / nearest
