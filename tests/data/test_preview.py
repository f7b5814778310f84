"""The description of a data set, its drawing in the terminal, its picture, and the grid of network inputs."""

import json
from collections.abc import Callable
from pathlib import Path

import unrolled
from tests.drawing import MODES, draw_digit
from unrolled.data.dataset import Dataset, Split
from unrolled.data.pictures import SIDE, read_picture
from unrolled.data.preview import (
    CELL_GAP,
    CELL_SIDE,
    GRID_MARGIN,
    SHADES,
    PredictedPicture,
    corner_of,
    describe,
    draw_in_colours,
    draw_in_terminal,
    draw_input_grid,
    grid_columns,
    picture,
    save_picture,
)

import numpy as np
import pytest
from PIL import Image

Complaint = Callable[[Callable[[], object]], str]


def small_data(classes: tuple[str, ...] = ("left", "right"), height: int = 6, width: int = 8) -> Dataset:
    """Images of which the left or the right half is bright; three of "left" and one of "right" are for training."""
    targets = np.array([0, 0, 1, 0], dtype=np.int64)
    images = np.zeros((4, height, width), np.uint8)
    images[targets == 0, :, : width // 2] = 200
    images[targets == 1, :, width // 2 :] = 200
    return Dataset("halves", Split(images, targets), Split(images[:2], targets[:2]), classes, "drawn here")


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return unrolled.load("mnist")


def test_the_facts_of_a_small_data_set() -> None:
    assert describe(small_data()) == {
        "name": "halves",
        "kind": "arrays",
        "source": "drawn here",
        "classes": ["left", "right"],
        "notes": [],
        "train": {
            "inputs_shape": [4, 6, 8],
            "targets_shape": [4],
            "dtype": "uint8",
            "range": [0, 200],
            "range_scaled": [0.0, 200 / 255],
            "mean": 100.0,
            "count_per_class": {"left": 3, "right": 1},
        },
        "test": {
            "inputs_shape": [2, 6, 8],
            "targets_shape": [2],
            "dtype": "uint8",
            "range": [0, 200],
            "range_scaled": [0.0, 200 / 255],
            "mean": 100.0,
            "count_per_class": {"left": 2, "right": 0},
        },
    }


def test_numbers_that_are_not_bytes_are_not_scaled() -> None:
    split = Split(np.array([[[-1.5]], [[2.5]]], np.float32), np.array([0, 1]))
    facts = describe(Dataset("numbers", split, split, ("a", "b")))["train"]
    assert facts["range"] == facts["range_scaled"] == [-1.5, 2.5]
    assert facts["mean"] == 0.5


def test_the_facts_of_mnist(mnist: Dataset) -> None:
    facts = describe(mnist)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["train"]["inputs_shape"] == [60000, 28, 28]
    assert facts["test"]["inputs_shape"] == [10000, 28, 28]
    assert facts["train"]["range"] == [0, 255]
    assert facts["train"]["range_scaled"] == [0.0, 1.0]
    assert facts["train"]["mean"] == 33.3184
    assert facts["test"]["mean"] == 33.7912
    assert list(facts["train"]["count_per_class"].values()) == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert list(facts["test"]["count_per_class"].values()) == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


@pytest.mark.parametrize("width", [28, 40, 60, 80, 100, 120, 200])
def test_the_drawing_keeps_within_the_terminal(width: int, mnist: Dataset) -> None:
    lines = draw_in_terminal(mnist, width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert set("".join(lines[:-1])) <= set(SHADES)


def test_a_drawing_of_small_images_keeps_within_the_terminal() -> None:
    data = small_data(("a long name of a class", "another long name of a class"))
    for width in (20, 40, 80):
        assert max(len(line) for line in draw_in_terminal(data, width).splitlines()) <= width


def test_an_image_wider_than_the_terminal_keeps_within_it(mnist: Dataset) -> None:
    assert max(len(line) for line in draw_in_terminal(mnist, 15).splitlines()) <= 15


def test_the_drawing_names_the_classes_in_order(mnist: Dataset) -> None:
    assert draw_in_terminal(mnist, 200).splitlines()[-1].split() == ["5", "0", "4", "1", "9", "2"]
    assert draw_in_terminal(small_data(), 200).splitlines()[-1].split() == ["left", "left", "right", "left"]


def test_the_drawing_shows_what_is_bright() -> None:
    lines = draw_in_terminal(small_data().head(3), 80).splitlines()
    assert lines == ["████     ████         ████"] * 3 + ["  left     left    right"]


def test_a_bar_from_top_to_bottom_is_drawn() -> None:
    assert draw_in_terminal(small_data().head(1), 80).splitlines() == ["████"] * 3 + ["left"]


def test_a_flat_image_can_be_drawn() -> None:
    split = Split(np.zeros((2, 4, 5), np.uint8), np.array([0, 1]))
    assert draw_in_terminal(Dataset("flat", split, split, ("a", "b")), 80).split() == ["a", "b"]


def test_the_picture_is_the_same_for_the_same_seed(mnist: Dataset) -> None:
    first, again, other = picture(mnist), picture(mnist), picture(mnist, seed=1)
    assert first.tobytes() == again.tobytes()
    assert first.size == other.size
    assert first.tobytes() != other.tobytes()


def coloured_data() -> Dataset:
    """Images of which the upper rows are red and the lower rows green, on blue."""
    images = np.zeros((4, 5, 6, 3), np.uint8)
    images[..., 2] = 255
    images[:, :2, 1:5] = (255, 0, 0)
    images[:, 2:4, 1:5] = (0, 128, 0)
    split = Split(images, np.array([0, 1, 0, 1]))
    return Dataset("colours", split, split, ("a", "b"))


def test_colours_are_drawn_in_a_terminal_that_has_them() -> None:
    lines, captions = draw_in_colours(coloured_data(), 80)
    blue, red, green, black = (0, 0, 255), (255, 0, 0), (0, 128, 0), (0, 0, 0)
    assert [line[0] for line in lines] == [(blue, blue), (blue, blue), (blue, black)]
    assert [line[1] for line in lines] == [(red, red), (green, green), (blue, black)]
    assert [line[6] for line in lines] == [(black, black)] * 3
    assert [len(line) for line in lines] == [4 * 7 - 1] * 3
    assert captions.split() == ["a", "b", "a", "b"]
    assert [len(draw_in_colours(coloured_data(), width)[0][0]) for width in (9, 4)] == [6, 4]
    assert draw_in_terminal(coloured_data(), 80).splitlines()[-1].split() == ["a", "b", "a", "b"]


def test_colours_are_pictured_as_they_are() -> None:
    drawn = {colour for _, colour in picture(coloured_data()).getcolors(1 << 16) or []}
    assert {(255, 0, 0), (0, 128, 0), (0, 0, 255)} <= drawn


def test_the_grid_shows_colours_beside_an_input_in_colours(tmp_path: Path) -> None:
    image = coloured_data().train.inputs[0]
    Image.fromarray(image).save(tmp_path / "a.png")
    for seen, colours in ((image, 2), (image[..., 0], 0)):
        sheet = draw_input_grid([PredictedPicture(tmp_path / "a.png", seen, "a  99.0 %")])
        drawn = sheet.crop((GRID_MARGIN, 48, GRID_MARGIN + 2 * CELL_SIDE + CELL_GAP, 48 + CELL_SIDE))
        red = (np.asarray(drawn) == (255, 0, 0)).all(axis=2)
        assert int(red[:, :CELL_SIDE].any()) + int(red[:, CELL_SIDE:].any()) == colours


def test_the_picture_is_written_as_a_png(mnist: Dataset, tmp_path: Path) -> None:
    save_picture(mnist, tmp_path / "mnist.png")
    with Image.open(tmp_path / "mnist.png") as read:
        assert read.format == "PNG"
        assert read.size == picture(mnist).size
        assert min(read.size) > 500
        assert len(set(np.asarray(read.convert("L")).reshape(-1).tolist())) > 100


def test_numbers_in_an_uncommon_shape_can_be_pictured(tmp_path: Path) -> None:
    images = np.linspace(-3, 5, 3 * 1 * 7, dtype=np.float32).reshape(3, 1, 7)
    split = Split(images, np.array([0, 2, 2]))
    save_picture(Dataset("strips", split, split, ("a", "never seen", "c")), tmp_path / "strips.png")
    with Image.open(tmp_path / "strips.png") as read:
        read.load()
        assert read.format == "PNG"


def test_what_is_not_images_is_not_pictured(tmp_path: Path, complaint: Complaint) -> None:
    split = Split(np.zeros((2, 4), np.float32), np.array([0, 1]))
    data = Dataset("rows", split, split, ("a", "b"))
    assert complaint(lambda: save_picture(data, tmp_path / "rows.png")) == (
        "rows: expected images to draw, got [4]. Leave out --picture."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "nowhere" / "halves.png"
    assert complaint(lambda: save_picture(small_data(), path)) == (
        f"{path}: cannot be written: No such file or directory. "
        "Check the folder and its permissions, or write elsewhere."
    )
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert complaint(lambda: save_picture(small_data(), tmp_path / "halves.jpg")) == (
        f'{tmp_path / "halves.jpg"}: expected a name that ends in .png, got ".jpg". Write to halves.png.'
    )
    assert complaint(lambda: save_picture(small_data(), folder)) == (f"{folder}: already exists. Choose another name.")


def test_only_a_picture_of_ours_is_replaced(tmp_path: Path, complaint: Complaint) -> None:
    ours, theirs = tmp_path / "ours.png", tmp_path / "theirs.png"
    Image.new("L", (9, 9)).save(theirs)
    before = theirs.read_bytes()
    save_picture(small_data(), ours)
    save_picture(small_data(), ours)
    assert complaint(lambda: save_picture(small_data(), theirs)).startswith(f"{theirs}: already exists.")
    assert theirs.read_bytes() == before


@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_grid_shows_each_picture_beside_the_input_of_the_network(count: int, tmp_path: Path) -> None:
    pictures = []
    for digit in range(count):
        path = tmp_path / f"{digit}.png"
        draw_digit(digit, mode=MODES[digit]).save(path, "TIFF")
        pictures.append(PredictedPicture(path, read_picture(path), f"{digit}  99.0 %"))
    sheet = draw_input_grid(pictures)
    columns, scale = grid_columns(count), CELL_SIDE // SIDE
    for index, shown in enumerate(pictures):
        left, top = corner_of(index, columns)
        original = np.asarray(sheet.convert("L").crop((left, top, left + CELL_SIDE, top + CELL_SIDE)))
        assert original.min() < 10
        assert original.max() > 245
        start = left + CELL_SIDE + CELL_GAP
        seen = np.asarray(sheet.convert("L").crop((start, top, start + CELL_SIDE, top + CELL_SIDE)))
        np.testing.assert_array_equal(seen[::scale, ::scale], shown.image)
        captions = np.asarray(sheet.convert("L").crop((left, top + CELL_SIDE + 2, start + CELL_SIDE, top + 160)))
        assert captions.min() < 100
    assert sheet.width == corner_of(columns - 1, columns)[0] + 2 * CELL_SIDE + CELL_GAP + GRID_MARGIN


def test_a_large_grid_keeps_to_six_columns_and_long_names_to_their_cell(tmp_path: Path) -> None:
    path = tmp_path / f"{'a long name ' * 9}.png"
    draw_digit(7).save(path)
    sheet = draw_input_grid([PredictedPicture(path, read_picture(path), "7  99.0 %")] * 68)
    assert grid_columns(68) == 6
    assert max(sheet.size) < 2500
