"""Files of text that are nearly empty, cut within a character, in no encoding, or of times and classes out of range."""

import json
from pathlib import Path
from typing import Any

from unrolled.data.frames import table_of
from unrolled.data.long_text import LongText
from unrolled.data.pieces import read_pieces
from unrolled.data.registry import load_config_data
from unrolled.data.tables import read_table
from unrolled.errors import DataError

import polars as pl
import pytest

SUFFIXES = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".txt", ".ts", ".conll", ".conllu")


def written(folder: Path, content: str | bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as refused:
        load_config_data(**{"file": str(path), **settings})
    assert "\n" not in str(refused.value)
    return str(refused.value)


def reviews(**changed: str) -> list[str]:
    """Twelve lines of JSON whose fourth has other cells, written as they are."""
    lines = [f'{{"text": "film {n}", "label": "{"ab"[n % 2]}"}}' for n in range(12)]
    cells = {"text": '"film 3"', "label": '"b"', **changed}
    lines[3] = f'{{"text": {cells["text"]}, "label": {cells["label"]}}}'
    return lines


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("blank", ["", "\ufeff", "\ufeff\n", "\xa0", "\u2028", "\x85\n", "\x1c"])
def test_a_file_of_blanks_is_empty(tmp_path: Path, suffix: str, blank: str) -> None:
    assert "expected text, got an empty file." in refusal(written(tmp_path, blank, f"t{suffix}"))


def test_a_table_of_the_class_alone_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "label\n" + "a\nb\n" * 6, "t.csv")
    assert "cannot tell which column is the input: the target alone" in refusal(path)


@pytest.mark.parametrize(
    ("escape", "named"),
    [
        (r"cut \ud83d", r"\ud83d"),
        (r"cut \uDE00", r"\uDE00"),
        (r"\ude00\ud83d", r"\ude00"),
        (r"\ud83d\ud83d\ude00", r"\ud83d"),
        (r"\\\ud83d", r"\ud83d"),
        (r"\ud83d\n\ude00", r"\ud83d"),
    ],
)
@pytest.mark.parametrize("field", ["text", "label"])
def test_half_of_an_emoji_in_json_is_refused_with_its_line(tmp_path: Path, escape: str, named: str, field: str) -> None:
    lines = reviews(**{field: f'"{escape}"'})
    for name, content in (("t.jsonl", "\n".join(lines)), ("t.json", "[" + ",\n".join(lines) + "]")):
        path = written(tmp_path, content, name)
        assert refusal(path).startswith(f"{path}:4: expected a pair of escapes for one character, got {named} alone")
    with pytest.raises(DataError, match=":4: expected a pair of escapes"):
        list(read_pieces(tmp_path / "t.jsonl"))


def test_whole_emojis_and_backslashes_in_json_are_text(tmp_path: Path) -> None:
    lines = reviews(text=r'"\ud83d\ude00 \\ud83d \u00e9"')
    path = written(tmp_path, "\n".join(lines), "t.jsonl")
    assert read_table(path).column("text")[3] == "\U0001f600 \\ud83d \u00e9"


@pytest.mark.parametrize("encoding", ["unicode_escape", "utf-7"])
def test_half_of_an_emoji_in_other_encodings_is_refused_with_its_line(tmp_path: Path, encoding: str) -> None:
    cut = b"\\ud83d" if encoding == "unicode_escape" else b"+2D0-"
    path = written(tmp_path, b"text,label\n" + b"film,a\nbook,b\n" * 3 + cut + b",a\n", "t.csv")
    assert f"{path}:8: expected text, got the code 0xd83d" in refusal(path, encoding=encoding)
    with pytest.raises(DataError, match=":8: expected text, got the code 0xd83d"):
        list(read_pieces(path, encoding=encoding))
    with pytest.raises(DataError, match=":8: expected text, got the code 0xd83d"):
        LongText.open(path, encoding)


@pytest.mark.parametrize(
    "encoding", ["undefined", "punycode", "idna", "utf\0", "hex", "zip", "rot13", "no such", "\ud83d"]
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".txt", ".conll"])
def test_encodings_of_no_text_are_refused(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = written(tmp_path, "text,label\nfilm \xe9 3,a\n".encode(), f"t{suffix}")
    purpose = {".txt": "text", ".conll": "labels"}.get(suffix, "examples")
    assert str(path) in refusal(path, encoding=encoding, purpose=purpose)
    if suffix == ".csv":
        with pytest.raises(DataError):
            list(read_pieces(path, encoding=encoding))
        with pytest.raises(DataError):
            LongText.open(path, encoding)


@pytest.mark.parametrize("classes", [["\u00b2", "3"], ["--1", "3"], ["9" * 400, "8" * 400], ["9" * 5000, "1"]])
def test_classes_that_look_like_numbers_are_classes(tmp_path: Path, classes: list[str]) -> None:
    rows = "".join(f"film {n},{classes[n % 2]}\n" for n in range(12))
    data = load_config_data(file=str(written(tmp_path, f"text,label\n{rows}", "t.csv")))
    assert sorted(data.classes) == sorted(classes)


@pytest.mark.parametrize("digits", [400, 5_000])
@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_numbers_in_json_that_no_type_holds_are_refused(tmp_path: Path, digits: int, name: str) -> None:
    lines = reviews(text="9" * digits)
    content = "\n".join(lines) if name == "t.jsonl" else f"[{','.join(lines)}]"
    assert "JSON" in refusal(written(tmp_path, content, name))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((value, pl.Date) for value in (2**31 - 1, -(2**31))),
        *((value, dtype) for value in (2**62, -(2**62)) for dtype in (pl.Datetime("ms"), pl.Datetime("us"))),
        (2**62, pl.Duration("ms")),
    ],
)
def test_times_out_of_range_are_refused(tmp_path: Path, value: int, dtype: Any) -> None:
    physical = pl.Series([value, 0] * 6, dtype=pl.Int32 if dtype == pl.Date else pl.Int64)
    frame = pl.DataFrame({"when": physical.cast(dtype), "x": range(12), "label": ["a", "b"] * 6})
    frame.write_parquet(tmp_path / "t.parquet", statistics=False)
    frame.write_ipc(tmp_path / "t.arrow")
    for name in ("t.parquet", "t.arrow"):
        assert "when: expected times from the year 1 to 9999, got one beyond" in refusal(tmp_path / name)
    with pytest.raises(DataError, match="data frame: when: expected times"):
        table_of(frame)


def test_the_first_and_the_last_day_are_times(tmp_path: Path) -> None:
    days = pl.Series(["0001-01-01", "9999-12-31"] * 6).str.to_date()
    frame = pl.DataFrame({"when": days, "x": range(12), "label": ["a", "b"] * 6})
    frame.write_parquet(tmp_path / "t.parquet")
    assert load_config_data(file=str(tmp_path / "t.parquet")).train.size == 10


def test_a_series_of_many_classes_is_read_in_the_time_of_its_lines(tmp_path: Path) -> None:
    # A header that is divided at each line would take minutes.
    classes = " ".join(f"c{n}" for n in range(50_000))
    rows = "".join(f"1,2,3:c{n % 50}\n" for n in range(30_000))
    path = written(tmp_path, f"@classLabel true {classes}\n@data\n{rows}", "t.ts")
    assert load_config_data(file=str(path)).train.size == 25_000
    path = written(tmp_path, f"@classLabel true {classes}\n@data\n1,2,3:d\n", "u.ts")
    assert len(refusal(path)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#\n" * 500_000, "cannot tell which column is the target"),
        (",\n" * 500_000, "got none with anything in it"),
        ("," * 1_000_000, "expected at most 100,000 columns, got 1,000,001 with the delimiter ','"),
    ],
    ids=["comments", "empty cells", "one line"],
)
def test_long_files_of_nothing_are_refused_at_once(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(written(tmp_path, content, "t.csv"))


def test_json_that_is_cut_off_names_its_line(tmp_path: Path) -> None:
    whole = json.dumps([{"text": f"film {n}", "label": "ab"[n % 2]} for n in range(12)])
    assert "t.json:1: not valid JSON" in refusal(written(tmp_path, whole[:-9], "t.json"))
