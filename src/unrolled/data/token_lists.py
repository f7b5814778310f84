"""Examples that are lists of words, as files of tagged words have them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray


class TokenLists:
    """Lists of words, [B] of them: ``lists[3]`` is a list of str, ``lists[indices]`` several.

    Args:
        column: [B] lists of words, none of them null or empty.

    Example:
        >>> lists = TokenLists.of([["Give", "up"], ["No"]])
        >>> lists[0], lists[np.array([1, 0])].lengths.tolist()
        (['Give', 'up'], [1, 2])
    """

    dtype = np.dtype(object)

    def __init__(self, column: pl.Series):
        self.column = column
        self.lengths: NDArray[np.int64] = column.list.len().to_numpy().astype(np.int64)

    @classmethod
    def of(cls, lists: Iterable[Sequence[str]]) -> "TokenLists":
        """Copy lists of words."""
        return cls(pl.Series([list(words) for words in lists], dtype=pl.List(pl.String)))

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self.column[int(index)].to_list()
        return TokenLists(self.column[index])

    def __iter__(self) -> Iterator[list[str]]:
        return iter(self.column.to_list())

    @property
    def words(self) -> pl.Series:
        """The words of all, end to end."""
        return self.column.explode(empty_as_null=True)
