"""The memory that the content of a file may take, so that a small file cannot fill the machine."""

from pathlib import Path

from unrolled.errors import DataError
from unrolled.system import memory_bytes

_ALWAYS = 1 << 28
_MOST_TIMES = 100


def most_bytes(stored: int, *, is_kept_on_disk: bool = False) -> int:
    """Return the number of bytes that what is read from files may take.

    ::

        min(max(256 MB, 100 stored), memory / 2)

    Args:
        stored: The size of the files, in bytes.
        is_kept_on_disk: True for data that is read in pieces, for which the memory is no limit.

    Example:
        >>> most_bytes(1_000), most_bytes(10_000_000, is_kept_on_disk=True)
        (268435456, 1000000000)
    """
    most = max(_ALWAYS, _MOST_TIMES * stored)
    return most if is_kept_on_disk else min(most, memory_bytes() // 2)


def check_unpacked(
    where: Path | str, unpacked: int, stored: int, remedy: str, *, is_kept_on_disk: bool = False
) -> None:
    """Refuse a file whose content takes more memory than its size explains, or than the machine has.

    Args:
        where: The file, for messages.
        unpacked: The size of its content in memory, in bytes.
        stored: The size of the file, in bytes.
        remedy: What to do instead, for the message.
        is_kept_on_disk: True for data that is read in pieces.

    Raises:
        DataError: It takes more than ``most_bytes``.
    """
    if unpacked > most_bytes(stored, is_kept_on_disk=is_kept_on_disk):
        raise too_large(where, unpacked, stored, remedy, is_kept_on_disk=is_kept_on_disk)


def too_large(
    where: Path | str, unpacked: int | None, stored: int, remedy: str, *, is_kept_on_disk: bool = False
) -> DataError:
    """Return the error for content that is too large; its size is None where it is not known."""
    most = most_bytes(stored, is_kept_on_disk=is_kept_on_disk)
    return DataError(
        f"{where}: expected at most {_format(most)} in memory of a file of {_format(stored)} (256 MB or 100 times its "
        f"size, and half of this machine's memory), got {'more' if unpacked is None else _format(unpacked)}. {remedy}"
    )


def _format(size: int) -> str:
    """Return a number of bytes in words.

    Example:
        >>> _format(999), _format(34_000_000), _format(2_500_000_000)
        ('999 bytes', '34 MB', '2.5 GB')
    """
    if size < 1_000_000:
        return f"{size:,} bytes"
    return f"{size / 1e6:,.0f} MB" if size < 1_000_000_000 else f"{size / 1e9:,.1f} GB"
