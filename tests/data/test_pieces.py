"""Tables that are read in pieces, against the same tables read whole."""

import csv
import io
import json
from pathlib import Path

from unrolled.data import pieces
from unrolled.data.examples import load_labeled_table
from unrolled.data.pieces import read_pieces
from unrolled.data.tables import read_table
from unrolled.errors import DataError

import polars as pl
import pytest

ROWS = [
    {"text": f'caf\u00e9 "{n}", and\nmore' if n % 4 else f"plain {n}", "n": n, "label": "ab"[n % 2]} for n in range(200)
]


def written(name: str, encoding: str, delimiter: str) -> bytes:
    file = io.StringIO()
    if name.endswith(".jsonl"):
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    else:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n" if delimiter == ";" else "\n")
        writer.writerow(ROWS[0])
        writer.writerows(row.values() for row in ROWS)
    return file.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter"),
    [
        ("a.csv", "utf-8", ","),
        ("a.csv", "utf-8-sig", ";"),
        ("a.csv", "cp1252", ";"),
        ("a.csv", "utf-16", ","),
        ("a.tsv", "utf-8", "\t"),
        ("a.jsonl", "utf-8", ""),
    ],
)
@pytest.mark.parametrize("size", [64, 333, 5000])
def test_the_rows_and_lines_of_all_pieces_are_those_of_the_table(
    name: str, encoding: str, delimiter: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_BYTES_AT_ONCE", size)
    path = tmp_path / name
    path.write_bytes(written(name, encoding, delimiter))
    named = "cp1252" if encoding == "cp1252" else None  # other encodings would read caf\u00e9 too
    whole, read = read_table(path, encoding=named), list(read_pieces(path, encoding=named))
    assert pl.concat([piece.frame.cast(pl.String) for piece in read]).equals(whole.frame.cast(pl.String))
    assert len(read) > (1 if size < 5000 else 0)
    if size == 333:
        assert [line for piece in read for line in list(piece.lines)[: piece.size]] == list(whole.lines)


def test_a_key_that_later_objects_lack_is_an_empty_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_BYTES_AT_ONCE", 30)
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "label": "a"}\n{"text": "two"}\n{"label": "b", "text": "three"}\n')
    cells = [piece.frame["label"].to_list() for piece in read_pieces(path)]
    assert [cell for some in cells for cell in some] == ["a", None, "b"]


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("a.csv", b"one cell alone\n", r"a.csv:102: expected as many cells as in the first row \(2\), got 1"),
        ("a.csv", b"a,b,c\n", r"a.csv:102: expected as many cells as in the first row \(2\), got 3"),
        ("a.csv", b"caf\xe9,b\n", r"a.csv:102: expected utf-8, got the byte 0xe9"),
        ("a.csv", b"a\0,b\n", r"a.csv:102: expected text, got a zero byte"),
        ("a.csv", b",b\n", r"a.csv:102: text: expected text, got an empty cell"),
        ("a.jsonl", b"{broken\n", r"a.jsonl:102: not valid JSON"),
        ("a.jsonl", b"[1]\n", r"a.jsonl:102: expected an object on each line, got list"),
    ],
)
def test_a_fault_in_a_later_piece_is_refused_with_its_line(
    name: str, row: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(pieces, "_BYTES_AT_ONCE", 100)
    monkeypatch.setattr(pieces, "_SAMPLE", 100)
    is_json = name.endswith(".jsonl")
    one = b'{"text": "good film", "label": "a"}\n' if is_json else b"good film,a\n"
    header = b'{"text": "x", "label": "b"}\n' if is_json else b"text,label\n"
    path = tmp_path / name
    path.write_bytes(header + one * 100 + row + one * 100)
    with pytest.raises(DataError, match=message):
        load_labeled_table(path)
