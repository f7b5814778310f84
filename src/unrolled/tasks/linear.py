"""Inputs as matrices, and linear methods on them, to compare a network with."""

import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from unrolled.data.dataset import Dataset, Split
from unrolled.data.labeled_steps import has_numbers
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.ragged import Ragged
from unrolled.data.texts import Texts
from unrolled.tasks.columns import CategoryPreprocessor

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NEEDS_SKLEARN = "TF-IDF with logistic regression needs scikit-learn: pip install 'unrolled[sklearn]'"
ENOUGH_TO_LEARN = 4_000_000
"""Characters of the training texts."""
_MOST_EXAMPLES = 50_000
_TEXTS_AT_ONCE = 2_000
_COUNTED, _FEWEST_WORDS = 1_000, 3
_SERIES_AT_ONCE, _NEIGHBORS = 256, 2
_BYTES_AT_ONCE, _BYTES_OF_NUMBERS = 1 << 21, 256
_MOST_GRAMS = 200_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class LinearInputs:
    """The inputs of a data set as matrices, which linear methods read: TF-IDF, features, categories, statistics.

    Of many texts, as many are learned from as ``ENOUGH_TO_LEARN`` characters make.

    Args:
        data: The data set.

    Attributes:
        train: The training examples that are learned from.
        matrix: [B, columns] their inputs.
    """

    def __init__(self, data: Dataset):
        self._data = data
        self.train = data.train.select(_evenly_spaced(data.train, _enough_texts(data.train)))
        self._blocks = {name: _BLOCKS[kind](part) for name, kind, part in _parts(data, self.train) if kind in _BLOCKS}
        self.matrix = self._join(self.train)

    def describe(self, method: str) -> str:
        """Return the name of a method with what it learns from, and from how many examples if not from all."""
        kinds = [kind for _, kind, _ in _parts(self._data, self.train)]
        names = [name for kind, name in _NAMES.items() if kind in kinds]
        what = "texts" if _texts_of(self.train) else "examples"
        note = f", {self.train.size:,} {what}" if self.train.size < self._data.train.size else ""
        return f"{', '.join(names)}, {method}{note}"

    def predict(self, method: Any) -> NDArray[Any]:
        """Return what a method, already fitted, predicts for the test examples."""
        outputs = [method.predict(self._join(split)) for split in _in_pieces(self._data.test)]
        return np.concatenate(outputs)

    def _join(self, split: Split) -> "csr_matrix | NDArray[np.float64]":
        from scipy.sparse import csr_matrix, hstack, issparse  # which takes a while to import, as scikit-learn does

        parts = [(name, part) for name, _, part in _parts(self._data, split) if name in self._blocks]
        found = [self._blocks[name].matrix(part) for name, part in parts]
        if not any(map(issparse, found)):
            return np.concatenate(found, axis=1)
        return hstack([csr_matrix(one) for one in found], format="csr")


class StepInputs:
    """The inputs of each step that has numbers and of its neighbors, as a matrix that linear methods read.

    Args:
        data: The data set, series with numbers at each step.

    Attributes:
        train: The training examples that are learned from.
        matrix: [N, 5 F] the inputs of their steps that have numbers, and of the two steps on either side.
    """

    def __init__(self, data: Dataset):
        self._data = data
        counts = np.array([has_numbers(one).sum() for one in data.train.targets])
        train = data.train.select(np.flatnonzero(counts))
        most = train.size * _MOST_EXAMPLES // max(int(counts.sum()), _MOST_EXAMPLES)
        self.train = train.select(_evenly_spaced(train, max(1, most)))
        around = _around_steps(self.train)
        self._block = _FeaturesBlock(around)
        self.matrix = self._block.matrix(around)

    def describe(self, method: str) -> str:
        """Return the name of a method with what it learns from, and from how many examples if not from all."""
        note = f", {self.train.size:,} examples" if self.train.size < self._data.train.size else ""
        return f"a step and {_NEIGHBORS} on either side, {method}{note}"

    def predict(self, method: Any) -> NDArray[Any]:
        """Return what a method, already fitted, predicts for the steps of the test examples that have numbers."""
        test = self._data.test
        pieces = np.array_split(np.arange(test.size), -(-test.size // _SERIES_AT_ONCE))
        found = (_around_steps(test.select(piece)) for piece in pieces)
        return np.concatenate([method.predict(self._block.matrix(some)) for some in found if len(some)])


def linear_step_inputs(data: Dataset) -> StepInputs | None:
    """Return the inputs of steps as a matrix; None for words, or without scikit-learn."""
    return StepInputs(data) if data.kind == "series" and find_spec("sklearn") is not None else None


def _around_steps(split: Split) -> NDArray[np.float64]:
    """Return [N, 5 F] the inputs around each step that has numbers, NaN beyond the ends of its series."""
    found = []
    for one, numbers in zip(split.inputs, split.targets, strict=True):
        series = np.pad(np.asarray(one, np.float64), ((_NEIGHBORS, _NEIGHBORS), (0, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(series, 2 * _NEIGHBORS + 1, axis=0)
        found.append(windows[has_numbers(numbers)].reshape(-1, windows.shape[1] * windows.shape[2]))
    return np.concatenate(found)


def linear_inputs(data: Dataset) -> LinearInputs | None:
    """Return the inputs of a data set as matrices; None for one of other kinds, or without scikit-learn."""
    if find_spec("sklearn") is None or not any(kind in _BLOCKS for _, kind, _ in _parts(data, data.train)):
        return None
    found = LinearInputs(data)
    return found if found.matrix.shape[1] else None


def logistic_regression(data: Dataset) -> dict[str, dict[str, float]]:
    """Return the accuracy of logistic regression by its name; empty if it does not apply."""
    inputs = linear_inputs(data)
    if inputs is None:
        return {}
    from sklearn.linear_model import LogisticRegression

    predicted = inputs.predict(LogisticRegression(max_iter=1000).fit(inputs.matrix, inputs.train.targets))
    return {inputs.describe("logistic regression"): {"accuracy": float((predicted == data.test.targets).mean())}}


def _in_pieces(split: Split) -> Iterator[Split]:
    """Yield some examples at a time, whose texts take about 2 MB together."""
    sizes = [part.bytes_of_each for part in _texts_of(split)]
    numbers = sum(sizes, np.full(split.size, _BYTES_OF_NUMBERS)).cumsum() // _BYTES_AT_ONCE
    for number in np.unique(numbers):
        yield split.select(np.flatnonzero(numbers == number))


def _texts_of(split: Split) -> list[Texts]:
    """Return the inputs of examples that are texts."""
    parts = split.inputs.parts.values() if isinstance(split.inputs, NamedInputs) else [split.inputs]
    return [part for part in parts if isinstance(part, Texts)]


def _are_short(texts: Texts) -> bool:
    """Return True if most of the first texts have fewer words than make sentences: they are names or codes."""
    counts = [len(texts[number].split()) for number in range(min(len(texts), _COUNTED))]
    return 2 * sum(count < _FEWEST_WORDS for count in counts) > len(counts)


def _parts(data: Dataset, split: Split) -> list[tuple[str, str, Any]]:
    """Return the name, the type and the examples of each input."""
    if data.kind == "columns":
        return [(name, kind, split.inputs.parts[name]) for name, kind in data.input_kinds.items()]
    is_features = data.schema is not None and data.schema.get("kind") == "features"
    if is_features and isinstance(split.inputs, Ragged):
        return [("features", "features", split.inputs.joined)]
    if data.kind == "text" and _are_short(data.train.inputs):
        return [("input", "characters", split.inputs)]
    # Grey levels and colours are no series whose values can be summed up.
    kind = "pixels" if data.kind == "arrays" and split.inputs.dtype == np.uint8 else data.kind
    return [("input", {"arrays": "series"}.get(kind, kind), split.inputs)]


class _TfidfBlock:
    """TF-IDF of the words and of the pairs of words of texts."""

    def __init__(self, train: Texts):
        from sklearn.feature_extraction.text import TfidfTransformer

        counted = [_count_grams(column) for column in train.columns()]
        self.vocabulary, counts = np.unique(np.concatenate([grams for grams, _ in counted]), return_counts=True)
        if len(self.vocabulary) > _MOST_GRAMS:
            self.vocabulary = np.sort(self.vocabulary[np.argpartition(-counts, _MOST_GRAMS)[:_MOST_GRAMS]])
        self.weights = TfidfTransformer().fit(self._counts(counted)) if len(self.vocabulary) else None

    def matrix(self, texts: Texts) -> Any:
        """Return [B, V]."""
        counts = self._counts([_count_grams(column) for column in texts.columns()])
        return counts if self.weights is None else self.weights.transform(counts)

    def _counts(self, counted: Sequence[tuple[NDArray[np.uint64], NDArray[np.int64]]]) -> "csr_matrix":
        from scipy.sparse import csr_matrix, vstack

        if not len(self.vocabulary):
            return csr_matrix((sum(len(lengths) for _, lengths in counted), 0))
        return vstack([_as_matrix(*some, self.vocabulary) for some in counted], format="csr")


class _CharactersBlock:
    """TF-IDF of the rows of one to four characters of texts such as names and codes."""

    def __init__(self, train: Texts):
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), max_features=_MOST_GRAMS)
        self.vectorizer.fit(train[number] for number in range(len(train)))

    def matrix(self, texts: Texts) -> Any:
        """Return [B, V]."""
        return self.vectorizer.transform(texts[number] for number in range(len(texts)))


class _FeaturesBlock:
    """Features, each scaled by its mean and its standard deviation; a missing one is the mean."""

    def __init__(self, train: NDArray[np.float64]):
        known = np.where(np.isfinite(train), train, np.nan)
        count = np.maximum(np.isfinite(known).sum(axis=0), 1)
        self.mean = np.nansum(known, axis=0) / count
        self.scale = np.sqrt(np.nansum((known - self.mean) ** 2, axis=0) / count)

    def matrix(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [B, F]."""
        scaled: NDArray[np.float64] = np.nan_to_num((values - self.mean) / np.where(self.scale > 0, self.scale, 1))
        return scaled


class _CategoryBlock:
    """One-hot channels of a category."""

    def __init__(self, train: Texts):
        self.numbers = CategoryPreprocessor.fit(train)

    def matrix(self, values: Texts) -> "csr_matrix":
        """Return [B, number of values and one for any other]."""
        from scipy.sparse import csr_matrix

        numbers = self.numbers.encode(values)
        shape = (len(numbers), self.numbers.vocabulary)
        return csr_matrix((np.ones(len(numbers)), (np.arange(len(numbers)), numbers)), shape=shape)


class _SeriesBlock(_FeaturesBlock):
    """The mean, deviation, least, most, first and last value and the mean change of each channel of series."""

    def __init__(self, train: Any):
        super().__init__(_statistics(train))

    def matrix(self, values: Any) -> NDArray[np.float64]:
        """Return [B, 7 F]."""
        return super().matrix(_statistics(values))


_BLOCKS = {
    "text": _TfidfBlock,
    "characters": _CharactersBlock,
    "features": _FeaturesBlock,
    "category": _CategoryBlock,
    "series": _SeriesBlock,
}
_NAMES = {
    "text": "TF-IDF of 1 and 2 words",
    "characters": "TF-IDF of 1 to 4 characters",
    "features": "features",
    "category": "categories",
    "series": "statistics of each channel",
}


def _statistics(series: Any) -> NDArray[np.float64]:
    """Return [B, 7 F] statistics of series [T, F]; NaN where a channel has no value."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of channels without a value
        for one in series:
            values = np.asarray(one, np.float64)
            changes = np.abs(np.diff(values, axis=0)) if len(values) > 1 else np.zeros_like(values)
            figures = (np.nanmean(values, 0), np.nanstd(values, 0), np.nanmin(values, 0), np.nanmax(values, 0))
            found.append(np.concatenate([*figures, values[0], values[-1], np.nanmean(changes, 0)]))
    return np.array(found)


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

    # A join by hash, which takes half as long as np.searchsorted.
    known = pl.LazyFrame({"gram": vocabulary, "column": np.arange(len(vocabulary))})
    joined = pl.LazyFrame({"gram": grams}).join(known, on="gram", how="left", maintain_order="left")
    columns = joined.select("column").collect().to_series()
    rows = np.repeat(np.arange(len(lengths)), lengths)[columns.is_not_null().to_numpy()]
    counts = np.ones(len(rows), np.float64)
    return csr_matrix((counts, (rows, columns.drop_nulls().to_numpy())), shape=(len(lengths), len(vocabulary)))


def _enough_texts(split: Split) -> int:
    """Return the number of training examples that are learned from: ENOUGH_TO_LEARN characters of texts."""
    if split.size <= _TEXTS_AT_ONCE:
        return split.size
    if not _texts_of(split):
        return min(split.size, _MOST_EXAMPLES)
    some = split.select(_evenly_spaced(split, _TEXTS_AT_ONCE))
    characters = sum(len(text) for column in _texts_of(some) for text in column)
    return min(split.size, ENOUGH_TO_LEARN * _TEXTS_AT_ONCE // max(1, characters))


def _evenly_spaced(split: Split, examples: int) -> NDArray[np.int64]:
    """Return the indices of so many examples, evenly spaced."""
    return np.linspace(0, split.size - 1, examples).astype(np.int64)
