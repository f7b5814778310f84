"""The IDX format of MNIST and its relatives: one array of bytes behind a short header."""

import gzip
import lzma
import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unrolled.errors import DataError
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray

_XZ_MAGIC = b"\xfd7zXZ\x00"
_GZIP_MAGIC = b"\x1f\x8b"
_UINT8 = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, plain or compressed with gzip or xz.

    The file is two zero bytes, the type (8: unsigned byte), the number of axes, each axis' length as a big-endian
    32-bit integer, and then the values in C order.

    Args:
        path: The file; how it is compressed is read from its first bytes.

    Returns:
        The array, of whatever shape the header says.

    Raises:
        DataError: The file is missing, damaged, cut short, or not IDX.

    Reference:
        Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    data = _decompress(path)
    if len(data) < 4 or data[:3] != bytes([0, 0, _UINT8]):
        raise DataError(f"{path}: expected an IDX file of unsigned bytes, got something else. Check the file.")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise DataError(
            f"{path}: expected a header of {header} bytes, got a file of {len(data)}. Copy or download the file again."
        )
    shape = tuple(int(length) for length in np.frombuffer(data[4:header], dtype=">u4"))
    if len(data) != header + math.prod(shape):
        raise DataError(
            f"{path}: expected {math.prod(shape):,} values for the shape {shape} in its header, "
            f"got {len(data) - header:,}. Copy or download the file again."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def is_idx(path: Path) -> bool:
    """Whether the name follows MNIST's convention, as in ``train-images-idx3-ubyte.gz``."""
    return path.suffix != ".npz" and ("-idx" in path.name or path.suffix == ".idx")


def _decompress(path: Path) -> bytearray:
    """The contents in a bytearray, so that the array made of it can be written to."""
    try:
        data = path.read_bytes()
        if data.startswith(_XZ_MAGIC):
            return _decompress_xz(data)
        return bytearray(gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole compressed file, got a damaged one ({error}). Copy or download it again."
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None


def _decompress_xz(data: bytes) -> bytearray:
    """Decompress an xz file's streams at once, one thread each; ``lzma`` lets go of the interpreter's lock.

    Streams begin with six magic bytes at a multiple of four. Whoever packs a file checks that no other place in it
    looks like that.
    """
    starts = [0]
    while (start := data.find(_XZ_MAGIC, starts[-1] + 1)) != -1:
        starts.append(start)
    streams = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    with ThreadPoolExecutor() as pool:
        return bytearray().join(pool.map(lzma.decompress, streams))
