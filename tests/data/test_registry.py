"""Files and folders of the user as data sets."""

import json
from pathlib import Path

from unrolled.data.registry import load, load_config_data
from unrolled.errors import DataError
from unrolled.tasks.starting import start

import numpy as np
import pytest
from PIL import Image

REVIEWS = "text,label\n" + "".join(f"good number {i},pos\nbad number {i},neg\n" for i in range(12))
TS = """\
@problemName two
@timeStamps false
@univariate false
@dimensions 2
@classLabel true a b
@data
1,2,3:4,5,?:a
1,2:3,4:b
3,2,1:1,1,1:a
5,4:2,2:b
"""


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_table_of_texts_needs_no_more_than_its_name(tmp_path: Path) -> None:
    data = load(written(tmp_path / "reviews.csv", REVIEWS))
    assert (data.kind, data.classes, data.train.size, data.test.size) == ("text", ("neg", "pos"), 20, 4)
    assert data.notes == ('reviews.csv: 24 rows, encoding utf-8, delimiter ",", header true', "columns read: text")
    assert data.columns == ("text",)


def test_examples_in_both_parts_are_noted(tmp_path: Path) -> None:
    train = written(tmp_path / "a.csv", REVIEWS)
    test = written(tmp_path / "b.csv", "text,label\ngood number 1,pos\nnew,neg\n")
    data = load_config_data(train=train, test=test)
    assert data.notes[0] == "1 of 2 test examples are training examples too"


def test_a_wide_table_is_a_series_a_row_and_a_long_one_a_step_a_row(tmp_path: Path) -> None:
    wide = "t1,t2,t3,label\n1,2,3,a\n4,5,,b\n7,8,9,a\n1,1,1,b\n"
    data = load_config_data(file=written(tmp_path / "wide.csv", wide), target="label")
    assert data.kind == "series"
    assert data.example_shape == (None, 1)
    long = "id,x,y,label\n" + "".join(f"{i},{i + s},{s},{'ab'[i % 2]}\n" for i in range(8) for s in range(2 + i))
    data = load_config_data(file=written(tmp_path / "long.csv", long), target="label", series="id")
    assert sorted(len(item) for part in data.parts.values() for item in part.inputs) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert data.example_shape == (None, 2)


def test_ts_files_are_series_with_gaps(tmp_path: Path) -> None:
    path = written(tmp_path / "two.ts", TS)
    data = load_config_data(train=path, test=path)
    assert data.classes == ("a", "b")
    np.testing.assert_array_equal(data.train.inputs[0], [[1, 4], [2, 5], [3, np.nan]])
    assert data.notes == ("4 of 4 test examples are training examples too",)


def test_ts_files_with_a_number_for_each_series_are_regression(tmp_path: Path) -> None:
    text = TS.replace("@classLabel true a b", "@targetLabel true").replace(":a\n", ":0.5\n").replace(":b\n", ":2\n")
    path = written(tmp_path / "two.ts", text)
    data = load_config_data(train=path, test=path)
    assert (data.target_kind, data.classes) == ("numbers", ("target 1",))
    assert data.train.targets[:, 0].tolist() == [0.5, 2, 0.5, 2]
    settings = dict(start(Path(path)).settings)
    assert settings["task"] == "regress"
    for wrong in ("many", "?"):
        text = text.replace(":0.5\n", f":{wrong}\n", 1)
        with pytest.raises(DataError, match=r"two.ts:7: .*expected a number"):
            load(written(tmp_path / "two.ts", text))
        text = text.replace(f":{wrong}\n", ":0.5\n")


@pytest.mark.parametrize("header", ["three rows", "one row"])
def test_orange_tables_say_which_column_is_the_class(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{i}\t{i + 1}\t{'no' if i % 2 else 'yes'}\n" for i in range(12))
    head = (
        "a\tb\tanswer\ncontinuous\tcontinuous\tdiscrete\n\t\tclass\n" if header == "three rows" else "a\tb\tcD#answer\n"
    )
    data = load(written(tmp_path / "t.tab", head + rows))
    assert (data.kind, data.classes) == ("series", ("no", "yes"))


def test_a_folder_for_each_class_holds_pictures_or_texts(tmp_path: Path) -> None:
    for name, level in (("dark", 20), ("light", 220)):
        for kind in ("pictures", "texts"):
            (tmp_path / kind / name).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (8, 6), (level + i,) * 3).save(tmp_path / "pictures" / name / f"{i}.png")
            (tmp_path / "texts" / name / f"{i}.txt").write_text(f"{name} {i}")
    pictures, texts = load(tmp_path / "pictures"), load(tmp_path / "texts")
    assert (pictures.example_shape, pictures.classes) == ((6, 8), ("dark", "light"))
    assert texts.kind == "text"
    assert load_config_data(folder=str(tmp_path / "pictures"), side=4).example_shape == (4, 4)


def test_one_text_is_divided_by_position(tmp_path: Path) -> None:
    data = load(written(tmp_path / "book.txt", "abcdefghij" * 20))
    assert [len(split.inputs[0]) for split in data.parts.values()] == [180, 10, 10]


def test_a_table_to_forecast_keeps_its_end_for_the_test(tmp_path: Path) -> None:
    table = written(tmp_path / "s.csv", "month,a,b\n" + "".join(f"m{i},{i},{2 * i}\n" for i in range(10)))
    data = load_config_data(file=table, purpose="series", test_steps=3)
    assert data.classes == ("a", "b")
    np.testing.assert_array_equal(data.test.inputs[0], [[7, 14], [8, 16], [9, 18]])


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        (
            "r.csv",
            "text,label\nx,a\ny,b\nz,b\n",
            {},
            'r.csv:2: expected two examples or more of each class, got one of "a"',
        ),
        ("r.csv", "text,label\nx,a\n,b\n", {}, "r.csv:3: text: expected text, got an empty cell."),
        ("r.csv", "text,label\nx,a\ny,\n", {}, "r.csv:3: label: expected a class, got an empty cell."),
        ("r.csv", "text,label\nx,a\ny,a\n", {}, "r.csv: expected two classes or more, got 1."),
        (
            "r.csv",
            "text,note,label\nx,p,a\ny,q,b\n",
            {"target": "lable"},
            'unknown column "lable". Did you mean "label"?',
        ),
        (
            "r.csv",
            "words,notes,label\nx,p,a\ny,q,b\n",
            {},
            "cannot tell which column is the input. Columns: words, notes, label. Name it: data: ",
        ),
        ("r.csv", "n,label\n1,a\ntwo,b\n3,a\n4,b\n", {}, 'r.csv:3: n: expected a number, got "two"'),
        ("t.ts", TS.replace("1,2:3,4:b", "1,2:b"), {}, "t.ts:8: expected 2 channels and a class between colons, got 1"),
        ("t.ts", TS.replace("1,2:3,4:b", "1,2:3,x:b"), {}, 't.ts:8: channel 2: expected a number, got "x"'),
        ("t.ts", TS.replace("1,2:3,4:b", "1,2:3,1e39:b"), {}, "t.ts:8: channel 2: expected a number below 3.4e+38"),
        ("t.ts", TS.replace("5,4:2,2:b", "5,4:2,2:c"), {}, "t.ts:10: expected a class among a, b, got c."),
        ("t.ts", TS.replace("timeStamps false", "timeStamps true"), {}, "got @timeStamps true"),
        ("t.ts", TS[: TS.index("1,2,3")], {}, "t.ts: expected examples after @data, got none."),
    ],
)
def test_a_broken_file_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str, settings: dict[str, object], message: str
) -> None:
    path = written(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        load_config_data(file=path, **settings)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_numeric_target_is_called_one(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n / 7:.5f}\n" for n in range(12))
    path = written(tmp_path / "tools.csv", "force,wear\n" + rows)
    with pytest.raises(DataError) as caught:
        load_config_data(file=path, target="wear")
    assert str(caught.value) == (
        "tools.csv: wear: numeric target: 12 different numbers in 12 examples, expected classes. Name a column of "
        "classes, or predict the number: task: regress"
    )


def test_several_series_to_forecast_each_keep_their_end_for_the_test(tmp_path: Path) -> None:
    rows = [f"{'ab'[n % 2]},2024-03-{1 + n // 2:02d},{n}" for n in range(12)]
    path = written(tmp_path / "shops.csv", "shop,day,sales\n" + "\n".join(reversed(rows)) + "\n")
    data = load_config_data(file=path, series="shop", purpose="series", test_steps=2)
    assert data.classes == ("sales",)
    assert [item[:, 0].tolist() for item in data.train.inputs] == [[1, 3, 5, 7], [0, 2, 4, 6]]
    assert [item[:, 0].tolist() for item in data.test.inputs] == [[9, 11], [8, 10]]


def test_a_label_that_is_not_a_training_class_is_refused(tmp_path: Path) -> None:
    train = written(tmp_path / "a.csv", REVIEWS)
    test = written(tmp_path / "b.csv", "text,label\nx,pos\ny,neutral\n")
    with pytest.raises(DataError, match=r'b\.csv:3: expected a class of the training data \(neg, pos\), got "neutral"'):
        load_config_data(train=train, test=test)


def test_pictures_of_other_sizes_and_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("L", (8, 8)).save(tmp_path / name / f"{i}.png")
    Image.new("L", (9, 8)).save(tmp_path / "b" / "2.png")
    with pytest.raises(DataError, match=r"2\.png: expected 8x8 pixels as in 0\.png, got 9x8\."):
        load(tmp_path)
    (tmp_path / "b" / "2.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"2\.png: expected a PNG or JPEG"):
        load(tmp_path)
    (tmp_path / "b" / "2.png").unlink()
    (tmp_path / "b" / "notes.txt").write_text("hm")
    with pytest.raises(DataError, match=r"notes\.txt: expected files of the same kind as 0\.png"):
        load(tmp_path)


def test_a_folder_of_test_examples_alone_and_a_file_for_the_test_where_none_can_be_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "part" / "test" / name).mkdir(parents=True)
        (tmp_path / "part" / "test" / name / "1.txt").write_text("text")
    with pytest.raises(DataError, match="no folder train beside the folder test"):
        load(tmp_path / "part")
    text = written(tmp_path / "a.txt", "It is a truth. " * 20)
    with pytest.raises(DataError, match=r"expected no test file, because the test examples are held out from a.txt"):
        load_config_data(train=text, test=text)


def test_json_lines_end_where_lines_do(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"one\u2028two {n}", "label": n % 2}, ensure_ascii=False) for n in range(8)]
    data = load(written(tmp_path / "a.jsonl", "\n".join(rows)))
    assert data.train.inputs[0].startswith("one\u2028two")
    rows = ['{"text": 7, "label": 1}', *rows]
    assert "7" in list(load(written(tmp_path / "c.jsonl", "\n".join(rows))).train.inputs)
