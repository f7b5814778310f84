"""Arrays of unequal length: kept end to end, in memory or on disk, and padded to few lengths."""

import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import WriteError

import numpy as np
from numpy.typing import NDArray

# The system's folder for large temporary files; /tmp is in memory on many machines.
_FOLDER = Path("/var/tmp")
LARGEST_IN_MEMORY = 1 << 28
"""The size in bytes above which data is kept on disk."""
SHORTEST = 8
"""The smallest length to which sequences are padded."""
_MOST_LENGTHS = 7
_VALUES_AT_ONCE = 1 << 16


class Ragged:
    """Arrays [T, ...] of unequal length, [B] of them, end to end in one array.

    Indexed like an object array: ``ragged[3]`` is one array, ``ragged[indices]`` several.

    Args:
        values: [N, ...] the values of all.
        begins: [B] where each begins in ``values``.
        lengths: [B] the length of each.
        shortest: The smallest length to which a batch is padded (see ``padded_length``).

    Example:
        >>> ragged = Ragged.of([np.array([1, 2]), np.array([3])])
        >>> ragged[1].tolist(), len(ragged), ragged[np.array([1, 0, 1])].lengths.tolist()
        ([3], 2, [1, 2, 1])
    """

    dtype = np.dtype(object)

    def __init__(
        self, values: NDArray[Any], begins: NDArray[np.int64], lengths: NDArray[np.int64], shortest: int = SHORTEST
    ):
        self.values, self.begins, self.lengths, self.shortest = values, begins, lengths, shortest

    @classmethod
    def of(cls, items: Iterable[NDArray[Any]], shortest: int = SHORTEST) -> "Ragged":
        """Keep arrays of one dtype in memory; at least one."""
        items = list(items)
        return cls.of_pieces([(np.concatenate(items), np.array([len(item) for item in items], np.int64))], shortest)

    @classmethod
    def of_pieces(
        cls,
        pieces: Iterable[tuple[NDArray[Any], NDArray[np.int64]]],
        shortest: int = SHORTEST,
        *,
        is_on_disk: bool = False,
    ) -> "Ragged":
        """Keep arrays that come in pieces.

        Args:
            pieces: For each piece the values of several arrays, and the length of each; at least one piece.
            shortest: The smallest length to which a batch is padded.
            is_on_disk: True to write the values to a file without a name, which disappears with its last reader, even
                if the process is killed.

        Raises:
            WriteError: The disk is full.
        """
        counts = array("q")

        def counted() -> Iterator[NDArray[Any]]:
            for values, lengths in pieces:
                counts.extend(lengths.tolist())
                yield values

        values = on_disk(counted()) if is_on_disk else np.concatenate(list(counted()))
        lengths = np.array(counts, np.int64)
        return cls(values, np.cumsum(lengths) - lengths, lengths, shortest)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int | np.integer):
            return Ragged(self.values, self.begins[index], self.lengths[index], self.shortest)
        begin = self.begins[index]
        return self.values[begin : begin + self.lengths[index]]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.values[begin : begin + length] for begin, length in zip(self.begins, self.lengths, strict=True))

    def mapped(self, function: Callable[[NDArray[Any]], NDArray[Any]], shortest: int | None = None) -> "Ragged":
        """Return arrays of the values that a function gives for some values [N, ...]; many of them are on disk."""
        if self.values.nbytes <= LARGEST_IN_MEMORY:
            values = function(self.values)
        else:
            starts = range(0, len(self.values), _VALUES_AT_ONCE)
            values = on_disk(function(self.values[begin : begin + _VALUES_AT_ONCE]) for begin in starts)
        return Ragged(values, self.begins, self.lengths, shortest or self.shortest)

    @property
    def joined(self) -> NDArray[Any]:
        """[N, ...] the values of these arrays, end to end."""
        ends = np.cumsum(self.lengths)
        steps = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - self.lengths, self.lengths)
        joined: NDArray[Any] = self.values[np.repeat(self.begins, self.lengths) + steps]
        return joined

    @property
    def padded_size(self) -> int:
        """The ``padded_length`` of the longest."""
        return padded_length(int(self.lengths.max(initial=1)), self.shortest)

    def padded(self, length: int | None = None) -> NDArray[Any]:
        """Stack the arrays, padded at the end: integers with 0, numbers with NaN.

        Args:
            length: T, to which longer ones are cut; without it ``padded_size``.

        Returns:
            [B, T, ...].
        """
        length = length or self.padded_size
        fill = 0 if self.values.dtype.kind in "iu" else np.nan
        padded = np.full((len(self), length, *self.values.shape[1:]), fill, self.values.dtype)
        kept = np.minimum(self.lengths, length)
        rows = np.repeat(np.arange(len(self)), kept)
        steps = np.arange(len(rows)) - np.repeat(np.cumsum(kept) - kept, kept)
        padded[rows, steps] = self.values[np.repeat(self.begins, kept) + steps]
        return padded


def objects(items: Sequence[Any]) -> NDArray[Any]:
    """Return an object array [B] of texts or arrays.

    ``np.array`` would stack arrays of equal shape into one.
    """
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def pad(items: NDArray[Any] | Ragged, length: int | None = None) -> NDArray[Any]:
    """Stack arrays of unequal length, [B, T, ...]; see ``Ragged.padded``."""
    return (items if isinstance(items, Ragged) else Ragged.of(items)).padded(length)


def lengths(items: NDArray[Any] | Ragged) -> NDArray[np.int64]:
    """Return the length of each item, [B]."""
    return items.lengths if isinstance(items, Ragged) else np.array([len(item) for item in items], np.int64)


def padded_length(length: int, shortest: int = SHORTEST) -> int:
    """Round a length up to ``shortest`` times a power of two, so that a backend compiles for few shapes.

    Example:
        >>> [padded_length(length) for length in (1, 9, 13, 17, 33)], padded_length(9, shortest=32)
        ([8, 16, 16, 32, 64], 32)
    """
    power = shortest
    while power < length:
        power *= 2
    return power


def padded_lengths(longest: int) -> tuple[int, ...]:
    """Return the lengths, seven or fewer, to which sequences of up to ``longest`` steps are padded.

    Example:
        >>> padded_lengths(256), padded_lengths(17_984)
        ((8, 16, 32, 64, 128, 256), (512, 1024, 2048, 4096, 8192, 16384, 32768))
    """
    found = [padded_length(longest)]
    while len(found) < _MOST_LENGTHS and found[0] > SHORTEST:
        found.insert(0, found[0] // 2)
    return tuple(found)


def on_disk(pieces: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Write arrays [N, ...] of one dtype to a nameless file, and map it as one array.

    Args:
        pieces: One array or more, not all empty.

    Returns:
        The concatenation along the first axis, mapped from disk.

    Raises:
        WriteError: The disk is full.
    """
    folder = temporary_folder()
    piece, written = np.empty(0), 0
    with naming_full_disk(folder):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below, once it is mapped
    with file:
        for piece in pieces:
            with naming_full_disk(folder):
                written += file.write(np.ascontiguousarray(piece).data)
        with naming_full_disk(folder):
            file.flush()
        shape = piece.shape[1:]
        rows = written // (piece.itemsize * int(np.prod(shape, dtype=np.int64)))
        return np.asarray(np.memmap(file, piece.dtype, "r", shape=(rows, *shape)))


def temporary_folder() -> Path:
    """Return the folder of large temporary files: ``TMPDIR`` if it is set, else ``/var/tmp`` where there is one."""
    return Path(os.environ.get("TMPDIR") or (_FOLDER if _FOLDER.is_dir() else tempfile.gettempdir()))


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Raise a WriteError that names the folder for what the system says of a full disk."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{folder}: cannot store the data of the network: {error.strerror}. Set TMPDIR to a folder with more space."
        ) from None
