"""Simple methods on the same examples, to compare a network with."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unrolled.data.dataset import Dataset, Split
from unrolled.tasks.metrics import forecast_errors

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TokenNumbers = NDArray[np.integer[Any]]
Baselines = Mapping[str, Mapping[str, float]]
NEEDS_SKLEARN = "TF-IDF with logistic regression needs scikit-learn: pip install 'unrolled[sklearn]'"
ENOUGH_TO_LEARN = 4_000_000
"""Characters, for TF-IDF."""
ENOUGH_TO_COUNT = 5_000_000
"""Characters, for a trigram model."""
_TEXTS_AT_ONCE = 2_000
_MOST_GRAMS = 200_000
_MOST_DISTANCES = 1 << 28
_STEPS_COMPARED = 32
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_INTERPOLATION = (0.6, 0.3, 0.09, 0.01)


def classification_baselines(data: Dataset) -> Baselines:
    """Return the accuracy of the majority class, and of a method that suits the kind of data, if there is one.

    Texts are classified by TF-IDF and logistic regression (if scikit-learn is installed), series by their nearest
    neighbor.
    """
    majority = np.bincount(data.train.targets).argmax()
    baselines = {"majority class": _accuracy(np.full(data.test.size, majority), data.test)}
    if data.kind == "text" and (accuracy := _tfidf(data)) is not None:
        size = _enough_texts(data.train)
        note = f", {size:,} texts" if size < data.train.size else ""
        baselines[f"TF-IDF of 1 and 2 words, logistic regression{note}"] = accuracy
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


def seasonal_naive(windows: NDArray[Any], *, horizon: int, season: int, window: int) -> NDArray[Any]:
    """Return the values one season before those to forecast, or the fewest seasons that are in the window.

    Args:
        windows: [B, >= window, F] past values.
        horizon: Number of steps to forecast.
        season: Length of a season, in steps.
        window: Number of past steps that count.

    Returns:
        [B, horizon, F].

    Example:
        >>> seasonal_naive(np.arange(6.0).reshape(1, 6, 1), horizon=3, season=2, window=6)[0, :, 0].tolist()
        [4.0, 5.0, 4.0]
    """
    naive: NDArray[Any] = windows[:, seasonal_steps(horizon, season, window)]
    return naive


def seasonal_steps(horizon: int, season: int, window: int) -> NDArray[np.int64]:
    """Return [horizon] the index of the step one season before each step to forecast.

    It is the smallest number of whole seasons before that is in the window.

    Example:
        >>> seasonal_steps(horizon=3, season=2, window=6).tolist()
        [4, 5, 4]
    """
    steps = np.arange(horizon)
    return window + steps - season * (steps // season + 1)


def naive_baseline(
    windows: NDArray[Any], targets: NDArray[Any], errors: NDArray[Any], season: int, window: int
) -> Baselines:
    """Return the errors of repeating the values one season before.

    Args:
        windows: [B, >= window, F] past values.
        targets: [B, horizon, F] the values to forecast.
        errors: [B or 1, 1, F] the mean error of that method in the training part (see ``naive_errors``).
        season: Length of a season, in steps.
        window: Number of past steps that count.
    """
    naive = seasonal_naive(windows, horizon=targets.shape[1], season=season, window=window)
    name = "last value" if season == 1 else f"value {season} steps before"
    return {name: forecast_errors(targets - naive, errors)}


def _grams(tokens: TokenNumbers, size: int) -> Iterable[tuple[int, ...]]:
    listed: Sequence[int] = tokens.tolist()
    return zip(*(listed[begin:] for begin in range(size)), strict=False)


def _tfidf(data: Dataset) -> Mapping[str, float] | None:
    from scipy.sparse import vstack  # which takes a while to import, as scikit-learn does

    try:
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ModuleNotFoundError:
        return None
    method = make_pipeline(TfidfTransformer(), LogisticRegression(max_iter=1000))
    train = data.train.select(_evenly_spaced(data.train, _enough_texts(data.train)))
    counted = [_count_grams(column) for column in train.inputs.columns()]
    vocabulary, counts = np.unique(np.concatenate([grams for grams, _ in counted]), return_counts=True)
    if len(vocabulary) > _MOST_GRAMS:
        vocabulary = np.sort(vocabulary[np.argpartition(-counts, _MOST_GRAMS)[:_MOST_GRAMS]])
    if not len(vocabulary):
        return None
    method.fit(vstack([_as_matrix(*some, vocabulary) for some in counted]), train.targets)
    columns = data.test.inputs.columns()
    predicted = [method.predict(_as_matrix(*_count_grams(column), vocabulary)) for column in columns]
    return _accuracy(np.concatenate(predicted), data.test)


def _count_grams(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return numbers of the words and of the pairs of words of texts, end to end, and how many are of each text.

    Words are those of scikit-learn's ``CountVectorizer``, which takes ten times as long.
    """
    expression = pl.col("text").str.to_lowercase().str.extract_all(r"\b\w\w+\b")
    words = pl.LazyFrame({"text": texts}).select(expression).collect().to_series()
    lengths = words.list.len().to_numpy().astype(np.int64)
    single = words.filter(lengths > 0).explode(empty_as_null=True).hash().to_numpy()
    owners = np.repeat(np.arange(len(texts)), lengths)
    # A pair spans no two texts.
    pairs = (single[:-1] * _MULTIPLIER + single[1:])[owners[:-1] == owners[1:]]
    of_pairs = np.maximum(lengths - 1, 0)
    grams = np.empty(len(single) + len(pairs), np.uint64)
    is_pair = np.repeat(np.tile([False, True], len(texts)), np.stack([lengths, of_pairs], axis=1).reshape(-1))
    grams[~is_pair], grams[is_pair] = single, pairs
    return grams, lengths + of_pairs


def _as_matrix(grams: NDArray[np.uint64], lengths: NDArray[np.int64], vocabulary: NDArray[np.uint64]) -> "csr_matrix":
    """Return how often each text [B] has each gram of the vocabulary [V], as a sparse matrix [B, V]."""
    from scipy.sparse import csr_matrix

    columns = np.minimum(np.searchsorted(vocabulary, grams), len(vocabulary) - 1)
    is_known = vocabulary[columns] == grams
    rows = np.repeat(np.arange(len(lengths)), lengths)[is_known]
    counts = np.ones(len(rows), np.float64)
    return csr_matrix((counts, (rows, columns[is_known])), shape=(len(lengths), len(vocabulary)))


def _enough_texts(split: Split) -> int:
    """Return the number of training texts that ENOUGH_TO_LEARN characters make."""
    if split.size <= _TEXTS_AT_ONCE:
        return split.size
    characters = sum(len(text) for text in split.select(_evenly_spaced(split, _TEXTS_AT_ONCE)).inputs)
    return min(split.size, ENOUGH_TO_LEARN * _TEXTS_AT_ONCE // max(1, characters))


def _evenly_spaced(split: Split, examples: int) -> NDArray[np.int64]:
    """Return the indices of so many examples, evenly spaced."""
    return np.linspace(0, split.size - 1, examples).astype(np.int64)


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
