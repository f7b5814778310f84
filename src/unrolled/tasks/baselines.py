"""What simple methods reach on the same examples, so that nobody fools themselves."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.tasks.metrics import mean_errors, seasonal_naive

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer[Any]]
Figures = Mapping[str, Mapping[str, float]]
NEEDS_SKLEARN = "TF-IDF with logistic regression needs scikit-learn: pip install 'unrolled[sklearn]'"
ENOUGH_TO_LEARN = 20_000_000
"""Characters, for TF-IDF."""
ENOUGH_TO_COUNT = 5_000_000
"""Characters, for a trigram model."""
_TEXTS_AT_ONCE = 2_000
_MOST_DISTANCES = 1 << 28
_STEPS_COMPARED = 32
_INTERPOLATION = (0.6, 0.3, 0.09, 0.01)


def of_classes(data: Dataset) -> Figures:
    """Always the commonest class; beside it a method that fits the kind of data, where there is one."""
    commonest = np.bincount(data.train.targets).argmax()
    figures = {"always the commonest class": _accuracy(np.full(data.test.size, commonest), data.test)}
    if data.kind == "text" and (told := _tfidf(data)) is not None:
        few = f", {_learned(data.train):,} texts" if _learned(data.train) < data.train.size else ""
        figures[f"TF-IDF of 1 and 2 words, logistic regression{few}"] = told
    if data.kind == "series" and data.train.size * data.test.size <= _MOST_DISTANCES:
        figures["nearest neighbour, all series at one length"] = _accuracy(_nearest(data), data.test)
    return figures


def of_text(
    learned: NDArray[np.integer[Any]], measured: NDArray[np.integer[Any]], vocabulary: int, name: str
) -> Figures:
    """A trigram model, in bits a token.

    ::

        p(c | a b) = 0.6 n(a b c) / n(a b) + 0.3 n(b c) / n(b) + 0.09 n(c) / n + 0.01 / vocabulary
    """
    counts = [Counter(_grams(learned, size)) for size in (1, 2, 3)]
    before = [Counter(_grams(learned[:-1], size)) for size in (1, 2)]
    third, second, first, rest = _INTERPOLATION
    total = 0.0
    for a, b, c in zip(measured, measured[1:], measured[2:], strict=False):
        a, b, c = int(a), int(b), int(c)
        chance = rest / vocabulary + first * counts[0][(c,)] / len(learned)
        if before[0][(b,)]:
            chance += second * counts[1][b, c] / before[0][(b,)]
        if before[1][a, b]:
            chance += third * counts[2][a, b, c] / before[1][a, b]
        total -= math.log2(chance)
    return {"trigram model": {name: total / max(1, len(measured) - 2)}}


def of_forecast(windows: NDArray[Any], after: NDArray[Any], learned: NDArray[Any], season: int, window: int) -> Figures:
    """The values one season before."""
    naive = seasonal_naive(windows, horizon=after.shape[1], season=season, window=window)
    name = "the last value" if season == 1 else f"the value {season} steps before"
    return {name: mean_errors(after - naive, learned, season)}


def _grams(tokens: Numbers, size: int) -> Iterable[tuple[int, ...]]:
    listed: Sequence[int] = tokens.tolist()
    return zip(*(listed[begin:] for begin in range(size)), strict=False)


def _tfidf(data: Dataset) -> Mapping[str, float] | None:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ModuleNotFoundError:
        return None
    method = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    learned = data.train.select(_spread(data.train, _learned(data.train)))
    method.fit(list(learned.inputs), learned.targets)
    texts = iter(data.test.inputs)
    told = [method.predict(some) for some in iter(lambda: list(islice(texts, _TEXTS_AT_ONCE)), [])]
    return _accuracy(np.concatenate(told), data.test)


def _learned(split: Split) -> int:
    """How many texts are enough to learn from."""
    if split.size <= _TEXTS_AT_ONCE:
        return split.size
    characters = sum(len(text) for text in split.select(_spread(split, _TEXTS_AT_ONCE)).inputs)
    return min(split.size, ENOUGH_TO_LEARN * _TEXTS_AT_ONCE // max(1, characters))


def _spread(split: Split, examples: int) -> NDArray[np.int64]:
    """So many examples, as far apart as they can be."""
    return np.linspace(0, split.size - 1, examples).astype(np.int64)


def _nearest(data: Dataset) -> NDArray[np.int64]:
    """The class of the training series at the smallest Euclidean distance, each channel scaled."""
    learned, measured = (np.stack([_at_one_length(item) for item in split.inputs]) for split in (data.train, data.test))
    scale = np.nanstd(learned, axis=(0, 1))
    learned, measured = (
        np.nan_to_num(part / np.where(scale > 0, scale, 1)).reshape(len(part), -1) for part in (learned, measured)
    )
    squares = (learned**2).sum(axis=1) - 2 * measured @ learned.T
    nearest: NDArray[np.int64] = data.train.targets[squares.argmin(axis=1)]
    return nearest


def _at_one_length(item: NDArray[np.float32]) -> NDArray[np.float64]:
    places = np.linspace(0, len(item) - 1, _STEPS_COMPARED)
    return np.stack([np.interp(places, np.arange(len(item)), channel) for channel in item.T], axis=-1)


def _accuracy(told: NDArray[Any], measured: Split) -> Mapping[str, float]:
    return {"accuracy": float((told == measured.targets).mean())}
