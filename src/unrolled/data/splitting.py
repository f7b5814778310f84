"""Training examples divided in two: at random in each class, by groups, by time, or in folds."""

from unrolled.data.dataset import Division, Split

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def hold_out(split: Split, fraction: float, seed: int, division: Division | None = None) -> tuple[Split, Split]:
    """Divide a split in two, the same way for the same seed; see ``choose_held_out``.

    Returns:
        The examples that stay and those held out, both in their original order.
    """
    stay, held_out = choose_held_out(split.strata, fraction, seed, division)
    return split.select(stay), split.select(held_out)


def choose_held_out(
    targets: NDArray[np.int64], fraction: float, seed: int, division: Division | None = None
) -> tuple[Indices, Indices]:
    """Choose examples to hold out, each class in the same proportion.

    With a division by group, groups are held out in random order until they have that share of the examples, at least
    one of them; by time, the last examples.

    Args:
        targets: [B] the class of each example.
        fraction: The share of each class to hold out, between 0 and 1, rounded to whole examples. Where a
            class has two or more, at least one is held out and at least one stays.
        seed: Decides which examples.
        division: What the examples are divided by, if they are not divided at random.

    Returns:
        The indices of the examples that stay, and of those held out, both ascending.
    """
    random = np.random.default_rng(seed)
    is_held_out = np.zeros(len(targets), dtype=bool)
    if division is not None:
        values, sizes = np.unique(division.values, return_counts=True)
        order = random.permutation(len(values)) if division.by == "group" else np.arange(len(values))[::-1]
        # Half of a group too many is nearer to the share than half of it too few; one value stays.
        ends = np.cumsum(sizes[order]) - sizes[order] / 2
        count = min(max(int((ends <= fraction * len(targets)).sum()), 1), len(values) - 1)
        is_held_out = np.isin(division.values, values[order[:count]])
    else:
        for label in np.unique(targets):
            members = np.flatnonzero(targets == label)
            count = min(max(round(len(members) * fraction), 1), len(members) - 1)
            is_held_out[random.permutation(members)[:count]] = True
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def fold_out(split: Split, fold: int, of: int, seed: int, division: Division | None = None) -> tuple[Split, Split]:
    """Divide a split for cross-validation: the examples held out for all folds together are the whole split.

    Each class is spread evenly over the folds, the same way for the same seed. With a division by group, each group is
    in one fold, and the folds are of about the same size.

    Args:
        split: The examples to divide.
        fold: The index of the fold to hold out, from 0 on.
        of: The number of folds.
        seed: Decides which example is in which fold.
        division: The groups of the examples, if they have such.

    Returns:
        The examples that stay and those held out, both in their original order.
    """
    random = np.random.default_rng(seed)
    folds = np.empty(split.size, dtype=np.int64)
    if division is not None:
        groups, numbers, sizes = np.unique(division.values, return_inverse=True, return_counts=True)
        fold_of, filled = np.empty(len(groups), np.int64), np.zeros(of, np.int64)
        order = random.permutation(len(groups))
        for group in order[np.argsort(-sizes[order], kind="stable")]:
            fold_of[group] = filled.argmin()
            filled[fold_of[group]] += sizes[group]
        folds = fold_of[numbers]
    else:
        assigned = 0
        strata = split.strata
        for label in np.unique(strata):
            members = random.permutation(np.flatnonzero(strata == label))
            folds[members] = (np.arange(len(members)) + assigned) % of
            assigned += len(members)
    return split.select(np.flatnonzero(folds != fold)), split.select(np.flatnonzero(folds == fold))
