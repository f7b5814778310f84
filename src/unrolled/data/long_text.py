"""A text that may be larger than memory, read in pieces."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from unrolled.data.decoding import check_text, decoder_of, starting_encoding
from unrolled.errors import DataError, UnrolledError
from unrolled.storage import cannot_read

_BLOCK = 1 << 22


class LongText:
    """A range of a text file, read on access.

    Has the length in characters and the slices of a ``str``; ``str(text)`` reads all of it.

    Args:
        path: The file.
        encoding: Its encoding.
        blocks: The position (from ``tell``) of every 4,194,304th character.
        begin: The index of the first character of the range.
        end: The index after its last character.
    """

    def __init__(self, path: Path, encoding: str, blocks: tuple[int, ...], begin: int, end: int):
        self.path, self.encoding, self._blocks, self._begin, self._end = path, encoding, blocks, begin, end

    @classmethod
    def open(cls, path: Path, encoding: str | None = None) -> "LongText":
        """Read a file once, to check it and to index its characters.

        Args:
            path: The file.
            encoding: Its encoding; without it that of its byte order mark, else UTF-8.

        Raises:
            DataError: The file is missing, or its bytes are not of that encoding; the message names the line.
        """
        size, lines, blocks = 0, 1, [0]
        try:
            with path.open("rb") as start:
                encoding = encoding or starting_encoding(start.read(4)) or "utf-8"
            decoder_of(path, encoding)
            with path.open(encoding=encoding, newline="") as file:
                while block := file.read(_BLOCK):
                    check_text(path, block, lines)
                    size, lines = size + len(block), lines + block.count("\n")
                    blocks.append(file.tell())
        except UnrolledError:
            raise
        except OSError as error:
            raise cannot_read(path, error) from None
        except UnicodeError as error:
            got = f"the byte 0x{error.object[error.start]:02x}" if isinstance(error, UnicodeDecodeError) else str(error)
            raise DataError(
                f"{path}: expected {encoding}, got {got} after line {lines:,}. "
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
        """Read the text in pieces that end at the end of a word, unless a word is longer than a piece."""
        block_index, offset = divmod(self._begin, _BLOCK)
        remaining, rest = len(self), ""
        with self.path.open(encoding=self.encoding, newline="") as file:
            file.seek(self._blocks[block_index])
            file.read(offset)
            while remaining and (block := rest + file.read(min(_BLOCK, remaining))):
                remaining -= len(block) - len(rest)
                begun = block.rsplit(None, 1)[-1] if remaining and not block[-1].isspace() else ""
                rest = begun if len(begun) < len(block) else ""
                yield block[: len(block) - len(rest)]


def pieces_of(text: str | LongText) -> Iterable[str]:
    """Return a text in pieces that fit in memory."""
    return text.pieces() if isinstance(text, LongText) else (text,)
