"""Fixtures of the tests of data: IDX files written byte by byte, and the message of a DataError."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.errors import DataError, WriteError

import numpy as np
import pytest
from numpy.typing import NDArray

IdxBytes = Callable[[NDArray[Any]], bytes]
WriteIdx = Callable[[Path, NDArray[Any]], Path]
Complaint = Callable[[Callable[[], object]], str]


@pytest.fixture(scope="session")
def idx_bytes() -> IdxBytes:
    """An array of bytes as an IDX file has it, written from the format's description."""

    def encode(array: NDArray[Any]) -> bytes:
        lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
        return bytes([0, 0, 8, array.ndim]) + lengths + array.astype(np.uint8).tobytes()

    return encode


@pytest.fixture(scope="session")
def write_idx(idx_bytes: IdxBytes) -> WriteIdx:
    """Writes an array as a plain IDX file."""

    def write(path: Path, array: NDArray[Any]) -> Path:
        path.write_bytes(idx_bytes(array))
        return path

    return write


@pytest.fixture(scope="session")
def complaint() -> Complaint:
    """The one line of the error that a call raises."""

    def message_of(call: Callable[[], object]) -> str:
        with pytest.raises((DataError, WriteError)) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        return message

    return message_of
