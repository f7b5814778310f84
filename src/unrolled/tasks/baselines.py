"""Simple methods on the same examples, to compare a network with."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.tasks.linear import logistic_regression

import numpy as np
from numpy.typing import NDArray

TokenNumbers = NDArray[np.integer[Any]]
Baselines = Mapping[str, Mapping[str, float]]
ENOUGH_TO_COUNT = 5_000_000
"""Characters, for a trigram model."""
_MOST_DISTANCES = 1 << 28
_STEPS_COMPARED = 32
_INTERPOLATION = (0.6, 0.3, 0.09, 0.01)


def classification_baselines(data: Dataset) -> Baselines:
    """Return the accuracy of the majority class, and of a method that suits the kind of data, if there is one.

    All but pictures are classified by logistic regression (if scikit-learn is installed), on TF-IDF of texts and on
    statistics of series; series by their nearest neighbor, too.
    """
    majority = np.bincount(data.train.targets).argmax()
    baselines: dict[str, Mapping[str, float]] = {
        "majority class": _accuracy(np.full(data.test.size, majority), data.test)
    }
    baselines |= logistic_regression(data)
    if data.kind == "series" and data.train.size * data.test.size <= _MOST_DISTANCES:
        baselines["nearest neighbor, all series at one length"] = _accuracy(_nearest_neighbor(data), data.test)
    return baselines


def trigram_baseline(train: TokenNumbers, test: TokenNumbers, vocabulary: int, metric: str) -> Baselines:
    """Return the cross-entropy of a trigram model, in bits per token.

    ::

        p(c | a b) = 0.6 n(a b c) / n(a b) + 0.3 n(b c) / n(b) + 0.09 n(c) / n + 0.01 / vocabulary

    Args:
        train: [N] tokens to count.
        test: [M] tokens to predict.
        vocabulary: Number of different tokens.
        metric: The name of the metric.
    """
    counts = [Counter(_grams(train, size)) for size in (1, 2, 3)]
    before = [Counter(_grams(train[:-1], size)) for size in (1, 2)]
    third, second, first, rest = _INTERPOLATION
    total = 0.0
    for a, b, c in zip(test, test[1:], test[2:], strict=False):
        a, b, c = int(a), int(b), int(c)
        probability = rest / vocabulary + first * counts[0][(c,)] / len(train)
        if before[0][(b,)]:
            probability += second * counts[1][b, c] / before[0][(b,)]
        if before[1][a, b]:
            probability += third * counts[2][a, b, c] / before[1][a, b]
        total -= math.log2(probability)
    return {"trigram model": {metric: total / max(1, len(test) - 2)}}


def _grams(tokens: TokenNumbers, size: int) -> Iterable[tuple[int, ...]]:
    listed: Sequence[int] = tokens.tolist()
    return zip(*(listed[begin:] for begin in range(size)), strict=False)


def _nearest_neighbor(data: Dataset) -> NDArray[np.int64]:
    """Return the class of the training series at the smallest Euclidean distance, each channel scaled."""
    train, test = (np.stack([_at_one_length(item) for item in split.inputs]) for split in (data.train, data.test))
    scale = np.nanstd(train, axis=(0, 1))
    train, test = (np.nan_to_num(part / np.where(scale > 0, scale, 1)).reshape(len(part), -1) for part in (train, test))
    squares = (train**2).sum(axis=1) - 2 * test @ train.T
    nearest: NDArray[np.int64] = data.train.targets[squares.argmin(axis=1)]
    return nearest


def _at_one_length(item: NDArray[np.float32]) -> NDArray[np.float64]:
    steps = np.linspace(0, len(item) - 1, _STEPS_COMPARED)
    return np.stack([np.interp(steps, np.arange(len(item)), channel) for channel in item.T], axis=-1)


def _accuracy(predicted: NDArray[Any], test: Split) -> Mapping[str, float]:
    return {"accuracy": float((predicted == test.targets).mean())}
