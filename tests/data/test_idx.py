"""IDX files: read whole, in whatever way they are packed, or refused with the reason."""

import gzip
import lzma
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.arrays import is_idx, read_idx

import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

IdxBytes = Callable[[NDArray[Any]], bytes]
WriteIdx = Callable[[Path, NDArray[Any]], Path]
Complaint = Callable[[Callable[[], object]], str]

NUMBERS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def in_streams(data: bytes) -> bytes:
    """An xz file of streams of ten bytes each."""
    return b"".join(lzma.compress(data[start : start + 10]) for start in range(0, len(data), 10))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, in_streams])
def test_a_file_is_read_however_it_is_packed(
    pack: Callable[[bytes], bytes], tmp_path: Path, idx_bytes: IdxBytes
) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(pack(idx_bytes(NUMBERS)))
    array = read_idx(path)
    assert array.dtype == np.uint8
    assert array.flags.writeable
    np.testing.assert_array_equal(array, NUMBERS)


def test_the_name_does_not_say_how_a_file_is_packed(tmp_path: Path, write_idx: WriteIdx) -> None:
    np.testing.assert_array_equal(read_idx(write_idx(tmp_path / "numbers.gz", NUMBERS)), NUMBERS)


@settings(max_examples=60, deadline=None)
@given(
    array=hypothesis.extra.numpy.arrays(
        np.uint8, hypothesis.extra.numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    ),
    pack=st.sampled_from([bytes, gzip.compress, lzma.compress]),
)
def test_every_array_of_bytes_comes_back(
    array: NDArray[np.uint8],
    pack: Callable[[bytes], bytes],
    tmp_path_factory: pytest.TempPathFactory,
    idx_bytes: IdxBytes,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-idx"
    path.write_bytes(pack(idx_bytes(array)))
    back = read_idx(path)
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(("change", "got"), [(-1, 23), (1, 25), (-24, 0)])
def test_a_header_that_disagrees_with_the_values_is_refused(
    change: int, got: int, tmp_path: Path, idx_bytes: IdxBytes, complaint: Complaint
) -> None:
    path = tmp_path / "numbers"
    data = idx_bytes(NUMBERS)
    path.write_bytes(data[:change] if change < 0 else data + bytes(change))
    assert complaint(lambda: read_idx(path)) == (
        f"{path}: expected 24 values for the shape (2, 3, 4) in its header, got {got}. Copy or download the file again."
    )


def test_a_header_of_absurd_lengths_is_refused_without_allocating(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"abc")
    wanted = math.prod([0xFFFFFFFF] * 3)
    assert complaint(lambda: read_idx(path)).startswith(f"{path}: expected {wanted:,} values for the shape ")


@pytest.mark.parametrize("length", range(4, 16))
def test_a_file_cut_within_its_header_is_refused(
    length: int, tmp_path: Path, idx_bytes: IdxBytes, complaint: Complaint
) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(idx_bytes(NUMBERS)[:length])
    assert complaint(lambda: read_idx(path)).startswith(f"{path}: expected ")


@pytest.mark.parametrize(
    "contents",
    [b"", b"\0\0\x08", b"PK\x03\x04 a zip file", b"\0\0\x0d\x01\0\0\0\x01abcd", b"\x89PNG\r\n\x1a\n"],
    ids=["empty", "three bytes", "zip", "IDX of floats", "PNG"],
)
def test_what_is_not_an_idx_file_of_bytes_is_refused(contents: bytes, tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(contents)
    assert complaint(lambda: read_idx(path)) == (
        f"{path}: expected an IDX file of unsigned bytes, got something else. Check the file."
    )


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_truncated_packed_file_names_itself(
    pack: Callable[[bytes], bytes], tmp_path: Path, idx_bytes: IdxBytes, complaint: Complaint
) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(pack(idx_bytes(NUMBERS))[:-9])
    assert complaint(lambda: read_idx(path)) == (
        f"{path}: expected a whole compressed file, got a damaged one "
        "(Compressed {} ended before the end-of-stream marker was reached). Copy or download it again.".format(
            "file" if pack is gzip.compress else "data"
        )
    )


# Bytes 4 to 9 of a gzip file say when and where it was made, which no checksum covers.
@pytest.mark.parametrize(("pack", "free"), [(gzip.compress, range(4, 10)), (lzma.compress, ()), (in_streams, ())])
def test_a_damaged_byte_anywhere_in_a_packed_file_is_noticed(
    pack: Callable[[bytes], bytes], free: Sequence[int], tmp_path: Path, idx_bytes: IdxBytes, complaint: Complaint
) -> None:
    path = tmp_path / "numbers"
    packed = pack(idx_bytes(NUMBERS))
    for position in sorted(set(range(len(packed))) - set(free)):
        damaged = bytearray(packed)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        assert complaint(lambda: read_idx(path)).startswith(f"{path}: expected ")


def test_an_xz_file_without_its_last_stream_is_refused(
    tmp_path: Path, idx_bytes: IdxBytes, complaint: Complaint
) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(in_streams(idx_bytes(NUMBERS)[:30]))
    assert complaint(lambda: read_idx(path)) == (
        f"{path}: expected 24 values for the shape (2, 3, 4) in its header, got 14. Copy or download the file again."
    )


def test_a_missing_file_names_itself(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "numbers"
    assert complaint(lambda: read_idx(path)) == f"{path}: no such file. Check the path."


def test_a_path_through_a_file_is_a_missing_file(tmp_path: Path, complaint: Complaint) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "numbers"
    assert complaint(lambda: read_idx(path)).startswith(f"{path}: no such file")


def test_a_folder_names_itself(tmp_path: Path, complaint: Complaint) -> None:
    assert complaint(lambda: read_idx(tmp_path)) == (f"{tmp_path}: expected a file, got a folder. Name a file in it.")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train-images-idx3-ubyte", True),
        ("t10k-labels-idx1-ubyte.gz", True),
        ("digits.idx", True),
        ("digits.npz", False),
        ("idx", False),
    ],
)
def test_a_name_says_whether_a_file_is_idx(name: str, expected: bool) -> None:
    assert is_idx(Path("folder-idx3") / name) is expected
