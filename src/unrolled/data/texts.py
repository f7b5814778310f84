"""Many texts end to end, in memory as Arrow keeps them, or on disk."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from unrolled.data.ragged import Ragged

import numpy as np
import polars as pl
from numpy.typing import NDArray

_BYTES_AT_ONCE = 1 << 20
_TEXTS_AT_ONCE = 1 << 16


class Texts(ABC):
    """Texts, [B] of them, indexed like an object array: ``texts[3]`` is a str, ``texts[indices]`` several.

    Attributes:
        bytes_of_each: [B] the length of each text in UTF-8.

    Example:
        >>> texts = Texts.of(["one", "two", "three"])
        >>> texts[1], list(texts[np.array([2, 0])]), len(texts)
        ('two', ['three', 'one'], 3)
    """

    dtype = np.dtype(object)
    bytes_of_each: NDArray[np.int64]

    @staticmethod
    def of(texts: Sequence[str]) -> "Texts":
        """Copy texts (see ``column_of``)."""
        return ColumnOfTexts(column_of(texts))

    @abstractmethod
    def __getitem__(self, index: Any) -> Any:
        """Return one text, or some."""

    @abstractmethod
    def column(self, begin: int, end: int) -> pl.Series:
        """Return some texts in a row as a column."""

    def __len__(self) -> int:
        return len(self.bytes_of_each)

    def __iter__(self) -> Iterator[str]:
        return (text for some in self.columns() for text in some.to_list())

    def columns(self) -> Iterator[pl.Series]:
        """Yield the texts in columns of some 2 MB or less, unless one text is longer."""
        begin, ends = 0, np.cumsum(self.bytes_of_each)
        while begin < len(ends):
            before = ends[begin - 1] if begin else 0
            end = int(np.searchsorted(ends, before + _BYTES_AT_ONCE, side="right"))
            end = min(max(end, begin + 1), begin + _TEXTS_AT_ONCE)
            yield self.column(begin, end)
            begin = end


def column_of(texts: Sequence[str]) -> pl.Series:
    """Return texts as a column, with ``?`` for half of a character beyond the basic plane, which no encoding has."""
    try:
        return pl.Series(texts, dtype=pl.String)
    except UnicodeEncodeError:
        return pl.Series([text.encode("utf-8", "replace").decode("utf-8") for text in texts], dtype=pl.String)


class ColumnOfTexts(Texts):
    """Texts in memory; they take a third of what a list of str takes, and some of them nothing but their indices.

    Args:
        texts: [N], none of them null.
        indices: [B] those that are meant; all if left out.
        bytes_of_each: [B] their lengths in UTF-8, if they are known.
    """

    def __init__(
        self,
        texts: pl.Series,
        indices: NDArray[np.int64] | None = None,
        bytes_of_each: NDArray[np.int64] | None = None,
    ):
        self._texts = texts
        self._indices = np.arange(len(texts)) if indices is None else indices
        if bytes_of_each is None:
            bytes_of_each = texts.str.len_bytes().to_numpy().astype(np.int64)[self._indices]
        self.bytes_of_each = bytes_of_each

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._texts[int(self._indices[index])]
        return ColumnOfTexts(self._texts, self._indices[index], self.bytes_of_each[index])

    def column(self, begin: int, end: int) -> pl.Series:
        """Return some texts in a row as a column."""
        return self._texts[self._indices[begin:end]]


class StoredTexts(Texts):
    """Texts on disk, read on access.

    Args:
        characters: The bytes of each text in UTF-8.
    """

    def __init__(self, characters: Ragged):
        self._characters = characters
        self.bytes_of_each = characters.lengths

    @classmethod
    def write(cls, columns: Iterable[pl.Series]) -> "StoredTexts":
        """Write columns of texts to disk.

        Raises:
            WriteError: The disk is full.
        """
        # Of some texts at a time, as Python needs several times their size.
        some = (piece for column in columns for piece in ColumnOfTexts(column).columns())
        pieces = (
            (
                np.frombuffer("".join(column.to_list()).encode(), np.uint8),
                column.str.len_bytes().to_numpy().astype(np.int64),
            )
            for column in some
        )
        return cls(Ragged.of_pieces(pieces, is_on_disk=True))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return bytes(self._characters[index]).decode()
        return StoredTexts(self._characters[index])

    def column(self, begin: int, end: int) -> pl.Series:
        """Return some texts in a row as a column."""
        return pl.Series([bytes(text).decode() for text in self._characters[begin:end]], dtype=pl.String)
