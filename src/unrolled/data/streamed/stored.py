"""Arrays in a file without a name, for more of them than memory holds."""

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import WriteError

import numpy as np
from numpy.typing import NDArray

# Where the system keeps temporary files that may be large; /tmp is memory on many machines.
_FOLDER = Path("/var/tmp")


class Stored:
    """[B] arrays [T, ...] of their own lengths, read from disk when they are asked for.

    Of an array of objects it has what choosing examples needs: ``stored[3]`` is one of them, ``stored[indices]`` are
    some. The file is gone when nothing reads it any more, however the process ends.

    Example:
        >>> stored = Stored.of([np.array([1, 2]), np.array([3])])
        >>> stored[1].tolist(), len(stored), stored[np.array([1, 0, 1])].lengths.tolist()
        ([3], 2, [1, 2, 1])
    """

    dtype = np.dtype(object)

    def __init__(self, values: NDArray[Any], begins: NDArray[np.int64], lengths: NDArray[np.int64]):
        self._values, self._begins, self.lengths = values, begins, lengths

    @classmethod
    def of(cls, items: Iterable[NDArray[Any]]) -> "Stored":
        """Write arrays of one type to disk, one after the other.

        Raises:
            WriteError: The disk is full.
        """
        counts = array("q")

        def counted() -> Iterator[NDArray[Any]]:
            for item in items:
                counts.append(len(item))
                yield item

        values = on_disk(counted())
        lengths = np.array(counts, np.int64)
        return cls(values, np.cumsum(lengths) - lengths, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int | np.integer):
            return Stored(self._values, self._begins[index], self.lengths[index])
        begin = self._begins[index]
        return self._values[begin : begin + self.lengths[index]]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self._values[begin : begin + length] for begin, length in zip(self._begins, self.lengths, strict=True))


def on_disk(pieces: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Arrays [N, ...] of one type behind one another, in a file that is mapped and not read.

    Args:
        pieces: At least one; together not empty.

    Raises:
        WriteError: The disk is full.
    """
    folder = Path(os.environ.get("TMPDIR") or (_FOLDER if _FOLDER.is_dir() else tempfile.gettempdir()))
    piece, written = np.empty(0), 0
    with _room(folder):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below, once it is mapped
    with file:
        for piece in pieces:
            with _room(folder):
                written += file.write(np.ascontiguousarray(piece).data)
        with _room(folder):
            file.flush()
        shape = piece.shape[1:]
        rows = written // (piece.itemsize * int(np.prod(shape, dtype=np.int64)))
        return np.asarray(np.memmap(file, piece.dtype, "r", shape=(rows, *shape)))


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{folder}: expected room for what the network reads, got: {error.strerror}. "
            "Set TMPDIR to a folder with more."
        ) from None
