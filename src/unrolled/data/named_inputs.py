"""Examples with several inputs: a text beside numbers and categories."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from unrolled.data.ragged import Ragged

import numpy as np
from numpy.typing import NDArray

FEATURES = "features"
"""The input of all columns of numbers and of the categories beside them; the others have the names of their columns."""


class NamedInputs:
    """Examples of several inputs, [B] of them: ``inputs[3]`` is a mapping, ``inputs[indices]`` several examples.

    Args:
        parts: By name, [B] ``Texts``, ``Ragged`` series or an array [B, ...].
        sizes: By name, the lengths to which an input of unequal lengths is padded, ascending.

    Example:
        >>> lines = Ragged.of([np.array([5]), np.array([7, 2, 9])])
        >>> inputs = NamedInputs({"title": lines, "stars": np.array([[1.0], [4.0]])}, {"title": (8, 16)})
        >>> inputs[0]["title"].tolist(), len(inputs), inputs[np.array([1])].padded()["title"].tolist()
        ([5], 2, [[7, 2, 9, 0, 0, 0, 0, 0]])
    """

    dtype = np.dtype(object)

    def __init__(self, parts: Mapping[str, Any], sizes: Mapping[str, tuple[int, ...]] | None = None):
        self.parts, self.sizes = dict(parts), dict(sizes or {})

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def __getitem__(self, index: Any) -> Any:
        chosen = {name: part[index] for name, part in self.parts.items()}
        return chosen if isinstance(index, int | np.integer) else NamedInputs(chosen, self.sizes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """[B] the number of steps of each example, those of all its inputs."""
        ragged = (part.lengths for part in self.parts.values() if isinstance(part, Ragged))
        return sum(ragged, np.zeros(len(self), np.int64))

    @property
    def padded_size(self) -> dict[str, int]:
        """The length to which each input of unequal lengths is padded.

        All have the rank of the longest among their sizes, so that a backend compiles no more shapes than for one.
        """
        ragged = {name: part for name, part in self.parts.items() if isinstance(part, Ragged)}
        needed = {name: part.padded_size for name, part in ragged.items()}
        sizes = {name: self.sizes.get(name, (length,)) for name, length in needed.items()}
        rank = max((np.searchsorted(sizes[name], length) for name, length in needed.items()), default=0)
        return {name: max(length, sizes[name][min(rank, len(sizes[name]) - 1)]) for name, length in needed.items()}

    def padded(self, lengths: Mapping[str, int] | None = None) -> dict[str, NDArray[Any]]:
        """Return each input as one array [B, ...], those of unequal lengths padded.

        Args:
            lengths: By name, the length of each of these; without them ``padded_size``.
        """
        lengths = self.padded_size if lengths is None else lengths
        return {name: part.padded(lengths[name]) if name in lengths else part for name, part in self.parts.items()}
