# ruff: noqa: RUF001
"""Small files as programs and people write them: each is read right, or refused in one line that says what to do."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import unrolled
from unrolled.data.columns import find_columns
from unrolled.data.registry import load_config_data
from unrolled.data.schema import TableSchema
from unrolled.data.tables import read_table
from unrolled.data.values import MISSING
from unrolled.errors import DataError

import numpy as np
import polars as pl
import pytest
from xlsxwriter import Workbook

NAN = float("nan")


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_config_data(file=str(path), **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


GERMAN = "text;label\nGrößere Straßen für München;gut\nÜbermäßig schön, ähnlich öde;schlecht\n"
FRENCH = "text,label\nUn café très agréable à côté,bon\nDéçu par la qualité médiocre,mauvais\n"
RUSSIAN = "текст,label\nочень хороший фильм,да\nплохой и скучный фильм,нет\n"
POLISH = "text,label\nZażółć gęślą jaźń w Łodzi,tak\nnie polecam książki,nie\n"
CZECH = "text,label\npříliš žluťoučký kůň úpěl,ano\nďábelské ódy nečtu,ne\n"
JAPANESE = "text,label\nとても良い映画でした,良い\n退屈で眠くなりました,悪い\n"
CHINESE = "text,label\n这部电影非常好看,好\n太无聊了不推荐,坏\n"
GREEK = "text,label\nπολύ καλή ταινία,ναι\nβαρετή και κακή,όχι\n"
KOREAN = "text,label\n아주 좋은 영화였다,좋음\n지루하고 나쁜 영화,나쁨\n"
TURKISH = "text,label\nçok güzel bir filmdi ığdır,evet\nsıkıcı ve kötü şey,hayır\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((text, "utf-8") for text in (GERMAN, FRENCH, RUSSIAN, POLISH, JAPANESE, CHINESE, GREEK, KOREAN)),
        *((text, "utf-8-sig") for text in (GERMAN, JAPANESE)),
        *((text, "utf-16") for text in (GERMAN, RUSSIAN, CHINESE)),
        (GERMAN, "cp1252"),
        (FRENCH, "cp1252"),
        (FRENCH, "latin-1"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859-2"),
        (CZECH, "cp1250"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"),
        (CHINESE, "gb18030"),
        (GREEK, "cp1253"),
        (KOREAN, "cp949"),
        (TURKISH, "cp1254"),
    ],
)
def test_texts_of_many_encodings_are_read_as_they_were_written(tmp_path: Path, text: str, encoding: str) -> None:
    table = read_table(written(tmp_path, text.encode(encoding)))
    _, *rows = text.splitlines()
    delimiter = ";" if ";" in text else ","
    assert table.frame.rows() == [tuple(row.split(delimiter)) for row in rows]


def test_an_encoding_that_nothing_decides_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label\nna\xefve,a\nna\xefve too,b\n".encode("latin-1"))
    message = refusal(path)
    assert message.startswith(f"{path}: cannot tell if it says ")
    assert '"naïve,a" (cp1252)' in message
    assert "Name its encoding: encoding: " in message
    assert read_table(path, encoding="cp1252").column("text").to_list() == ["naïve", "naïve too"]


@pytest.mark.parametrize(
    "text",
    [
        "text,label\nvoilà c est bon,y\ndéjà vu,n\n",
        *("text,label\n" + f"Le café à {n} € est trop cher où ça,{'xy'[n % 2]}\n" * 9 for n in range(2)),
    ],
)
def test_no_reading_has_words_of_two_alphabets(tmp_path: Path, text: str) -> None:
    _, *rows = text.splitlines()
    table = read_table(written(tmp_path, text.encode("cp1252")))
    assert table.frame.rows() == [tuple(row.split(",")) for row in rows]


def test_words_of_two_alphabets_stand_beside_words_of_one(tmp_path: Path) -> None:
    words = ["iPhoneчехол", "USBкабель", "книга", "стол и стул", "SIMкарта для телефона", "Cадовая лопата"]
    content = "товар;метка\n" + "".join(f"{word};{'аб'[n % 2]}\n" for n, word in enumerate(words))
    table = read_table(written(tmp_path, content.encode("cp1251")))
    assert table.column("товар").to_list() == words


def test_words_in_latin_letters_make_a_latin_encoding_the_likeliest(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "text,label\nà la ville,a\nà pied,b\n".encode("cp1252")))
    assert 'cannot tell if it says "à" (cp1252)' in message
    assert message.endswith("Name its encoding: encoding: cp1252")


def test_each_excerpt_shows_what_differs(tmp_path: Path) -> None:
    message = refusal(
        written(tmp_path, ("text,label\n" + "Anmeldung für contraseña,a\nmi envío,b\n" * 9).encode("cp1252"))
    )
    excerpts = re.findall('"(.*?)" \\(', message)
    assert len(set(excerpts)) == len(excerpts) > 2
    assert excerpts[0] == "contraseña,a ... envío,b"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5", "-3"], [1, 2.5, -3]),
        (["1", "", "3"], [1, NAN, 3]),
        (["1", "NA", "3"], [1, NAN, 3]),
        (["1", "n/a", "3"], [1, NAN, 3]),
        (["1", "#N/A", "NULL"], [1, NAN, NAN]),
        (["1", "?", "-"], [1, NAN, NAN]),
        (["3,14", "2,72", "1"], [3.14, 2.72, 1]),
        (["-0,5", "1,25", "3"], [-0.5, 1.25, 3]),
        (["1.234,5", "2.000,25", "7"], [1234.5, 2000.25, 7]),
        (["1,234.5", "2,000.25", "7"], [1234.5, 2000.25, 7]),
        (["1,234,567", "12", "3"], [1234567, 12, 3]),
        (["1.234.567", "12", "3"], [1234567, 12, 3]),
        (["1 234,5", "2 000", "7"], [1234.5, 2000, 7]),
        (["1\u00a0234,5", "2\u202f000", "7"], [1234.5, 2000, 7]),
        (["1'234.50", "1'000.00", "3"], [1234.5, 1000, 3]),
        (["12 %", "13%", "9.5 %"], [12, 13, 9.5]),
        (["$1,200.50", "$3", "$4.25"], [1200.5, 3, 4.25]),
        (["5,50 €", "1.200,00 €", "3,00 €"], [5.5, 1200, 3]),
        (["\u22123", "4", "\u22120.5"], [-3, 4, -0.5]),
        (["1e5", "-2E-3", "3"], [1e5, -2e-3, 3]),
        (["+3", ".5", "5."], [3, 0.5, 5]),
        ([" 1 ", "2 ", " 3"], [1, 2, 3]),
        (["16777217", "1700000000.25", "3"], [16777217, 1700000000.25, 3]),
        (["1.234", "2.345", "3.456"], [1.234, 2.345, 3.456]),
        (["0.437", "-0.804", "1.221"], [0.437, -0.804, 1.221]),
        (["0,437", "-0,804", "1,221"], [0.437, -0.804, 1.221]),
        (["1.234e-05", "-2.345e+01", "3.456e+00"], [1.234e-05, -23.45, 3.456]),
        (["1,234", "3,5", "2"], [1.234, 3.5, 2]),
    ],
)
def test_numbers_of_many_forms_are_read_as_they_are_meant(
    tmp_path: Path, cells: list[str], expected: list[float]
) -> None:
    table = read_table(written(tmp_path, "n\tlabel\n" + "".join(f"{cell}\tx\n" for cell in cells), "t.tsv"))
    np.testing.assert_allclose(table.numbers("n"), expected, rtol=1e-15)


def test_numbers_with_two_readings_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "n;label\n1,234;a\n2,345;b\n3,456;a\n4,567;b\n")
    assert "n: cannot tell if 1,234 means 1.234 or 1234. Set decimal: ',' for 1.234, or decimal: '.'" in refusal(path)
    np.testing.assert_allclose(read_table(path, decimal=",").numbers("n"), [1.234, 2.345, 3.456, 4.567])
    np.testing.assert_allclose(read_table(path, decimal=".").numbers("n"), [1234, 2345, 3456, 4567])


def test_another_column_decides_what_a_comma_means(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a;b;label\n1,234;0,5;x\n2,345;1,75;y\n"))
    np.testing.assert_allclose(table.numbers("a"), [1.234, 2.345])


@pytest.mark.parametrize("wrong", ["inf", "1_000", "0x10", "12 kg", "1.2.3", "1,2,3", "--5", "1e", "١٢"])
def test_a_cell_that_is_no_number_among_numbers_is_refused_with_its_line(tmp_path: Path, wrong: str) -> None:
    path = written(tmp_path, f"n\tlabel\n1\ta\n2\tb\n3\ta\n{wrong}\tb\n", "t.tsv")
    assert refusal(path).startswith(f'{path}:5: n: expected a number, got "{wrong}"')


@pytest.mark.parametrize("word", MISSING)
def test_what_stands_for_a_missing_number_is_documented(word: str) -> None:
    told = " ".join(Path(__file__).parents[2].joinpath("docs", "data.md").read_text(encoding="utf-8").split())
    listed = re.search("Empty cells(.*?)are missing numbers", told)
    assert listed is not None
    assert not word or f"`{word}`" in listed[1].lower()


def test_words_that_are_classes_are_not_counted_as_empty(tmp_path: Path) -> None:
    rows = "".join(
        f"{'none' if n % 2 else 'gold'},{'NA' if n % 4 else 'west'},it is the {chr(97 + n)} one\n" for n in range(8)
    )
    columns = find_columns(read_table(written(tmp_path, "segment,area,notes\n" + rows + "none,west,none\n")))
    assert columns["segment"].fact == "category, 2 different"
    assert columns["area"].fact == "category, 1 different, 6 empty"
    assert columns["notes"].fact == "text, 9 different"


JANUARY_5, JANUARY_25 = datetime(2024, 1, 5), datetime(2024, 1, 25)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2024-01-05", "2024-01-25"], JANUARY_5),
        (["2024/01/05", "2024/01/25"], JANUARY_5),
        (["2024.01.05", "2024.01.25"], JANUARY_5),
        (["05.01.2024", "25.01.2024"], JANUARY_5),
        (["01/05/2024", "01/25/2024"], JANUARY_5),
        (["05/01/2024", "25/01/2024"], JANUARY_5),
        (["05-01-2024", "25-01-2024"], JANUARY_5),
        (["5 Jan 2024", "25 Jan 2024"], JANUARY_5),
        (["05-Jan-2024", "25-Jan-2024"], JANUARY_5),
        (["January 5, 2024", "January 25, 2024"], JANUARY_5),
        (["05.01.24", "25.01.24"], JANUARY_5),
        (["20240105", "20240125"], JANUARY_5),
        (["2024-01-05 10:00", "2024-01-25 10:00"], JANUARY_5.replace(hour=10)),
        (["2024-01-05 10:00:30", "2024-01-25 10:00:00"], JANUARY_5.replace(hour=10, second=30)),
        (["2024-01-05T10:00:00Z", "2024-01-25T10:00:00Z"], JANUARY_5.replace(hour=10)),
        (["2024-01-05T10:00:00+02:00", "2024-01-25T10:00:00+02:00"], JANUARY_5.replace(hour=10)),
        (["2024-01-05T10:00:00.250", "2024-01-25T10:00:00.000"], JANUARY_5.replace(hour=10, microsecond=250_000)),
        (["1/25/2024 3:00 PM", "1/26/2024 3:00 AM"], JANUARY_25.replace(hour=15)),
        (["2024-01", "2024-02"], JANUARY_5.replace(day=1)),
        (["2024Q1", "2024Q2"], JANUARY_5.replace(day=1)),
        (["2024-Q1", "2024-Q2"], JANUARY_5.replace(day=1)),
        (["1704448800", "1704448860"], JANUARY_5.replace(hour=10)),
        (["1704448800000", "1704448860000"], JANUARY_5.replace(hour=10)),
        (["1704448800000000", "1704448860000000"], JANUARY_5.replace(hour=10)),
    ],
)
def test_dates_of_many_forms_are_times(tmp_path: Path, cells: list[str], first: datetime) -> None:
    table = read_table(written(tmp_path, "date\tx\n" + "".join(f"{cell}\t{n}\n" for n, cell in enumerate(cells))))
    times = table.times("date")
    assert times is not None
    assert times.values[0] == first
    assert find_columns(table)["date"].kind == "time"


@pytest.mark.parametrize("cell", ["hello", "12", "1.5", "A-2024", "2024-13-45", "99/99/9999"])
def test_what_is_no_date_is_no_time(tmp_path: Path, cell: str) -> None:
    table = read_table(written(tmp_path, f"x\ty\n{cell}\t1\n{cell}\t2\n"))
    assert table.times("x") is None


def test_days_and_months_that_can_be_exchanged_are_asked_for(tmp_path: Path) -> None:
    rows = "".join(f"0{1 + n * 5 % 9}/0{1 + n * 4 % 9}/2024,{n}\n" for n in range(9))
    path = written(tmp_path, "date,sales\n" + rows)
    message = refusal(path, purpose="series", test_steps=2)
    assert "cannot tell if 01/01/2024 is %d/%m/%Y or %m/%d/%Y. Name it: time_format: '%d/%m/%Y'" in message
    data = load_config_data(file=str(path), purpose="series", test_steps=2, time_format="%m/%d/%Y")
    assert data.classes == ("sales",)


def test_the_order_of_the_rows_tells_days_from_months(tmp_path: Path) -> None:
    path = written(tmp_path, "date,sales\n" + "".join(f"0{1 + n % 5}/0{1 + n // 5}/2024,{n}\n" for n in range(9)))
    data = load_config_data(file=str(path), purpose="series", test_steps=2)
    assert data.test.inputs[0][:, 0].tolist() == [7, 8]


TWO_ROWS = {"text": ["good one", "bad one"], "label": ["p", "n"]}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("text,label\ngood one,p\nbad one,n\n", "t.csv"),
        ("text;label\ngood one;p\nbad one;n\n", "t.csv"),
        ("text|label\ngood one|p\nbad one|n\n", "t.csv"),
        ("text\tlabel\ngood one\tp\nbad one\tn\n", "t.csv"),
        ("text\tlabel\ngood one\tp\nbad one\tn\n", "t.tsv"),
        ("text,label\r\ngood one,p\r\nbad one,n\r\n", "t.csv"),
        ("text,label\rgood one,p\rbad one,n\r", "t.csv"),
        ("text,label\ngood one,p\nbad one,n", "t.csv"),
        ("\n\ntext,label\n\ngood one,p\n\nbad one,n\n\n", "t.csv"),
        ('"text","label"\n"good one","p"\n"bad one","n"\n', "t.csv"),
        ("sep=;\ntext;label\ngood one;p\nbad one;n\n", "t.csv"),
        ("# a logger\n# of ours\ntext,label\ngood one,p\nbad one,n\n", "t.csv"),
        ("text,label,\ngood one,p,\nbad one,n,\n", "t.csv"),
        ('{"text": "good one", "label": "p"}\n{"text": "bad one", "label": "n"}\n', "t.jsonl"),
        ('{"text": "good one", "label": "p"}\n\n{"text": "bad one", "label": "n"}', "t.ndjson"),
        ('[{"text": "good one", "label": "p"}, {"text": "bad one", "label": "n"}]', "t.json"),
    ],
)
def test_one_table_in_many_forms(tmp_path: Path, content: str, name: str) -> None:
    assert read_table(written(tmp_path, content, name)).frame.to_dict(as_series=False) == TWO_ROWS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "label"}, 'unknown column "label". Columns: note.'),
        ({}, "cannot tell which column is the target. Columns: note."),
    ],
)
def test_a_column_that_is_missing_may_be_on_another_sheet(
    settings: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.xlsx"
    with Workbook(path) as book:
        pl.DataFrame({"note": ["made today"]}).write_excel(book, "notes")
        pl.DataFrame({"text": ["a", "b"] * 4, "label": ["x", "y"] * 4}).write_excel(book, "my data")
    told = refusal(path, **settings)
    assert message in told
    assert told.endswith(". Other sheets: my data. To read one: data: {sheet: my data}")
    assert load_config_data(file=str(path), sheet="my data").classes == ("x", "y")


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet", ".arrow"])
def test_one_table_in_binary_forms(tmp_path: Path, suffix: str) -> None:
    frame, path = pl.DataFrame(TWO_ROWS), tmp_path / f"t{suffix}"
    if suffix == ".xlsx":
        frame.write_excel(path)
    elif suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    assert read_table(path).frame.to_dict(as_series=False) == TWO_ROWS
    path.write_bytes(b"no such thing")
    assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ('text,label\n"one, two",a\nthree,b\n', "t.csv", ["one, two", "three"]),
        ('text,label\n"one\ntwo",a\nthree,b\n', "t.csv", ["one\ntwo", "three"]),
        ('text,label\n"say ""hi""",a\nthree,b\n', "t.csv", ['say "hi"', "three"]),
        ('text,label\na 5" pipe,a\nthree,b\n', "t.csv", ['a 5" pipe', "three"]),
        ('text,label\na 5" pipe,a\na 6" pipe,b\n', "t.csv", ['a 5" pipe', 'a 6" pipe']),
        ('text\tlabel\n"well\ta\nthree\tb\n', "t.tsv", ['"well', "three"]),
        ('text\tlabel\n"well\ta\n"three\tb\n', "t.tsv", ['"well', '"three']),
        ('text\tlabel\n"well" she said\ta\nthree\tb\n', "t.tsv", ['"well" she said', "three"]),
        ('text\tlabel\n"one\ntwo"\ta\nthree\tb\n', "t.tsv", ["one\ntwo", "three"]),
        ('text\tlabel\n"one\ttwo"\ta\nthree\tb\n', "t.tsv", ["one\ttwo", "three"]),
        ("text\tlabel\nit's\ta\n'tis\tb\n", "t.tsv", ["it's", "'tis"]),
    ],
)
def test_quotation_marks_hold_cells_together_or_stand_for_themselves(
    tmp_path: Path, content: str, name: str, expected: list[str]
) -> None:
    table = read_table(written(tmp_path, content, name))
    assert table.column("text").to_list() == expected
    assert table.column("label").to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\n"open,1\n', "t.csv:2: malformed CSV: "),
        ("a,b\n1,2\n3\n", "t.csv:3: expected as many cells as in the first row (2), got 1."),
        ("a,b\n1,2\n3,4,5\n", "t.csv:3: expected as many cells as in the first row (2), got 3."),
        ('a,b\n"1",2\n3\n', "t.csv:3: expected as many cells as in the first row (2), got 1."),
        ("a,a\n1,2\n", 't.csv:1: expected column names that differ, got "a" twice.'),
        ("a,label\n", "expected rows below the header, got none."),
        ("", "expected text, got an empty file."),
        (" \n\t\n", "expected text, got an empty file."),
        ("\ufeff", "expected text, got an empty file."),
        ("label\na\nb\n", "cannot tell which column is the input"),
        ("a,b\n1,2\n", "cannot tell which column is the target"),
        ("text,label\na\0b,1\n", "t.csv:2: expected text, got a zero byte."),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(written(tmp_path, content), **({} if "label" in content else {"header": True}))


@pytest.mark.parametrize(
    ("header", "row", "kinds"),
    [
        (",x,label", "{n},{n}.5,{c}", {"column 1": "row number", "x": "numbers"}),
        ("Unnamed: 0,x,label", "{n},{n}.5,{c}", {"Unnamed: 0": "row number"}),
        ("rownames,x,label", "{n},{n}.5,{c}", {"rownames": "row number"}),
        ("id,x,label", "{n},{n}.5,{c}", {"id": "row number"}),
        ("patient_id,x,label", "{n}17{n},{n}.5,{c}", {"patient_id": "identifier"}),
        ("uuid,x,label", "a{n}b-{n}c,{n}.5,{c}", {"uuid": "identifier"}),
        ("date,x,label", "2024-01-{d},{n}.5,{c}", {"date": "time"}),
        ("year,x,label", "20{d},{n}.5,{c}", {"year": "calendar"}),
        ("month,x,label", "{m},{n}.5,{c}", {"month": "calendar"}),
        ("temperature [C],x,label", "2{n},{n}.5,{c}", {"temperature [C]": "numbers"}),
        ("note,x,label", ",{n}.5,{c}", {"note": "empty"}),
        ("time [s],x,label", "0.{n},{n}.5,{c}", {"time [s]": "step"}),
        ("time_spent,x,label", "{n}.25,{n}.5,{c}", {"time_spent": "numbers"}),
        ("shop,x,label", "north,{n}.5,{c}", {"shop": "category"}),
        ("values,x,label", "1 2 {n},{n}.5,{c}", {"values": "sequence"}),
        ("review,x,label", "this is film {n},{n}.5,{c}", {"review": "text"}),
    ],
)
def test_each_column_is_taken_for_what_it_is(tmp_path: Path, header: str, row: str, kinds: dict[str, str]) -> None:
    rows = (row.format(n=n, c="ab"[n % 2], d=10 + n, m=1 + n % 12) for n in range(1, 13))
    table = read_table(written(tmp_path, "\n".join([header, *rows]) + "\n"))
    found = find_columns(table)
    assert {name: found[name].kind for name in kinds} == kinds
    assert found["x"].kind == "numbers"


def test_a_date_an_index_and_an_identifier_are_no_steps_of_a_series(tmp_path: Path) -> None:
    rows = [f"{n},2024-01-{n:02d},m{n:03d},{n}.5,{-n},{'ab'[n % 2]}" for n in range(1, 25)]
    path = written(tmp_path, ",date,machine_id,s1,s2,label\n" + "\n".join(rows) + "\n")
    data = unrolled.load(path)
    assert (data.kind, data.columns) == ("series", ("s1", "s2"))
    assert data.notes[-1] == (
        "columns read: s1, s2 (2 steps of a series; data: {columns: features} reads them as one step); "
        "ignored: column 1 (it numbers the rows), date (time, 2024-01-01 to 2024-01-24, daily), "
        "machine_id (it identifies the rows)"
    )


@pytest.mark.parametrize(
    ("cells", "lengths"),
    [
        (["1 2 3", "4 5"], {2, 3}),
        (["1, 2, 3", "4, 5"], {2, 3}),
        (["[1, 2.5, 3]", "[4]"], {1, 3}),
        (["1;2;3", "4;5;6"], {3}),
    ],
)
def test_a_cell_can_hold_a_sequence(tmp_path: Path, cells: list[str], lengths: set[int]) -> None:
    rows = [f'"{cells[n % 2]}"\t{"ab"[n % 2]}' for n in range(12)]
    data = unrolled.load(written(tmp_path, "values\tlabel\n" + "\n".join(rows) + "\n", "t.tsv"))
    assert data.kind == "series"
    assert {len(item) for item in data.train.inputs} == lengths
    assert data.train.inputs[0].shape[1] == 1


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["54.9,15.5 37.6,23.1", "1,2 3,4 5,6"], [[54.9, 15.5], [37.6, 23.1]]),
        (["1 2; 3 4", "5 6"], [[1, 2], [3, 4]]),
        (["1, 2; 3, 4;", "5, 6"], [[1, 2], [3, 4]]),
        (["[[1, 2], [3, 4]]", "[[5, 6]]"], [[1, 2], [3, 4]]),
        (["[[1. 2.] [3. 4.]]", "[[5. 6.]]"], [[1, 2], [3, 4]]),
        (["48.1 11.5, 48.2 11.6", "48.3 11.7, 48.4 11.8, 48.5 11.9"], [[48.1, 11.5], [48.2, 11.6]]),
        (["1;2;3;", "4;5;"], [[1], [2], [3]]),
        (["[1, 2, 3];", "[4, 5];"], [[1], [2], [3]]),
        (["1,nan 3,4", "5,6 7,8"], [[1, NAN], [3, 4]]),
        (["1,,3", "1 NA 3"], [[1], [NAN], [3]]),
    ],
)
def test_two_separators_tell_the_channels_from_the_steps(
    tmp_path: Path, cells: list[str], expected: list[list[float]]
) -> None:
    rows = [f'"{cells[n % 2]}"\t{"ab"[n % 2]}' for n in range(12)]
    data = unrolled.load(written(tmp_path, "points\tlabel\n" + "\n".join(rows) + "\n", "t.tsv"))
    first = next(one for one, target in zip(data.train.inputs, data.train.targets, strict=True) if target == 0)
    np.testing.assert_array_equal(first, np.array(expected, np.float32))


@pytest.mark.parametrize("cell", ["1,2 3", "1 2 3; 4 5", "3, 4 5 6"])
def test_steps_of_unequal_numbers_of_channels_are_refused(tmp_path: Path, cell: str) -> None:
    rows = ["1.5,2 3,4\ta", "5,6 7,8\tb"] * 6 + [f"{cell}\ta"]
    message = refusal(written(tmp_path, "points\tlabel\n" + "\n".join(rows) + "\n", "t.tsv"))
    assert message.startswith(f"{tmp_path / 't.tsv'}:14: points: expected 2 numbers in each step, got ")


def test_three_separators_are_refused(tmp_path: Path) -> None:
    rows = ["1.5,2 3,4; 5,6 7,8\ta", "5.5,6 7,8; 1,2 3,4\tb"] * 6
    message = refusal(written(tmp_path, "points\tlabel\n" + "\n".join(rows) + "\n", "t.tsv"))
    assert "points: expected two separators, one between steps and one between channels, got three" in message


def test_a_text_beside_a_sequence_leaves_the_input_open(tmp_path: Path) -> None:
    rows = [f"word number {n}\t1,2 {n},4\t{'ab'[n % 2]}" for n in range(12)]
    message = refusal(written(tmp_path, "name\tpoints\tlabel\n" + "\n".join(rows) + "\n", "t.tsv"))
    assert "cannot tell which column is the input. Columns: name, points, label" in message


@pytest.mark.parametrize(
    ("rows", "series", "expected"),
    [
        ([("2024-01-03", 3), ("2024-01-01", 1), ("2024-01-02", 2)], False, [1, 2, 3]),
        ([("2024-01-04", 4), ("2024-01-02", 2), ("2024-01-01", 1), ("2024-01-06", 6)], False, [1, 2, NAN, 4, NAN, 6]),
        ([("2024-01-01 00:00", 1), ("2024-01-01 01:00", 2), ("2024-01-01 03:00", 4)], False, [1, 2, NAN, 4]),
        ([("2024-01", 1), ("2024-02", 2), ("2024-04", 4)], False, [1, 2, NAN, 4]),
        ([("2024Q1", 1), ("2024Q2", 2), ("2024Q4", 4)], False, [1, 2, NAN, 4]),
        ([(f"2024-01-{d:02d}", d) for d in (4, 5, 8, 9, 10, 11, 12, 15)], False, [4, 5, 8, 9, 10, 11, 12, 15]),
        ([(f"2024-01-{d:02d}", d) for d in (4, 5, 8, 9, 11, 12, 15)], False, [4, 5, 8, 9, NAN, 11, 12, 15]),
    ],
)
def test_rows_are_put_in_the_order_of_time_with_gaps(
    tmp_path: Path, rows: list[tuple[str, int]], series: bool, expected: list[float]
) -> None:
    path = written(tmp_path, "date,x\n" + "".join(f"{when},{value}\n" for when, value in rows))
    data = load_config_data(file=str(path), purpose="series", test_steps=0)
    np.testing.assert_array_equal(data.train.inputs[0][:, 0], np.array(expected, np.float32))


def test_two_rows_of_one_time_are_refused_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "date,x\n2024-01-01,1\n2024-01-02,2\n2024-01-01,3\n")
    message = refusal(path, purpose="series", test_steps=1)
    assert message.startswith(f"{path}:4: date: 2024-01-01 is also the time of line 2. Drop one of the rows")


def test_empty_cells_are_counted_with_their_lines(tmp_path: Path) -> None:
    rows = "".join(f"{'' if n % 5 == 0 else f'film {n}'},{'ab'[n % 2]}\n" for n in range(60))
    message = refusal(written(tmp_path, "text,label\n" + rows))
    assert (
        ":2: text: expected text, got an empty cell (12 rows have none: 2, 7, 12, 17, 22, 27, 32, 37, 42, 47, …)"
        in (message)
    )


def test_fields_of_nested_objects_are_columns(tmp_path: Path) -> None:
    rows = [f'{{"body": {{"text": "film {n}", "to": {{"x": 1}}}}, "label": "{"ab"[n % 2]}"}}' for n in range(12)]
    data = load_config_data(file=str(written(tmp_path, "\n".join(rows), "t.jsonl")), input="body.text")
    assert data.train.inputs[0].startswith("film ")


def test_rows_without_a_text_or_a_class_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = [f"{'' if n in (3, 8) else f'film {n}'},{'' if n == 5 else 'ab'[n % 2]}" for n in range(40)]
    path = written(tmp_path, "text,label\n" + "\n".join(rows) + "\n")
    data = load_config_data(file=str(path), missing="drop")
    assert data.train.size + data.test.size == 37
    assert "t.csv: 3 of 40 rows with an empty cell are left out: lines 5, 7, 10" in data.notes
    assert "data: {missing: drop} leaves such rows out" in refusal(path)


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("train", "validation", "test"), {"train": 8, "validation": 8, "test": 8}),
        (("Training", "dev", "Test"), {"train": 8, "validation": 8, "test": 8}),
        (("train", "train", "test"), {"train": 16, "test": 8}),
    ],
)
def test_a_column_can_name_the_split(tmp_path: Path, names: tuple[str, ...], sizes: dict[str, int]) -> None:
    rows = "".join(f"film {n},{'ab'[n // 3 % 2]},{names[n % 3]}\n" for n in range(24))
    data = unrolled.load(written(tmp_path, "text,label,split\n" + rows))
    assert {part: split.size for part, split in data.parts.items()} == sizes
    assert data.test.inputs[0] == "film 2"
    assert "ignored: split (it names training, validation and test rows)" in data.notes[-1]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("t.csv", {"side": 8}, "data.side is no setting of tables. Its settings: input, target, series, time, ignore"),
        ("t.txt", {"target": "label"}, "data.target is no setting of texts. Its settings: encoding."),
        ("t.npz", {"delimiter": ";"}, "data.delimiter is no setting of arrays. Its settings: labels, split."),
        ("t.ts", {"input": "x"}, "data.input is no setting of series. Its settings: min_class_count"),
    ],
)
def test_settings_that_a_format_does_not_use_are_refused(
    tmp_path: Path, name: str, settings: dict[str, Any], message: str
) -> None:
    assert message in refusal(written(tmp_path, "x", name), **settings)


def test_a_header_without_the_name_of_the_row_numbers_is_that_of_r(tmp_path: Path) -> None:
    rows = "".join(f'"{n}"\t{n}.5\t"{"ab"[n % 2]}"\n' for n in range(1, 13))
    data = unrolled.load(written(tmp_path, '"x"\t"label"\n' + rows, "t.tsv"))
    assert (data.columns, data.classes) == (("x",), ("a", "b"))


def test_the_long_format_of_forecasting_libraries_is_known(tmp_path: Path) -> None:
    rows = [f"{shop},2024-01-{day:02d},{day * (1 + (shop == 'b'))}" for day in range(20, 0, -1) for shop in "ab"]
    path = written(tmp_path, "unique_id,ds,y\n" + "\n".join(rows) + "\n")
    data = load_config_data(file=str(path), purpose="series", test_steps=5)
    assert data.classes == ("y",)
    assert sorted(item[:, 0].tolist() for item in data.test.inputs) == [[16, 17, 18, 19, 20], [32, 34, 36, 38, 40]]


def test_another_table_is_read_as_the_training_table_was(tmp_path: Path) -> None:
    rows = "".join(f"{n}/02/2024;m{n % 3};1.000,{n}5;{'ab'[n % 3 == 0]}\n" for n in range(10, 28))
    table = read_table(written(tmp_path, "date;machine;force;label\n" + rows))
    schema = TableSchema.from_json(json.loads(json.dumps(TableSchema.decide(table, series="machine").to_json())))
    assert (schema.columns, schema.decimals) == (("force",), {"force": ","})
    other = schema.read(written(tmp_path, "date;machine;force\n01/02/2024;x;1.234\n02/02/2024;x;2.345\n", "u.csv"))
    np.testing.assert_allclose(other.numbers("force"), [1234, 2345])
    times = other.times("date")
    assert times is not None
    assert [(moment.day, moment.month) for moment in times.values] == [(1, 2), (2, 2)]
