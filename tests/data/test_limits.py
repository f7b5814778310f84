"""Small files cannot fill the memory: what they unpack to is known, and refused, before it is unpacked."""

import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.data.arrays import read_idx
from unrolled.data.images import is_picture
from unrolled.data.limits import check_unpacked, most_bytes
from unrolled.data.pictures import read_picture
from unrolled.data.pieces import read_pieces
from unrolled.data.registry import load_config_data
from unrolled.data.tables import read_preview, read_table
from unrolled.errors import DataError
from unrolled.system import memory_bytes

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

ZEROS = bytes(10_000_000)
TOO_LARGE = "expected at most 268 MB in memory of a file of"


def header(descr: str, shape: tuple[int, ...]) -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"


def array_bytes(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(path: Path, x: bytes, y: bytes | None = None, zeros: int = 0) -> Path:
    """Write an NPZ file by hand, with 10 MB of zeros ``zeros`` times behind the bytes of X."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", array_bytes(np.arange(12) % 2) if y is None else y)
        with archive.open("X.npy", "w", force_zip64=True) as member:
            member.write(x)
            for _ in range(zeros):
                member.write(ZEROS)
    return path


def png(path: Path, width: int, height: int) -> Path:
    """Write a PNG whose header says another size."""
    Image.new("L", (4, 4)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(content)
    return path


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as refused:
        load_config_data(**{"folder" if path.is_dir() else "file": str(path), **settings})
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_limit_is_what_the_size_of_a_file_explains_within_half_of_the_memory() -> None:
    half = memory_bytes() // 2
    assert most_bytes(10) == min(1 << 28, half)
    assert most_bytes(half) == half
    assert most_bytes(half, is_kept_on_disk=True) == 100 * half
    check_unpacked("x", half, half, "Scale it.")
    with pytest.raises(DataError, match=r"^x: expected at most .* of a file of 30 bytes .*, got 300 MB\. Scale it\.$"):
        check_unpacked("x", 300_000_000, 30, "Scale it.")


def test_an_archive_of_zeros_is_refused_by_its_directory(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", header("<f8", (12, 1000, 31_250)), zeros=30)
    assert f"{path}: {TOO_LARGE}" in refusal(path)
    assert refusal(path).endswith("got 300 MB. Save it without compression: numpy.savez")


def test_compressed_arrays_that_fit_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", X=np.zeros((12, 500, 500)), y=np.arange(12) % 2)
    assert load_config_data(file=str(tmp_path / "t.npz")).train.size == 10


@pytest.mark.parametrize(
    "x",
    [
        header("<f8", (12, 10**6, 10**6)),
        header("<f8", (2**63, 2, 2)),
        header("<f8", (2**70, 2, 2)),
        header("<f8", (10**12, 0, 2)),
        header("<U0", (10**12,)),
        header("|V0", (12, 2, 10**12)),
        header(",f8", (12, 2, 2)) + bytes(384),
        header("|O", (12, 2, 2)) + bytes(384),
        header("<f8", (12, 2, 2)) + bytes(3),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, x: bytes) -> None:
    assert "expected an NPZ file of plain arrays, got a damaged or pickled one (" in refusal(npz(tmp_path / "t.npz", x))
    (tmp_path / "x_train.npy").write_bytes(x)
    np.save(tmp_path / "y_train.npy", np.arange(12) % 2)
    assert "expected an NPY file of a plain array, got a damaged or pickled one (" in refusal(tmp_path / "x_train.npy")


@pytest.mark.parametrize("code", [0x110000, 0xD83D, 0xFFFFFFFF])
@pytest.mark.parametrize("order", "<>")
def test_labels_of_codes_that_no_character_has_are_refused(tmp_path: Path, code: int, order: str) -> None:
    labels = header(f"{order}U2", (12,)) + struct.pack(f"{order}24I", *([97, 98] * 11), 97, code)
    message = refusal(npz(tmp_path / "t.npz", array_bytes(np.zeros((12, 2, 2))), labels))
    assert f"t.npz: y: expected text, got the code 0x{code:x}, which no character has, in item 11." in message


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_idx_files_are_unpacked_up_to_the_limit(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(pack(bytes([0, 0, 8, 1]) + struct.pack(">I", len(ZEROS)) + ZEROS) * 2)
    assert "expected 10,000,000 values" in complaint_of(path)
    monkeypatch.setattr("unrolled.data.limits._ALWAYS", len(ZEROS) + 99)
    assert "expected at most 10 MB" in complaint_of(path)
    assert "got more. Store it without compression." in complaint_of(path)


def complaint_of(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        read_idx(path)
    return str(refused.value)


def test_idx_files_of_more_axes_than_arrays_have_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(bytes([0, 0, 8, 70]) + struct.pack(">I", 1) * 70 + b"a")
    with pytest.raises(DataError, match=r"a\.idx: expected at most 64 axes, got 70\."):
        read_idx(path)


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        ((20_000, 20_000), "too many pixels for a picture. Scale it down."),
        ((13_000, 13_000), f"13000x13000 pixels: {TOO_LARGE} 68 bytes"),
        ((90_000_000, 1), f"90000000x1 pixels: {TOO_LARGE} 68 bytes"),
    ],
)
def test_pictures_of_many_pixels_are_refused_by_their_headers(
    tmp_path: Path, size: tuple[int, int], problem: str
) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        png(tmp_path / name, *size)
    assert f"1.png: {problem}" in refusal(tmp_path)
    path = tmp_path / "a" / "1.png"
    with pytest.raises(DataError, match=r"1\.png: "):
        read_picture(path)
    assert is_picture(path.rename(tmp_path / "no suffix"))


def test_a_large_scan_in_black_and_white_is_read(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("1", (4960, 7016), int(name[0] == "a")).save(tmp_path / name)
    assert load_config_data(folder=str(tmp_path), side=8).train.inputs.shape == (2, 8, 8)


def test_files_that_other_programs_would_have_to_read_are_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match="expected a PNG or JPEG, got another kind of file"):
        read_picture(path)


def long_text(path: Path) -> Path:
    """Write a Parquet file with one text of 100 kB in each of 5,000 rows, which it stores once."""
    pl.DataFrame({"text": ["a" * 100_000] * 5_000, "label": ["a", "b"] * 2_500}).write_parquet(path)
    return path


def categories(path: Path) -> Path:
    """Write the same with categories, which Polars reads as such."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["a" * 100_000]))
    pq.write_table(pa.table({"text": column, "label": ["a", "b"] * 2_500}), path)
    return path


def equal_numbers(path: Path) -> Path:
    """Write 40 million equal numbers."""
    pl.DataFrame({"x": np.zeros(40_000_000), "label": np.zeros(40_000_000, np.int8)}).write_parquet(path)
    return path


@pytest.mark.parametrize("write", [long_text, categories, equal_numbers])
def test_parquet_files_are_refused_by_the_number_and_size_of_their_rows(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "t.parquet")
    assert f"t.parquet: {TOO_LARGE}" in refusal(path)
    for read in (read_table, read_preview, lambda path: list(read_pieces(path))):
        with pytest.raises(DataError, match=TOO_LARGE):
            read(path)


def test_parquet_files_with_long_texts_after_the_first_rows_are_refused(tmp_path: Path) -> None:
    texts = ["a"] * 5_000 + ["a" * 100_000] * 5_000
    pl.DataFrame({"text": texts, "label": ["a", "b"] * 5_000}).write_parquet(tmp_path / "t.parquet")
    assert TOO_LARGE in refusal(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=TOO_LARGE):
        list(read_pieces(tmp_path / "t.parquet"))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_arrow_files_are_refused_by_the_sizes_of_their_parts(tmp_path: Path, compression: Any) -> None:
    path = tmp_path / "t.arrow"
    pl.DataFrame({"x": np.zeros(40_000_000), "y": np.zeros(40_000_000, np.int8)}).write_ipc(
        path, compression=compression
    )
    assert f"t.arrow: {'expected at most' if compression == 'lz4' else TOO_LARGE}" in refusal(path)


def test_workbooks_are_refused_by_their_directory_and_by_cells_far_away(tmp_path: Path) -> None:
    path, packed = tmp_path / "t.xlsx", tmp_path / "packed.xlsx"
    pl.DataFrame({"text": ["a", "b"] * 6, "label": ["a", "b"] * 6}).write_excel(path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other:
        for member in archive.infolist():
            content = archive.read(member).replace(b'r="B13"', b'r="XFD1048576"').replace(b'r="13"', b'r="1048576"')
            other.writestr(member, content)
    assert "packed.xlsx: 16,384 columns and 1,048,576 rows: expected at most" in refusal(packed)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/more.xml", "w") as more:
        for _ in range(30):
            more.write(ZEROS)
    assert f"t.xlsx: {TOO_LARGE}" in refusal(path)


@pytest.mark.parametrize("opening", ['{"a":', "["])
@pytest.mark.parametrize("depth", [100, 500, 100_000])
def test_json_that_lies_deep_is_refused(tmp_path: Path, opening: str, depth: int) -> None:
    cell = opening * depth + "1" + {"[": "]", '{"a":': "}"}[opening] * depth
    lines = [f'{{"x": {cell}, "label": "{name}"}}' for name in "abab"]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    (tmp_path / "t.json").write_text(f"[{','.join(lines)}]")
    for name in ("t.jsonl", "t.json"):
        assert "deep" in (message := refusal(tmp_path / name)) or "recursion" in message


def test_brackets_in_texts_are_no_depth(tmp_path: Path) -> None:
    lines = [f'{{"text": "{"[" * 200} \\" film {n}", "label": "{"ab"[n % 2]}"}}' for n in range(12)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    assert load_config_data(file=str(tmp_path / "t.jsonl")).train.size == 10


def test_json_of_many_different_fields_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("\n".join(f'{{"k{n}":1}}' for n in range(8_000)))
    (tmp_path / "t.json").write_text("[" + ",\n".join(f'{{"k{n}" : 1}}' for n in range(8_000)) + "]")
    for name in ("t.jsonl", "t.json"):
        message = refusal(tmp_path / name)
        assert TOO_LARGE in message
        assert "Write fewer than 8,000 fields" in message


def test_a_list_of_many_equal_numbers_in_one_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": [np.zeros(40_000_000, np.int8), np.zeros(3, np.int8)], "label": ["a", "b"]}).write_parquet(path)
    assert f"t.parquet: {TOO_LARGE}" in refusal(path)


@pytest.mark.parametrize(
    "write", [pl.DataFrame.write_parquet, lambda frame, path: pq.write_table(frame.to_arrow(), path)]
)
def test_parquet_files_of_every_type_are_read(tmp_path: Path, write: Any) -> None:
    rows = range(3_000)
    frame = pl.DataFrame(
        {
            "text": [f"film {n}" for n in rows],
            "x": [n / 2 for n in rows],
            "steps": [[n, 1] for n in rows],
            "body": [{"is": n % 2 == 0, "name": None} for n in rows],
            "when": pl.datetime_range(
                pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1) + pl.duration(days=2_999), "1d", eager=True
            ),
            "label": ["ab"[n % 2] for n in rows],
        }
    )
    write(frame, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").frame["x"].to_list() == frame["x"].to_list()


@pytest.mark.parametrize("claim", [2**31 - 1, -1])
def test_parquet_pages_that_claim_many_values_are_refused(tmp_path: Path, claim: int) -> None:
    # A decoder that allocates what a page claims ends the process.
    def varint(value: int) -> bytes:
        value, found = (value << 1) ^ (value >> 63), b""
        while value > 0x7F:
            value, found = value >> 7, found + bytes([value & 0x7F | 0x80])
        return found + bytes([value])

    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": [1.5] * 300, "label": ["a", "b"] * 150}).write_parquet(path, statistics=False)
    content = path.read_bytes()
    refused = 0
    for begin in (found.start() for found in re.finditer(re.escape(varint(300)), content)):
        path.write_bytes(content[:begin] + varint(claim) + content[begin + 2 :])
        try:
            read_table(path)
        except DataError:
            refused += 1
    assert refused > 1
