"""Arrays in a file without a name, for more of them than memory holds."""

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.data.decoding import starting_encoding
from unrolled.errors import DataError, UnrolledError, WriteError
from unrolled.storage import cannot_read

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


_BLOCK = 1 << 22


class LongText:
    """A stretch of a text file, read when it is asked for.

    Of a text it has its length in characters and ``text[begin:end]``; ``str`` reads it whole.

    Args:
        path: The file.
        encoding: What it is in.
        blocks: Where every 4,194,304th character stands, as the file's ``tell`` says it.
        begin: The first character of the stretch.
        end: The one behind its last.
    """

    def __init__(self, path: Path, encoding: str, blocks: tuple[int, ...], begin: int, end: int):
        self.path, self.encoding, self._blocks, self._begin, self._end = path, encoding, blocks, begin, end

    @classmethod
    def open(cls, path: Path, encoding: str | None = None) -> "LongText":
        """Read a file once, to check it and to know where its characters stand.

        Args:
            path: The file.
            encoding: What it is in; otherwise its byte order mark says so, or it is UTF-8.

        Raises:
            DataError: The file is missing, or its bytes are not of that encoding; the message names the line.
        """
        size, lines, blocks = 0, 1, [0]
        try:
            with path.open("rb") as start:
                encoding = encoding or starting_encoding(start.read(4)) or "utf-8"
            with path.open(encoding=encoding, newline="") as file:
                while block := file.read(_BLOCK):
                    if "\0" in block:
                        line = lines + block[: block.index("\0")].count("\n")
                        raise DataError(f"{path}:{line}: expected text, got a zero byte. Check that it is a text file.")
                    size, lines = size + len(block), lines + block.count("\n")
                    blocks.append(file.tell())
        except UnrolledError:
            raise
        except OSError as error:
            raise cannot_read(path, error) from None
        except LookupError:
            raise DataError(f'{path}: unknown encoding "{encoding}". Name one that Python knows: utf-8') from None
        except UnicodeError as error:
            got = f"the byte 0x{error.object[error.start]:02x}" if isinstance(error, UnicodeDecodeError) else str(error)
            raise DataError(
                f"{path}: expected {encoding}, got {got} behind line {lines:,}. "
                "Save the file in one encoding, or name it: encoding: cp1252"
            ) from None
        return cls(path, encoding, tuple(blocks), 0, size)

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, part: slice) -> "LongText":
        begin, end, _ = part.indices(len(self))
        return LongText(self.path, self.encoding, self._blocks, self._begin + begin, self._begin + max(begin, end))

    def __str__(self) -> str:
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """The text in pieces that end where a word does, for as long as words are shorter than pieces."""
        number, passed = divmod(self._begin, _BLOCK)
        left, rest = len(self), ""
        with self.path.open(encoding=self.encoding, newline="") as file:
            file.seek(self._blocks[number])
            file.read(passed)
            while left and (block := rest + file.read(min(_BLOCK, left))):
                left -= len(block) - len(rest)
                begun = block.rsplit(None, 1)[-1] if left and not block[-1].isspace() else ""
                rest = begun if len(begun) < len(block) else ""
                yield block[: len(block) - len(rest)]


def pieces_of(text: str | LongText) -> Iterable[str]:
    """A text in pieces that memory holds."""
    return text.pieces() if isinstance(text, LongText) else (text,)
