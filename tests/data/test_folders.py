"""Folders of pictures, sounds and texts: what their files decide, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import unrolled
from tests.data.test_audio import tone, write
from unrolled.data.audio import BANDS
from unrolled.data.folders import FolderSettings, list_examples, read_folder
from unrolled.data.registry import load_config_data

import numpy as np
import pytest
from PIL import Image

Complaint = Callable[[Callable[[], object]], str]
Colour = tuple[int, int, int]
RED, GREY = (200, 30, 30), (120, 120, 120)


def pictures(folder: Path, *colours: Colour, files: int = 4) -> Path:
    """Write pictures of two classes, each file in the next of some colours."""
    for number in range(2 * files):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), tuple(level + number for level in colours[number % len(colours)])).save(path)
    return folder


def sounds(folder: Path, *, rate: int = 16_000, files: int = 4) -> Path:
    for number in range(2 * files):
        path = folder / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, tone(300 + 300 * (number % 2), seconds=0.1 + 0.01 * number, rate=rate), rate=rate)
    return folder


def texts(folder: Path) -> Path:
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            (folder / name / f"{number}.txt").write_text(f"{name} {number}")
    return folder


COLOURED = "pictures with colours, read in red, green and blue (channels: rgb)"
PLAIN = "pictures without colours, read in grey levels (channels: grey)"


@pytest.mark.parametrize(
    ("colours", "channels", "shape", "notes"),
    [
        ([GREY], None, (4, 5), (PLAIN,)),
        ([RED], None, (4, 5, 3), (COLOURED,)),
        ([GREY, GREY, GREY, RED], None, (4, 5, 3), (COLOURED,)),
        ([RED], "grey", (4, 5), ()),
        ([GREY], "rgb", (4, 5, 3), ()),
    ],
)
def test_pictures_keep_their_colours_unless_told_otherwise(
    tmp_path: Path, colours: list[Colour], channels: str | None, shape: tuple[int, ...], notes: tuple[str, ...]
) -> None:
    data = load_config_data(folder=str(pictures(tmp_path, *colours)), channels=channels)
    assert (data.example_shape, data.notes) == (shape, notes)
    assert data.found_settings == {"channels": "rgb" if len(shape) == 3 else "grey"}


@pytest.mark.parametrize(
    ("train", "test", "shape"), [(RED, GREY, (4, 5, 3)), (GREY, RED, (4, 5)), (RED, RED, (4, 5, 3))]
)
def test_the_training_pictures_decide_how_the_test_pictures_are_read(
    tmp_path: Path, train: Colour, test: Colour, shape: tuple[int, ...]
) -> None:
    pictures(tmp_path / "train", train)
    pictures(tmp_path / "test", test)
    data = unrolled.load(tmp_path)
    assert (data.train.inputs.shape[1:], data.test.inputs.shape[1:]) == (shape, shape)


def test_sounds_are_series_of_energies_and_say_their_rate_and_seconds(tmp_path: Path) -> None:
    data = unrolled.load(sounds(tmp_path / "own"))
    assert (data.kind, data.example_shape, data.classes) == ("series", (None, BANDS), ("a", "b"))
    lengths = [len(item) for part in data.parts.values() for item in part.inputs]
    assert sorted(lengths) == [10, 11, 12, 13, 14, 15, 16, 17]
    assert data.notes == ("sounds of 0.10 to 0.17 seconds at 16,000 Hz, read as 40 log-mel energies every 10 ms",)
    assert data.found_settings == {"rate": 16_000}
    resampled = load_config_data(folder=str(tmp_path / "own"), rate=8_000)
    assert resampled.found_settings == {"rate": 8_000}
    assert "at 8,000 Hz" in resampled.notes[0]


def test_test_sounds_are_resampled_to_the_rate_of_the_training(tmp_path: Path) -> None:
    sounds(tmp_path / "train")
    sounds(tmp_path / "test", rate=8_000)
    parts = read_folder(tmp_path)
    assert [parts[part].found_settings for part in parts] == [{"rate": 16_000}] * 2
    assert [len(item) for item in parts["test"].inputs] == [len(item) for item in parts["train"].inputs]


@pytest.mark.parametrize(
    ("settings", "setting", "other", "kind"),
    [
        (FolderSettings(rate=8_000), "rate", "sounds", "pictures"),
        (FolderSettings(side=8), "side", "pictures", "sounds"),
        (FolderSettings(channels="rgb"), "channels", "pictures", "sounds"),
        (FolderSettings(side=8), "side", "pictures", "texts"),
    ],
)
def test_settings_of_other_kinds_of_files_are_refused(
    tmp_path: Path, settings: FolderSettings, setting: str, other: str, kind: str, complaint: Complaint
) -> None:
    folder = {"pictures": lambda path: pictures(path, RED), "sounds": sounds, "texts": texts}[kind](tmp_path / kind)
    assert complaint(lambda: read_folder(folder, settings)) == (
        f"{folder}: data.{setting} is a setting of {other}, but the folder holds {kind}. Leave it out, or name a "
        f"folder of {other}."
    )


@pytest.mark.parametrize("rate", [1, 999, 400_001])
def test_a_rate_that_is_not_possible_is_refused(tmp_path: Path, rate: int, complaint: Complaint) -> None:
    assert complaint(lambda: load_config_data(folder=str(sounds(tmp_path)), rate=rate)) == (
        f"rate: expected 1,000 to 400,000 Hz, got {rate:,}. Set for example 16000."
    )


def test_a_table_has_no_channels_and_no_rate(tmp_path: Path, complaint: Complaint) -> None:
    table = tmp_path / "a.csv"
    table.write_text("text,label\nx,a\ny,b\nz,a\nw,b\n")
    assert "data.channels is no setting of tables." in complaint(
        lambda: load_config_data(file=str(table), channels="rgb")
    )
    assert "data.rate is no setting of tables." in complaint(lambda: load_config_data(file=str(table), rate=8_000))


def test_other_kinds_of_files_are_named(tmp_path: Path, complaint: Complaint) -> None:
    folder = sounds(tmp_path / "sounds")
    (folder / "b" / "9.mp3").write_bytes(b"ID3")
    assert complaint(lambda: read_folder(folder)) == (
        f"{folder / 'b' / '9.mp3'}: expected a WAV file, got another kind of sound. Convert it to WAV."
    )
    (folder / "b" / "9.mp3").rename(folder / "b" / "9.docx")
    assert complaint(lambda: read_folder(folder)) == (
        f"{folder / 'b' / '9.docx'}: expected a picture, a sound (.wav) or a text, got another kind of file. "
        "Remove it from the folder."
    )
    (folder / "b" / "9.docx").unlink()
    (folder / "b" / "9.png").write_bytes(b"")
    assert "9.png: expected files of the same kind as 0.wav." in complaint(lambda: read_folder(folder))
    pictures(tmp_path / "both" / "train", RED)
    sounds(tmp_path / "both" / "test")
    assert complaint(lambda: read_folder(tmp_path / "both")) == (
        f"{tmp_path / 'both'}: expected pictures in both train and test, got sounds. Use one kind."
    )


def test_the_files_of_a_folder_are_listed_with_those_of_its_folders(tmp_path: Path, complaint: Complaint) -> None:
    folder = pictures(tmp_path / "a folder", RED, files=2)
    for name in (".hidden/x.png", "a/.x.png", "Thumbs.db"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    assert [str(path.relative_to(folder)) for path in list_examples(folder)] == [
        "a/0.png",
        "a/2.png",
        "b/1.png",
        "b/3.png",
    ]
    (tmp_path / "empty").mkdir()
    assert complaint(lambda: list_examples(tmp_path / "empty")) == (
        f"{tmp_path / 'empty'}: no files in the folder. Name another one."
    )


def test_pictures_are_read_the_same_each_time(tmp_path: Path) -> None:
    folder = pictures(tmp_path, RED, GREY)
    first, second = unrolled.load(folder), unrolled.load(folder)
    assert first.fingerprints == second.fingerprints
    assert np.array_equal(first.train.inputs, second.train.inputs)
