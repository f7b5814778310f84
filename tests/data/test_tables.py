"""Tables as people have them, and every way in which one can be broken."""

from pathlib import Path

from unrolled.data.registry import load
from unrolled.data.tables import read_table
from unrolled.errors import DataError

import numpy as np
import pytest

Rows = str | bytes


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def written(content: Rows, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        ("text,label\ngood,1\nbad,0\n", "t.csv", {"encoding": "utf-8", "delimiter": ",", "header": "true"}),
        ("good;1\nbad;0\n", "t.csv", {"encoding": "utf-8", "delimiter": ";", "header": "false"}),
        ("text\tlabel\r\ngood, or so\t1\r\n", "t.tsv", {"encoding": "utf-8", "delimiter": "\\t", "header": "true"}),
        ("text|label\ngood|1\n", "t.csv", {"encoding": "utf-8", "delimiter": "|", "header": "true"}),
        (
            "caf\xe9,1\nth\xe9,0\n".encode("latin-1"),
            "t.csv",
            {"encoding": "cp1252", "delimiter": ",", "header": "false"},
        ),
        ("\ufefftext,label\na,1\n", "t.csv", {"encoding": "utf-8-sig", "delimiter": ",", "header": "true"}),
        ("text,label\na,1\n".encode("utf-16"), "t.csv", {"encoding": "utf-16", "delimiter": ",", "header": "true"}),
    ],
)
def test_encoding_delimiter_and_header_are_detected(write, content: Rows, name: str, found: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    table = read_table(write(content, name))
    assert table.detected == found
    assert table.size == len(table.frame)


def test_options_that_are_set_are_not_detected(write) -> None:  # type: ignore[no-untyped-def]
    table = read_table(write("a;b,c\nd;e,f\n"), delimiter=",", header=False, encoding="ascii")
    assert table.frame.to_dict(as_series=False) == {"1": ["a;b", "d;e"], "2": ["c", "f"]}


def test_quotes_hold_delimiters_and_lines(write) -> None:  # type: ignore[no-untyped-def]
    table = read_table(write('text,label\n"one, two\nthree",1\nfour,0\n'))
    assert table.column("text").to_list() == ["one, two\nthree", "four"]
    assert table.location(1, "label").endswith("t.csv:4: label")


def test_a_cell_of_a_million_characters_is_read(write) -> None:  # type: ignore[no-untyped-def]
    table = read_table(write(f"text,label\n{'x' * 1_000_000},1\nshort,0\n"))
    assert len(table.column("text").to_list()[0]) == 1_000_000


def test_the_fields_of_lists_of_objects_are_lists(write) -> None:  # type: ignore[no-untyped-def]
    table = read_table(
        write('{"at": [{"x": 1, "p": {"y": 2}}, {"x": 3, "p": {"y": 4}}]}\n{"at": [{"x": 5}]}\n', "t.jsonl")
    )
    assert (table.columns, table.frame["at.x"].to_list()) == (["at.x", "at.p.y"], [[1, 3], [5]])
    assert table.frame["at.p.y"].to_list() == [[2, 4], [None]]


def test_lists_of_unequal_length_are_no_channels(write) -> None:  # type: ignore[no-untyped-def]
    rows = "".join(f'{{"x": [1, {n}], "y": [{n}, 2], "z": [3, {n}, 5], "label": "{"ab"[n % 2]}"}}\n' for n in range(20))
    file = write(rows, "t.jsonl")
    assert load(file, target="label", input=["x", "y"]).train.inputs[0].shape == (2, 2)
    assert load(file, target="label", ignore="z").train.inputs[0].shape == (2, 2)
    with pytest.raises(DataError, match="z: expected 2 values, one for each step in x, got 3"):
        load(file, target="label", input=["x", "z"])
    with pytest.raises(DataError, match="cannot tell which column is the input"):
        load(file, target="label")


def test_json_lines_are_a_table(write) -> None:  # type: ignore[no-untyped-def]
    table = read_table(write('{"text": "a", "n": 1}\n\n{"text": "b", "n": null}\n', "t.jsonl"))
    assert table.column("text").to_list() == ["a", "b"]
    np.testing.assert_array_equal(table.numbers("n"), [1, np.nan])


def test_parquet_is_a_table(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet is an extra")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": [1, 0]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").frame.to_dict(as_series=False) == {"text": ["a", "b"], "label": [1, 0]}


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "t.csv", "t.csv: expected text, got an empty file. Check the file."),
        ("a,b\n1,2\n3\n", "t.csv", "t.csv:3: expected as many cells as in the first row (2), got 1."),
        ("a,a\n1,2\n", "t.csv", 't.csv:1: expected column names that differ, got "a" twice. Rename one.'),
        ("a,label\n", "t.csv", "expected rows below the header, got none. Add examples."),
        ('text,label\n"open,1\n', "t.csv", "t.csv:2: malformed CSV: "),
        (
            b"caf\xc3\xa9,1\nth\xe9,0\n",
            "t.csv",
            "t.csv:2: expected UTF-8 as in the rest of the file, got the byte",
        ),
        ("text,label\na\0b,1\n", "t.csv", "t.csv:2: expected text, got a zero byte."),
        ('{"a": 1}\n[2]\n', "t.jsonl", "t.jsonl:2: expected an object on each line, got list. Fix the line."),
        ('{"a": 1\n', "t.jsonl", "t.jsonl:1: not valid JSON: "),
    ],
)
def test_a_broken_table_is_refused_in_one_line(write, content: Rows, name: str, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError) as caught:
        read_table(write(content, name), header=True if name == "t.csv" else None)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_column_and_a_cell_that_is_not_a_number_are_named(write) -> None:  # type: ignore[no-untyped-def]
    table = read_table(write("size,label\n1.5,a\n,b\nbig,c\n"))
    with pytest.raises(DataError, match=r't\.csv: unknown column "labl"\. Did you mean "label"\?'):
        table.column("labl")
    with pytest.raises(DataError, match=r't\.csv:4: size: expected a number, got "big"'):
        table.numbers("size")
