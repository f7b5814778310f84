"""Small files that can be read wrongly without a word: each is read right, or a question names the line to write."""

from datetime import datetime
from pathlib import Path
from typing import Any

from unrolled.data.columns import find_columns, find_time_column
from unrolled.data.registry import load_config_data
from unrolled.data.tables import read_table
from unrolled.data.times import find_times
from unrolled.errors import DataError

import numpy as np
import polars as pl
import pytest


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def examples(cells: list[Any], separator: str = ";") -> str:
    return f"x{separator}label\n" + "".join(f"{cell}{separator}{'AB'[n % 2]}\n" for n, cell in enumerate(cells))


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        ("date,sales\n240102,5\n240101,7\n240103,12\n", {}, [[7], [5], [12]]),
        ("date,sales\n45312,5\n45311,7\n45313,12\n", {}, [[7], [5], [12]]),
        ("date,sales\n2019,5\n2018,7\n2020,12\n", {}, [[7], [5], [12]]),
        ("year;sales\n2019;0\n2018;1\n2017;5\n", {}, [[5], [1], [0]]),
        ("year;month;sales\n2019;1;0\n2019;2;1\n2019;3;5\n", {}, [[0], [1], [5]]),
        ("year;month;sales\n2019;2;0\n2019;1;1\n2018;12;5\n", {}, [[5], [1], [0]]),
        ("date,time,x\n2024-01-02,00:00,5\n2024-01-01,12:00,7\n2024-01-02,12:00,9\n", {}, [[7], [5], [9]]),
        ("date,hour,x\n2024-01-02,0,5\n2024-01-01,23,7\n2024-01-02,1,9\n", {}, [[7], [5], [9]]),
        ("timestamp,x\n190,5\n180,7\n200,9\n", {}, [[7], [5], [9]]),
        ("Month,x\nFeb 2023,5\nJan 2023,7\nMar 2023,9\n", {}, [[7], [5], [9]]),
        ("Monat;x\n02.2023;5\n01.2023;7\n03.2023;9\n", {}, [[7], [5], [9]]),
        ("Monat;x\n2. 2023;5\n1. 2023;7\n3. 2023;9\n", {}, [[7], [5], [9]]),
        ("date;x\n02.2023;5\n01.2023;7\n03.2023;9\n", {}, [[7], [5], [9]]),
        ("month,x\n202302,5\n202301,7\n202303,9\n", {}, [[7], [5], [9]]),
        ("year_month,x\n2/2023,5\n1/2023,7\n3/2023,9\n", {}, [[7], [5], [9]]),
        ("Monat;x\n02-23;5\n01-23;7\n12-22;9\n", {"time_format": "%m-%y"}, [[9], [7], [5]]),
        ("time,x\n2.2015,5\n1.2015,7\n3.2015,9\n", {}, [[7], [5], [9]]),
        ("week,x\n2024-W06,5\n2024-W05,7\n2024-W07,9\n", {}, [[7], [5], [9]]),
        ("date,1,2\n2024-01-02,5,6\n2024-01-01,7,8\n2024-01-03,9,1\n", {}, [[7, 8], [5, 6], [9, 1]]),
        ("date,bid,ask\n2024-01-01,5,6\n2024-01-02,7,9\n2024-01-03,8,1\n", {}, [[5, 6], [7, 9], [8, 1]]),
        ("price,units\n1500.5,3\n1501.25,4\n1499.75,5\n", {}, [[1500.5, 3], [1501.25, 4], [1499.75, 5]]),
        ("sales,visits\n1,51,\n2,52,\n3,53,\n", {}, [[1, 51], [2, 52], [3, 53]]),
        ("1,5;2,5\n3,5;4,5\n5,5;6,5\n", {}, [[1.5, 2.5], [3.5, 4.5], [5.5, 6.5]]),
        ("Temp, C;Druck, hPa\n0,5;900,25\n1,5;901,25\n1,75;901,5\n", {}, [[0.5, 900.25], [1.5, 901.25], [1.75, 901.5]]),
        ("# date,sales\n2024-01-02,5\n2024-01-01,7\n2024-01-03,12\n", {}, [[7], [5], [12]]),
        ("# made today, by me\ndate,sales\n2024-01-02,5\n2024-01-01,7\n2024-01-03,12\n", {}, [[7], [5], [12]]),
        ("2019,2020,2021\n0,0,0\n1,2,4\n4,5,6\n", {"header": True}, [[0, 0, 0], [1, 2, 4], [4, 5, 6]]),
    ],
)
def test_a_series_is_read_in_the_order_of_time(
    content: str, settings: dict[str, Any], expected: list[list[float]], tmp_path: Path
) -> None:
    data = load_config_data(file=str(written(tmp_path, content)), purpose="series", test_steps=1, **settings)
    assert np.concatenate([data.train.inputs[0], data.test.inputs[0]]).tolist() == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("date,sales\n2024-01-02,5\n2024-01-01,7\nTotal,12\n", 't.csv:4: date: expected a time, got "Total"'),
        ("date,sales\n2024-01-02,5\n2024-13-01,7\n2024-01-01,12\n", 't.csv:3: date: expected a time, got "2024-13-01"'),
        ("Datum;x\n20. Januar 2024;0\n19. Januar 2024;1\n", "Datum: expected times, as its name says"),
        ("Monat;x\n01-15;0\n02-15;1\n12-14;5\n", "got \"01-15\". Name their format: data: {time_format: '%m-%y'}"),
        (
            "mois;x\nJan 2015;0\nM\u00e4r 2015;1\n",
            'mois: expected times, as its name says, got "M\u00e4r 2015". Write months',
        ),
        ("Jahr;x\n2014/15;0\n2015/16;1\n2013/14;5\n", 'Jahr: expected times, as its name says, got "2014/15"'),
        (
            "KW;x\n05/2015;0\n06/2015;1\n04/2015;5\n",
            'KW: expected times, as its name says, got "05/2015". Write weeks as 2015-W05, or leave the column out',
        ),
        ("year;week;x\n2019;2;0\n2019;1;1\n2018;1;5\n", "the rows are not in the order of year, week"),
        ("year;month;day;x\n2019;2;28;0\n2019;2;29;1\n", "t.csv:3: day: expected a day of 2019-02, got 29."),
        ("year;month;x\n2019;2;0\n2019;;1\n2019;3;1\n", "t.csv:3: year month: expected a time"),
        (
            "date,temp\n2024-01-01,1,5\n2024-01-02,2,5\n",
            "t.csv:2: expected as many cells as in the first row (2), got 3",
        ),
        ("2019,2020,2021\n0,0,0\n1,2,4\n", "cannot tell whether the first row names the columns: 2019, 2020, 2021"),
    ],
)
def test_what_cannot_be_known_of_a_series_is_asked(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        load_config_data(file=str(written(tmp_path, content)), purpose="series", test_steps=1)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "month,x\n3,5\n1,7\n2,9\n",
        "Monat;x\n3;5\n1;7\n2;9\n",
        "quarter,x\nQ1,5\nQ2,7\nQ1,9\nQ2,3\n",
        "week,x\n201503,5\n201501,7\n201502,9\n",
        "month,x\n1.5,5\n2.5,7\n0.5,9\n",
    ],
)
def test_parts_of_a_time_are_no_times(content: str, tmp_path: Path) -> None:
    table = read_table(written(tmp_path, content))
    assert table.times(table.columns[0]) is None
    data = load_config_data(file=str(written(tmp_path, content)), purpose="series", test_steps=1, target="x")
    assert data.train.inputs[0][:2, 0].tolist() == [5, 7]


@pytest.mark.parametrize(
    ("content", "name", "settings", "first"),
    [
        (examples(["101 102 103", "104 105 106", "107 108 109", "110 111 112"]), "t.csv", {}, [[107], [108], [109]]),
        (examples(["0,5 0,25", "0,75 0,5", "0,5 1", "2,5 1"]), "t.csv", {"decimal": ","}, [[0.5], [1]]),
        (examples(["0, 5, 0", "0, 7", "5, 1", "2, 1"]), "t.csv", {}, [[5], [1]]),
        (examples(["2.234", "1.234", "5.678", "12.345"], ","), "t.csv", {}, [[pytest.approx(5.678)]]),
        (examples(["234", "1.234", "567", "12.345"]), "t.csv", {"decimal": ","}, [[567]]),
        (
            '[{"x":0,"label":"A"},' * 1
            + '{"x":0,"label":"B"},' * 120
            + '{"x":0.75,"label":"A"},{"x":0.75,"label":"A"}]',
            "t.json",
            {},
            [[0]],
        ),
        (
            '{"x":["1","2"],"label":"A"}\n{"x":["3"],"label":"B"}\n{"x":["4.5"],"label":"A"}\n{"x":["5"],"label":"B"}\n',
            "t.jsonl",
            {},
            [[4.5]],
        ),
        (",x,label\n0,0,A\n7,1,B\n2,4,A\n5,3,B\n", "t.csv", {}, [[4]]),
        ("#,x,label\n0,0,A\n1,1,B\n2,4,A\n3,3,B\n", "t.csv", {}, [[4]]),
    ],
)
def test_examples_are_read_right(
    content: str, name: str, settings: dict[str, Any], first: list[Any], tmp_path: Path
) -> None:
    data = load_config_data(file=str(written(tmp_path, content, name)), **settings)
    assert first in [np.asarray(one).tolist() for one in data.train.inputs]
    assert all(np.asarray(one).shape[1] == 1 for one in data.train.inputs)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (examples(["0,5 0,25", "0,75 0,5", "0,5 1", "2,5 1"]), "t.csv", "cannot tell if the commas in 0,5 0,25"),
        (examples(["234", "1.234", "567", "12.345"]), "t.csv", "cannot tell if 1.234 means 1.234 or 1234"),
        (examples(["2.234", "1,234", "5.678", "12.345"]), "t.csv", "cannot tell if"),
        ("text,label\nHi there, you,A\nHi there, me,B\nHi there, we,A\n", "t.csv", "t.csv:2: expected as many cells"),
        ('size, city, label\n0, "Bonn, DE", A\n1, "Bonn, DE", B\n', "t.csv", "t.csv:2: expected as many cells"),
        ('{"x":["a","b"],"label":"A"}\n{"x":["c"],"label":"B"}\n', "t.jsonl", "expected numbers, got ['a', 'b']"),
        (
            '{"x":[[0,1],[2,3]],"label":"A"}\n{"x":[[1]],"label":"B"}\n',
            "t.jsonl",
            "t.jsonl:2: x: expected a list of 2 numbers for each step, got [[1]]",
        ),
        (
            '{"x":[["a"],["b"]],"label":"A"}\n{"x":[["c"]],"label":"B"}\n',
            "t.jsonl",
            "t.jsonl:1: x: expected a list of 1 numbers for each step, got [['a'], ['b']]",
        ),
        ("x,label\n1,NA\n2,yes\n3,no\n4,NA\n", "t.csv", 'expected a class, got "NA", which stands for a missing value'),
        ("x,label,split\n1,a,train\n2,b,train\n3,a,train\n4,b,holdout\n", "t.csv", 'validation or test, got "holdout"'),
        ("x,label,split\n1,a,train\n2,b,train\n3,a,train\n4,b,\n", "t.csv", "t.csv:5: split: expected train"),
    ],
)
def test_what_cannot_be_known_of_examples_is_asked(content: str, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        load_config_data(file=str(written(tmp_path, content, name)))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_lists_of_lists_are_steps_of_several_channels(tmp_path: Path) -> None:
    lines = [f'{{"x":[[{n},1.5],[{n},null]],"label":"{"AB"[n % 2]}"}}' for n in range(12)]
    data = load_config_data(file=str(written(tmp_path, "\n".join(lines) + "\n", "t.jsonl")))
    found = {float(one[0, 0]): one for one in (*data.train.inputs, *data.test.inputs)}
    assert sorted(found) == list(range(12))
    np.testing.assert_array_equal(found[7.0], [[7, 1.5], [7, np.nan]])


def test_a_missing_marker_can_be_a_class_or_left_out(tmp_path: Path) -> None:
    path = str(written(tmp_path, "x,label\n" + "".join(f"{n},{('NA', 'yes', 'no')[n % 3]}\n" for n in range(12))))
    assert load_config_data(file=path, missing="drop").classes == ("no", "yes")
    assert load_config_data(file=path, fill={"label": "NA"}).classes == ("NA", "no", "yes")


def test_classes_that_two_programs_write_are_the_same(tmp_path: Path) -> None:
    numbers = "".join(f"{n},{('1', '1.0', '0', '0.0')[n % 4]}\n" for n in range(12))
    assert load_config_data(file=str(written(tmp_path, "x,label\n" + numbers))).classes == ("0", "1")
    drinks = ("caf\u00e9", "cafe\u0301", "tea")
    words = "".join(f"{n},{drinks[n % 3]}\n" for n in range(12))
    assert load_config_data(file=str(written(tmp_path, "x,label\n" + words))).classes == ("caf\u00e9", "tea")


def test_a_split_column_divides_whole_series(tmp_path: Path) -> None:
    rows = [(n // 3, n % 5, "ab"[n // 3 % 2], ("train", "train", "test")[n // 6 % 3]) for n in range(36)]
    content = "id,x,label,split\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    data = load_config_data(file=str(written(tmp_path, content)), series="id")
    assert (data.train.size, data.test.size) == (8, 4)
    with pytest.raises(DataError, match="expected all rows of 0 in one part, got train and test"):
        load_config_data(file=str(written(tmp_path, content.replace("0,1,a,train", "0,1,a,test", 1))), series="id")


@pytest.mark.parametrize(
    ("name", "cells", "first"),
    [
        ("x", ["15.01.2024 01:00", "15.01.2024 02:00", "16.01.2024"], datetime(2024, 1, 15, 1)),
        ("x", ["Jan-23", "Feb-23"], datetime(2023, 1, 1)),
        ("x", ["01/2023", "02/2023"], datetime(2023, 1, 1)),
        ("x", ["Q1 2020", "Q2 2020"], datetime(2020, 1, 1)),
        ("x", ["Sat, 20 Jan 2024", "Sun, 21 Jan 2024"], datetime(2024, 1, 20)),
        ("x", ["2024-01-01 05:00:00 UTC", "2024-01-01 06:00:00 UTC"], datetime(2024, 1, 1, 5)),
        ("x", ["20/Jan/2024:10:00:00 +0000", "20/Jan/2024:10:00:01 +0000"], datetime(2024, 1, 20, 10)),
        ("x", ["05:00:00", "06:00:00"], datetime(1970, 1, 1, 5)),
        ("time", ["05:00", "06:00"], datetime(1970, 1, 1, 5)),
        ("score", ["2:10", "3:1"], None),
        ("time", ["25:10", "99:59"], None),
        ("run time", [1605, 2097, 1811], None),
        ("date", [20240120, 20240121], datetime(2024, 1, 20)),
        ("date", ["31012024", "1022024"], datetime(2024, 1, 31)),
        ("date", [202401010030, 202401010130], datetime(2024, 1, 1, 0, 30)),
        ("date", [2024010100, 2024010101], datetime(2024, 1, 1)),
        ("date", [20240101193000, 20240101193100], datetime(2024, 1, 1, 19, 30)),
        ("x", ["31/12/60", "31/12/75"], None),
        ("date", ["31/12/60", "31/12/75"], datetime(1960, 12, 31)),
        ("version", ["10.1.20", "28.9.10"], None),
        ("hPa", ["1001.2", "1003.11"], None),
        ("x", ["2024-01-01T00:00:00+01:00", "2024-07-01T00:00:00+02:00"], datetime(2024, 1, 1)),
        (
            "x",
            ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "2024-10-27T03:30:00+01:00"],
            datetime(2024, 10, 27, 0, 30),
        ),
    ],
)
def test_times_are_read_as_clocks_and_calendars_show_them(name: str, cells: list[Any], first: datetime | None) -> None:
    times = find_times(name, pl.Series(cells))
    assert (times and times.values[0]) == first


def test_a_column_of_a_zone_keeps_its_dates() -> None:
    days = pl.datetime_range(datetime(2024, 3, 1), datetime(2024, 4, 30), "1d", time_zone="Europe/Berlin", eager=True)
    times = find_times("when", days)
    assert times is not None
    assert times.values[0] == datetime(2024, 3, 1)
    assert times.values.diff().drop_nulls().n_unique() == 1


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"bid": [5, 9, 7, 4]}, "numbers"),
        ({"humid": [5, 9, 7, 4]}, "numbers"),
        ({"userID": [5, 9, 7, 4]}, "identifier"),
        ({"CUSTOMERID": [5, 9, 7, 4]}, "identifier"),
        ({"sensor": ["S0041", "S0042", "S0007", "S1000"]}, "identifier"),
        ({"phone": ["+49 30 309692", "+49 89 1122", "+49 40 555", "+43 1 22"]}, "identifier"),
        ({"smiles": ["CC(=O)O", "C1CCCCC1", "c1ccc2c(c1)cccc2", "CN1C=NC2=C1C(=O)N"]}, "text"),
        ({"sum": ["12+34*5", "7*8-1", "4/2", "100-99+1"]}, "text"),
        ({"Unnamed: 0": [3, 0, 2, 1]}, "row number"),
        ({"__index_level_0__": [3, 0, 2, 9]}, "row number"),
        ({"time": [3, None, 2, 1]}, "step"),
        ({"time_spent": [3.5, 1.0, 2.0, 1.0]}, "numbers"),
    ],
)
def test_columns_are_what_their_cells_say(cells: dict[str, list[Any]], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame(cells).write_parquet(path)
    (column,) = find_columns(read_table(path)).values()
    assert column.kind == kind


def test_tagged_words_may_begin_with_a_hash(tmp_path: Path) -> None:
    content = "word tag\nI O\n#love O\nParis B-L\n\n# newdoc\n# SYM\n12 O\n\nI O\nrest O\n\n"
    data = load_config_data(file=str(written(tmp_path, content, "t.conll")), purpose="labels")
    found = [list(words) for split in (data.train, data.test) for words in split.inputs]
    assert sorted(found) == [["#", "12"], ["I", "#love", "Paris"], ["I", "rest"]]
    assert data.classes == ("B-L", "O", "SYM")


WORD = "{}\tdog\tdog\tNOUN\t_\t_\t0\troot\t_\t_\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WORD.format(1) + WORD.format(2) + WORD.format(1), "numbered from 1, got 1, 2, 1"),
        ("1\tdog\tdog\tNOUN\n", "expected ten fields with tabs between them, as CoNLL-U has, got 4"),
    ],
)
def test_malformed_treebanks_are_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_config_data(file=str(written(tmp_path, content, "t.conllu")), purpose="labels")


def test_an_empty_line_of_a_treebank_may_have_spaces(tmp_path: Path) -> None:
    sentence = WORD.format(1) + WORD.format(2).replace("NOUN", "VERB")
    data = load_config_data(file=str(written(tmp_path, f"{sentence} \n{sentence}", "t.conllu")), purpose="labels")
    assert data.train.size + data.test.size == 2


def test_series_files_keep_numbers_that_float32_cannot_tell_apart(tmp_path: Path) -> None:
    rows = "".join(f"1000000000.0,1000000001.0,1000000002.5:{('class one', 'two')[n % 2]}\n" for n in range(6))
    content = "@univariate true\n@classLabel true 'class one' two\n@data\n" + rows
    data = load_config_data(file=str(written(tmp_path, content, "t.ts")))
    assert data.train.inputs[0][:, 0].tolist() == [1e9, 1e9 + 1, 1e9 + 2.5]
    assert data.classes == ("class one", "two")
    np.savez(tmp_path / "t.npz", x_train=1e9 + np.random.default_rng(0).random((20, 5, 2)), y_train=np.arange(20) % 2)
    with pytest.raises(DataError, match="Subtract the mean of each channel"):
        load_config_data(file=str(tmp_path / "t.npz"))


@pytest.mark.parametrize("encoding", ["iso2022_jp", "utf-16-le", "utf-16-be"])
def test_encodings_without_high_bytes_are_found(encoding: str, tmp_path: Path) -> None:
    word = "\u3053\u3093\u306b\u3061\u306f" if encoding == "iso2022_jp" else "hello"
    text = "text,label\n" + "".join(f"{word} {n},{n % 2}\n" for n in range(8))
    data = load_config_data(file=str(written(tmp_path, text.encode(encoding))))
    assert all(one.startswith(word) for one in data.train.inputs)


def test_durations_are_seconds_and_other_types_are_named(tmp_path: Path) -> None:
    frame = pl.DataFrame({"took": [90, 30], "label": ["a", "b"]}).with_columns(
        pl.duration(seconds="took").alias("took")
    )
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").frame["took"].to_list() == [90, 30]


def test_question_marks_are_words_and_texts(tmp_path: Path) -> None:
    rows = [
        (n // 4, word, tag) for n, (word, tag) in enumerate([("Who", "O"), ("is", "O"), ("Bob", "P"), ("?", "?")] * 6)
    ]
    content = "sentence\tword\ttag\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows)
    data = load_config_data(
        file=str(written(tmp_path, content, "t.tsv")), series="sentence", target="tag", purpose="labels"
    )
    assert list(data.train.inputs[0]) == ["Who", "is", "Bob", "?"]
    assert data.classes == ("?", "O", "P")
    texts = "text,label\n" + "".join(f"{text},{n % 2}\n" for n, text in enumerate(["?", "NULL", "why", "so"] * 3))
    assert "?" in list(load_config_data(file=str(written(tmp_path, texts))).train.inputs)


def test_a_column_of_splits_can_be_ignored(tmp_path: Path) -> None:
    rows = "".join(f"{n},{'ab'[n % 2]},{('train', 'train', 'holdout')[n // 2 % 3]}\n" for n in range(24))
    path = str(written(tmp_path, "x,label,split\n" + rows))
    data = load_config_data(file=path, ignore="split")
    assert data.train.size + data.test.size == 24
    assert data.validation is None


def test_classes_are_the_same_in_every_part(tmp_path: Path) -> None:
    rows = "".join(f"{n},{('1.0', '1.5', '2.0')[n % 3]},{'train' if n < 18 else 'test'}\n" for n in range(24))
    rows = rows.replace("1.5,test", "1.0,test")
    data = load_config_data(file=str(written(tmp_path, "x,label,split\n" + rows)))
    assert data.classes == ("1", "1.5", "2")
    assert data.test.size == 6


def test_days_are_no_series_of_their_holidays(tmp_path: Path) -> None:
    days = pl.date_range(datetime(2024, 1, 1), datetime(2024, 10, 26), "1d", eager=True)
    frame = pl.DataFrame({"date": days, "temp": np.arange(300) % 17 + 0.5}).with_columns(
        holiday=pl.when(pl.int_range(300) % 9 == 0).then(pl.lit("yes")).otherwise(pl.lit("no")),
        weekday=pl.col("date").dt.strftime("%a"),
        label=pl.when(pl.int_range(300) % 2 == 0).then(pl.lit("wet")).otherwise(pl.lit("dry")),
    )
    frame.write_csv(tmp_path / "t.csv")
    assert load_config_data(file=str(tmp_path / "t.csv")).train.size == 250


def test_integers_that_float32_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    x = (1_000_000_000 + np.arange(200).reshape(20, 5, 2)).astype(np.int32)
    np.savez(tmp_path / "t.npz", x_train=x, y_train=np.arange(20) % 2)
    with pytest.raises(DataError, match="Subtract the mean of each channel"):
        load_config_data(file=str(tmp_path / "t.npz"))


MONTHS_OF_2023 = [202301 + month for month in range(12)]


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ([20230130, 20230131, 20230201], "2023-01-30"),
        ([20230201, 20230131, 19991231], "2023-02-01"),
        ([*range(20230101, 20230111)] * 2, "2023-01-01"),
        (MONTHS_OF_2023, "2023-01-01"),
        ([20230102.0, None, 20230104.0, 20230105.0], "2023-01-02"),
        ([20230102, 20230103, 20230132], None),
        ([20230102, 20230103, 1850], None),
        ([20230102, 20230101, 20230102], None),
        ([202301, 202302, 202303], None),
        ([*MONTHS_OF_2023, 202313], None),
        ([*MONTHS_OF_2023, 210101], None),
    ],
)
@pytest.mark.parametrize("are_texts", [False, True])
def test_whole_numbers_that_are_all_dates_are_times(
    cells: list[float | None],
    first: str | None,
    are_texts: bool,
) -> None:
    column = pl.Series([None if cell is None else int(cell) for cell in cells], dtype=pl.Int64)
    times = find_times("delivered", column.cast(pl.String) if are_texts else pl.Series(cells))
    assert (None if times is None else str(times.values[0].date())) == first


def test_dates_in_digits_stand_back_behind_a_column_named_after_time(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    rows = "".join(f"{20230101 + day},2023-01-{day + 1:02d},{day}\n" for day in range(20))
    path.write_text("key,date,sales\n" + rows)
    table = read_table(path)
    assert [one.kind for one in find_columns(table).values()] == ["time", "time", "numbers"]
    assert find_time_column(table, find_columns(table)) == "date"
