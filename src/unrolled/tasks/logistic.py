"""Logistic regression on TF-IDF of texts and on the other columns of a table, to compare a network with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unrolled.data.dataset import Dataset, Split
from unrolled.data.named_inputs import NamedInputs
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
_TEXTS_AT_ONCE = 2_000
_BYTES_AT_ONCE = 1 << 21
_MOST_GRAMS = 200_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def name_of_method(data: Dataset) -> str:
    """Return what is learned from, and from how many examples if not from all."""
    kinds = set(data.input_kinds.values()) or {"text"}
    named = {"text": "TF-IDF of 1 and 2 words", "features": "features", "category": "categories"}
    size = _enough_texts(data.train)
    note = f", {size:,} texts" if size < data.train.size else ""
    return f"{', '.join(name for kind, name in named.items() if kind in kinds)}, logistic regression{note}"


def logistic_regression(data: Dataset) -> Mapping[str, float] | None:
    """Return the accuracy of logistic regression on TF-IDF of the texts and on the other inputs; None without it."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError:
        return None
    train = data.train.select(_evenly_spaced(data.train, _enough_texts(data.train)))
    blocks = {name: _BLOCKS[kind](part) for name, kind, part in _parts(data, train) if kind in _BLOCKS}
    inputs = _join(blocks, data, train)
    if not inputs.shape[1]:
        return None
    method = LogisticRegression(max_iter=1000).fit(inputs, train.targets)
    predicted = np.concatenate([method.predict(_join(blocks, data, split)) for split in _in_pieces(data.test)])
    return {"accuracy": float((predicted == data.test.targets).mean())}


def _in_pieces(split: Split) -> Iterator[Split]:
    """Yield some examples at a time, whose texts take about 2 MB together."""
    sizes = [part.bytes_of_each for part in _texts_of(split)]
    numbers = sum(sizes, np.ones(split.size, np.int64)).cumsum() // _BYTES_AT_ONCE
    for number in np.unique(numbers):
        yield split.select(np.flatnonzero(numbers == number))


def _texts_of(split: Split) -> list[Texts]:
    """Return the inputs of examples that are texts."""
    parts = split.inputs.parts.values() if isinstance(split.inputs, NamedInputs) else [split.inputs]
    return [part for part in parts if isinstance(part, Texts)]


def _parts(data: Dataset, split: Split) -> list[tuple[str, str, Any]]:
    """Return the name, the type and the examples of each input."""
    if data.kind == "text":
        return [("text", "text", split.inputs)]
    return [(name, kind, split.inputs.parts[name]) for name, kind in data.input_kinds.items()]


def _join(blocks: Mapping[str, Any], data: Dataset, split: Split) -> "csr_matrix":
    from scipy.sparse import hstack  # which takes a while to import, as scikit-learn does

    return hstack([blocks[name].matrix(part) for name, _, part in _parts(data, split) if name in blocks], format="csr")


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


_BLOCKS = {"text": _TfidfBlock, "features": _FeaturesBlock, "category": _CategoryBlock}


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
    """Return the number of training texts that ENOUGH_TO_LEARN characters make."""
    if split.size <= _TEXTS_AT_ONCE:
        return split.size
    some = split.select(_evenly_spaced(split, _TEXTS_AT_ONCE))
    characters = sum(len(text) for column in _texts_of(some) for text in column)
    return min(split.size, ENOUGH_TO_LEARN * _TEXTS_AT_ONCE // max(1, characters))


def _evenly_spaced(split: Split, examples: int) -> NDArray[np.int64]:
    """Return the indices of so many examples, evenly spaced."""
    return np.linspace(0, split.size - 1, examples).astype(np.int64)
