"""Conversion of lists of words to numbers, one for each word, kept with the run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from unrolled.data.ragged import Ragged, padded_lengths
from unrolled.data.token_lists import TokenLists
from unrolled.errors import InvalidInput
from unrolled.storage import in_form

import numpy as np
import polars as pl

Shape = tuple[int | None, ...]
_WORDS = re.compile(r"\w+(?:['\u2019.,:/-]\w+)*|[^\w\s]")
PADDING, UNKNOWN = 0, 1
_FIRST = 2
_SUFFIX = 3
# A character that no word begins with marks the form of a rare word.
_MARK = "\u0001"


@dataclass(frozen=True)
class WordsPreprocessor:
    """Words as numbers; of a rare or unknown word, the number of its form.

    ::

        number(w) = that of w                        if w occurs often enough in the training examples
                    that of its shape and ending     otherwise, if a rare training word has them: Xx-ing, d, x-ly
                    1                                otherwise

    Attributes:
        vocabulary_words: The words and forms, by number from 2 on.
        longest: The number of words of the longest training example.
        lowercase: True if words are compared in lower case; a shape always has the case.
        splits_commas: True if a comma is a word of its own in the training examples.

    Reference:
        Petrov, Barrett, Thibaux and Klein, "Learning Accurate, Compact, and Interpretable Tree Annotation", 2006
        (unknown words by their signatures).
    """

    vocabulary_words: tuple[str, ...]
    longest: int = 1
    lowercase: bool = True
    splits_commas: bool = True
    shape: Shape = (None,)
    dtype: str = "int32"
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def fit(cls, train: TokenLists, *, lowercase: bool, min_count: int, vocabulary_size: int) -> "WordsPreprocessor":
        """Fit the vocabulary.

        Args:
            train: The training examples.
            lowercase: True to compare words in lower case.
            min_count: Number of occurrences, at least 2, below which a word is read by its form.
            vocabulary_size: The largest number of words.
        """
        frame = pl.DataFrame({"word": _cased(train.words, lowercase=lowercase), "form": _forms(train.words)})
        counts = frame.group_by("word").agg(pl.len().alias("count")).sort("count", "word", descending=[True, False])
        common = counts.filter(pl.col("count") >= max(min_count, 2)).head(vocabulary_size)["word"]
        forms = frame.filter(~pl.col("word").is_in(common.implode()))["form"].unique().sort()
        words, is_attached = (*common.to_list(), *forms.to_list()), train.words.str.contains(r"\w,$").any()
        return cls(words, int(train.lengths.max()), lowercase, splits_commas=not is_attached)

    def split(self, text: str) -> list[str]:
        """Return the words of a text, with or without its punctuation as words of their own.

        Example:
            >>> WordsPreprocessor(()).split("It's 3.5 miles, sir.")
            ["It's", '3.5', 'miles', ',', 'sir', '.']
        """
        return _WORDS.findall(text) if self.splits_commas else text.split()

    @property
    def vocabulary(self) -> int:
        """Number of different numbers, with those of padding and of unknown forms."""
        return len(self.vocabulary_words) + _FIRST

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of an encoded example in a batch: those of the padded lengths."""
        return tuple((length,) for length in padded_lengths(self.longest))

    @cached_property
    def _numbers(self) -> pl.Enum:
        return pl.Enum(self.vocabulary_words)

    def encode(self, inputs: Any) -> Ragged:
        """Return [B] arrays of int32 [T].

        Args:
            inputs: ``TokenLists``, or lists of words.

        Raises:
            InvalidInput: They are no lists of words, or there are none.
        """
        lists = inputs if isinstance(inputs, TokenLists) else _lists(inputs)
        if not len(lists) or not lists.lengths.all():
            raise InvalidInput("predict: expected lists of words, got an empty one. Give each one word or more.")
        known = self._find(_cased(lists.words, lowercase=self.lowercase))
        numbers = known.fill_null(self._find(_forms(lists.words))).fill_null(UNKNOWN).to_numpy().astype(np.int32)
        begins = np.cumsum(lists.lengths) - lists.lengths
        return Ragged(numbers, begins, lists.lengths, padded_lengths(self.longest)[0])

    def _find(self, words: pl.Series) -> pl.Series:
        """Return the number of each word, null if it has none."""
        return words.cast(self._numbers, strict=False).to_physical().cast(pl.Int32) + _FIRST

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``preprocessor.json``."""
        words = list(self.vocabulary_words)
        values = {"kind": "words", "words": words, "longest": self.longest, "lowercase": self.lowercase}
        return {**values, "splits_commas": self.splits_commas}


def _lists(inputs: Any) -> TokenLists:
    is_list = not isinstance(inputs, str) and all(
        isinstance(words, Sequence) and not isinstance(words, str) and all(isinstance(word, str) for word in words)
        for words in inputs
    )
    if not is_list:
        raise InvalidInput('predict: expected lists of words. Give for example [["Give", "it", "up"]].')
    return TokenLists.of(inputs)


def _cased(words: pl.Series, *, lowercase: bool) -> pl.Series:
    return words.str.to_lowercase() if lowercase else words


def _forms(words: pl.Series) -> pl.Series:
    """Return the shape of each word, runs of letters and digits shortened, and its last letters."""
    shapes = (
        words.str.replace_all(r"\p{Lu}+", "X")
        .str.replace_all(r"[\p{Ll}\p{Lo}\p{Lm}]+", "x")
        .str.replace_all(r"\p{N}+", "d")
        .str.slice(0, 6)
    )
    endings = words.str.to_lowercase().str.extract(rf"\p{{L}}(\p{{L}}{{{_SUFFIX}}})$").fill_null("")
    return pl.select(pl.lit(_MARK) + shapes + "-" + endings).to_series()


def words_from_json(values: Mapping[str, Any]) -> WordsPreprocessor:
    """Return the preprocessor that ``to_json`` wrote."""
    found: WordsPreprocessor = in_form(WordsPreprocessor, {**values, "vocabulary_words": values["words"]})
    return found
