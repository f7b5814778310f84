"""Which format a file has, and what each format is read for."""

from collections.abc import Callable
from pathlib import Path

from unrolled.data.folders import FolderSettings
from unrolled.data.formats import (
    ARRAYS,
    FOLDERS,
    FORMATS,
    PICTURE_FILES,
    SOUND_FILES,
    TABLES,
    TEXT_FILES,
    TS_FILES,
    FileFormat,
    LoadOptions,
    ReadContext,
    format_of,
    load_file,
    names_a_file,
    preview_table,
    read_inputs,
    read_labeled,
)
from unrolled.errors import DataError, InvalidInput

import numpy as np
import pytest
from PIL import Image

Complaint = Callable[[Callable[[], object]], str]

TEXT = ReadContext("text", ("neg", "pos"))
SERIES = ReadContext("series", ("a", "b"))
IMAGES = ReadContext("arrays", ("a", "b"), (6, 4), folder=FolderSettings(channels="grey"))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", TABLES),
        ("A.PARQUET", TABLES),
        ("a.tab", TABLES),
        ("a.ts", TS_FILES),
        ("a.md", TEXT_FILES),
        ("a.NPZ", ARRAYS),
        ("t10k-images-idx3-ubyte.gz", ARRAYS),
        ("new-idx3.npz", ARRAYS),
        ("notes-idx3.csv", TABLES),
        ("a.JPEG", PICTURE_FILES),
        ("a.WAV", SOUND_FILES),
    ],
)
def test_the_name_decides_the_format(name: str, expected: FileFormat) -> None:
    assert format_of(Path("folder") / name) is expected


def test_a_folder_and_a_picture_without_a_suffix_are_recognized(tmp_path: Path) -> None:
    assert format_of(tmp_path) is FOLDERS
    Image.new("L", (3, 3)).save(tmp_path / "drawing", "PNG")
    assert format_of(tmp_path / "drawing") is PICTURE_FILES


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda one: one.name)
def test_each_format_is_read_for_something(file_format: FileFormat) -> None:
    assert file_format.loaders or file_format.read_inputs
    assert set(file_format.kinds) <= {"arrays", "series", "text", "tokens", "columns"}


def test_a_missing_file_and_an_unknown_format_are_refused(tmp_path: Path, complaint: Complaint) -> None:
    assert str(tmp_path / "nothing") in complaint(lambda: format_of(tmp_path / "nothing"))
    path = written(tmp_path / "a.docx", "")
    assert complaint(lambda: format_of(path)).startswith(f"{path}: unknown file format. Convert it to one of: ")


def test_a_picture_is_not_a_data_set(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "seven.png"
    assert complaint(lambda: load_file(path, LoadOptions())) == (
        f"{path}: pictures cannot be used for training. Use a folder with a folder for each class, tables (.csv, .tsv, "
        ".tab, .json, .jsonl, .ndjson, .parquet, .xlsx, .ods and 5 more), "
        "tagged words (.conllu, .conll, .iob, .iob2, .bio), series (.ts), "
        "texts (.txt, .text, .md) or arrays (.npz, .npy, .idx)."
    )


def test_the_task_decides_how_a_file_is_loaded_and_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", "x,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(12)))
    assert load_file(table, LoadOptions(), "examples").classes == ("a", "b")
    assert load_file(table, LoadOptions(test_steps=2), "series").classes == ("x",)
    assert load_file(table, LoadOptions(), "text").classes == ("a", "b")
    text = written(tmp_path / "a.md", "It was. " * 40)
    assert load_file(text, LoadOptions(), "examples").classes == ()


def test_a_file_of_numbers_may_be_called_a_text(tmp_path: Path) -> None:
    path = written(tmp_path / "sales.txt", "sales\n" + "".join(f"{n}\n" for n in range(9)))
    data = load_file(path, LoadOptions(test_steps=2), "series")
    np.testing.assert_array_equal(data.test.inputs[0], [[7], [8]])


def test_without_test_steps_a_series_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "sales.csv", "sales\n" + "".join(f"{n}\n" for n in range(9)))
    data = load_file(path, LoadOptions(), "series")
    assert (list(data.parts), len(data.train.inputs[0])) == (["train"], 9)


def test_tables_are_evaluated_and_predicted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "text,label\ngood,pos\nbad,neg\n")
    assert read_labeled(path, TEXT).targets.tolist() == [1, 0]
    inputs = read_inputs(path, TEXT)
    assert (inputs.is_batch, inputs.table is not None, list(inputs.rows)) == (True, True, [[0], [1]])
    preview = preview_table(path)
    assert preview is not None
    assert preview.size == 2
    assert preview_table(tmp_path / "a.ts") is None


def test_pictures_are_predicted_in_the_size_of_the_network(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (4, 6), 9).save(path)
    assert np.shape(read_inputs(path, IMAGES).examples) == (1, 6, 4)
    Image.new("L", (5, 6), 9).save(path)
    assert complaint(lambda: read_inputs(path, IMAGES)) == (
        f"{path}: expected 4x6 pixels, the size that the network reads, got 5x6. Resize the picture."
    )
    with pytest.raises(InvalidInput, match="expected an array of 4x6, the size that the network reads, got a picture"):
        read_inputs(path, ReadContext("arrays", example_shape=(6, 4)))


def test_inputs_of_another_type_are_refused_with_the_formats_that_fit(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_inputs(tmp_path / "a.png", SERIES)
    assert str(caught.value) == (
        f"{tmp_path / 'a.png'}: expected tables (.csv, .tsv, .tab, .json, .jsonl, .ndjson, .parquet, .xlsx, "
        ".ods and 5 more), series (.ts), arrays (.npz, .npy, .idx) or sounds (.wav, .wave) "
        "for a network that reads series, got pictures."
    )
    with pytest.raises(InvalidInput, match="got a folder with a folder for each class"):
        read_inputs(tmp_path, TEXT)
    with pytest.raises(DataError, match=r"a.txt: texts have no classes to evaluate on. Use a folder"):
        read_labeled(tmp_path / "a.txt", TEXT)


def test_a_sentence_is_not_the_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film").mkdir()
    written(tmp_path / "review", "good")
    names = ["review", "missing.csv", "good film", "film", "I like it. Really", "x" * 5000]
    assert [names_a_file(name) for name in names] == [True, True, False, False, False, False]
