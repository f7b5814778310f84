"""Any picture of a digit, brought to MNIST's form: the drawing decides the result, not how it came to be a file."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from tests.drawing import FONTS, MODES, TRANSPOSED, draw_digit, in_mode
from unrolled.data.pictures import BOX, SIDE, read_picture, to_mnist_form

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

Complaint = Callable[[Callable[[], object]], str]

# Size of the font, stroke added, margin.
DRAWINGS = [(16, 0, 0), (16, 1, 5), (40, 0, 3), (100, 0, 200), (100, 6, 0), (250, 3, 40), (600, 20, 0)]


def furthest(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    """The largest difference of two pixels."""
    return int(np.abs(first.astype(int) - second).max())


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a picture to a file of that name."""

    def write(picture: Image.Image, name: str, **arguments: Any) -> Path:
        picture.save(tmp_path / name, **arguments)
        return tmp_path / name

    return write


@pytest.mark.parametrize("font", FONTS)
def test_a_drawn_digit_has_the_form_of_mnist(font: str) -> None:
    for digit, (size, stroke, margin) in product(range(10), DRAWINGS[:-1]):
        image = to_mnist_form(draw_digit(digit, font=font, size=size, stroke=stroke, margin=margin))
        drawing = f"{digit} in {font}, {size=} {stroke=} {margin=}"
        assert image.shape == (SIDE, SIDE), drawing
        assert image.dtype == np.uint8, drawing
        rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
        assert rows[-1] - rows[0] < BOX, drawing
        assert columns[-1] - columns[0] < BOX, drawing
        assert image.max() == 255, drawing
        for axis, (first, last) in ((1, rows[[0, -1]]), (0, columns[[0, -1]])):
            share = image.sum(axis=axis) / image.sum()
            # A digit whose mass is far from the middle of its box is set as near as the frame lets it.
            assert abs(share @ np.arange(SIDE) - (SIDE - 1) / 2) < 0.6 or first == 0 or last == SIDE - 1, drawing


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_polarity_changes_nothing(drawing: tuple[int, int, int]) -> None:
    size, stroke, margin = drawing
    for digit, font in product((0, 1, 4, 8), ("DejaVuSans-Bold", "cmr10")):
        dark = draw_digit(digit, font=font, size=size, stroke=stroke, margin=margin)
        np.testing.assert_array_equal(to_mnist_form(dark), to_mnist_form(ImageOps.invert(dark)))


@pytest.mark.parametrize("corner", [(0, 0), (300, 7), (151, 240)])
def test_the_place_on_the_paper_changes_nothing(corner: tuple[int, int]) -> None:
    for digit, font, size in product((1, 5, 7), ("DejaVuSerif", "cmtt10"), (30, 180)):
        alone = draw_digit(digit, font=font, size=size, margin=2)
        paper = Image.new("L", (alone.width + 300, alone.height + 240), 255)
        paper.paste(alone, corner)
        np.testing.assert_array_equal(to_mnist_form(paper), to_mnist_form(alone))


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "1"])
def test_the_mode_changes_nothing(mode: str) -> None:
    for digit in (2, 3):
        expected = to_mnist_form(draw_digit(digit))
        np.testing.assert_array_equal(to_mnist_form(draw_digit(digit, mode=mode)), expected)


def test_black_and_white_without_greys_comes_close() -> None:
    for digit in range(10):
        expected = to_mnist_form(draw_digit(digit, size=200))
        image = to_mnist_form(draw_digit(digit, size=200, mode="1"))
        assert np.abs(image.astype(int) - expected).mean() < 3


def test_sixteen_bits_in_either_byte_order_are_the_same() -> None:
    picture = draw_digit(5, mode="I;16")
    swapped = Image.frombytes("I;16B", picture.size, np.asarray(picture).astype(">u2").tobytes())
    np.testing.assert_array_equal(to_mnist_form(swapped), to_mnist_form(picture))


@pytest.mark.parametrize(("ink", "paper"), [(100, 160), (160, 100), (255, 200), (0, 40)])
def test_faint_ink_is_as_good_as_black(ink: int, paper: int) -> None:
    assert furthest(to_mnist_form(draw_digit(6, ink=ink, paper=paper)), to_mnist_form(draw_digit(6))) <= 2


@pytest.mark.parametrize("hidden", [0, 255])
def test_transparent_paper_is_as_good_as_white_paper(hidden: int, save: Callable[..., Path]) -> None:
    opaque = draw_digit(7)
    transparent = Image.merge("LA", (Image.new("L", opaque.size, hidden), ImageOps.invert(opaque)))
    expected = to_mnist_form(opaque)
    np.testing.assert_array_equal(read_picture(save(transparent, "seven.png")), expected)
    np.testing.assert_array_equal(read_picture(save(transparent.convert("RGBA"), "seven.png")), expected)


def test_a_transparent_colour_is_as_good_as_paper(save: Callable[..., Path]) -> None:
    opaque = draw_digit(7)
    path = save(in_mode(opaque, "P"), "seven.png", transparency=255)
    np.testing.assert_array_equal(read_picture(path), to_mnist_form(opaque))


@pytest.mark.parametrize("orientation", TRANSPOSED)
def test_the_orientation_of_a_photograph_is_honoured(orientation: int, save: Callable[..., Path]) -> None:
    upright = draw_digit(4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(upright.transpose(TRANSPOSED[orientation]), "four.png", exif=exif)
    np.testing.assert_array_equal(read_picture(path), to_mnist_form(upright))
    assert furthest(to_mnist_form(upright.transpose(TRANSPOSED[orientation])), to_mnist_form(upright)) > 100


def test_a_jpeg_comes_close_to_a_png(save: Callable[..., Path]) -> None:
    for digit in (0, 4, 9):
        drawing = draw_digit(digit, size=200)
        png = read_picture(save(drawing, "digit.png"))
        jpeg = read_picture(save(drawing, "digit.jpg", quality=75))
        np.testing.assert_array_equal(png, to_mnist_form(drawing))
        assert np.abs(png.astype(int) - jpeg).mean() < 3


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (2, 2), (3000, 2)])
def test_a_dot_on_paper_of_any_shape_is_something(size: tuple[int, int]) -> None:
    paper = Image.new("L", size, 255)
    paper.putpixel((0, 0), 0)
    image = to_mnist_form(paper)
    assert image.shape == (SIDE, SIDE)
    assert image.max() == 255


def test_the_picture_is_left_as_it_was() -> None:
    picture = draw_digit(3, mode="RGBA")
    before = picture.tobytes()
    to_mnist_form(picture)
    assert picture.tobytes() == before


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (50, 50), 128),
        Image.new("L", (1, 1)),
        Image.new("RGBA", (9, 9), (0, 0, 0, 0)),
        Image.new("I;16", (9, 9), 700),
        draw_digit(3, ink=120, paper=130),
    ],
    ids=["grey", "one pixel", "transparent", "16 bits", "hardly visible"],
)
def test_a_flat_picture_is_refused(picture: Image.Image, complaint: Complaint) -> None:
    assert complaint(lambda: to_mnist_form(picture)) == (
        "picture: expected a digit, got one flat colour. Draw with more contrast."
    )


def test_a_flat_picture_in_a_file_names_the_file(save: Callable[..., Path], complaint: Complaint) -> None:
    path = save(Image.new("L", (50, 50), 255), "blank.png")
    assert complaint(lambda: read_picture(path)) == (
        f"{path}: expected a digit, got one flat colour. Draw with more contrast."
    )


def test_a_picture_of_numbers_that_are_not_finite_is_refused(save: Callable[..., Path], complaint: Complaint) -> None:
    numbers = np.asarray(draw_digit(3, mode="F")).copy()
    numbers[0, 0] = np.nan
    path = save(Image.fromarray(numbers), "three.tiff")
    assert complaint(lambda: read_picture(path)).startswith(f"{path}: damaged picture (some of")


@pytest.mark.parametrize("contents", [b"", b"This is not a picture.", b"%PDF-1.7"], ids=["empty", "text", "PDF"])
def test_another_kind_of_file_is_refused(contents: bytes, tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "three.png"
    path.write_bytes(contents)
    assert complaint(lambda: read_picture(path)) == (
        f"{path}: expected a PNG or JPEG, got another kind of file. Convert it first."
    )


def test_a_truncated_png_is_refused(save: Callable[..., Path], complaint: Complaint) -> None:
    path = save(draw_digit(3), "three.png")
    path.write_bytes(path.read_bytes()[:200])
    assert complaint(lambda: read_picture(path)) == (
        f"{path}: damaged picture (image file is truncated). Save it again."
    )


def test_a_damaged_png_is_refused(save: Callable[..., Path], complaint: Complaint) -> None:
    path = save(draw_digit(3), "three.png")
    contents = bytearray(path.read_bytes())
    contents[60] ^= 0xFF
    path.write_bytes(contents)
    message = complaint(lambda: read_picture(path))
    assert message.startswith(f"{path}: damaged picture (")
    assert message.endswith("). Save it again.")


def test_a_missing_picture_names_itself(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "three.png"
    assert complaint(lambda: read_picture(path)) == f"{path}: no such file. Check the path."


def test_a_folder_is_called_a_folder(tmp_path: Path, complaint: Complaint) -> None:
    message = complaint(lambda: read_picture(tmp_path))
    assert message.startswith(f"{tmp_path}: expected a picture, got a folder.")


@pytest.mark.parametrize("light", ["falls off", "shadow", "ruled", "speckled"])
def test_uneven_paper_is_not_taken_for_ink(light: str) -> None:
    plain = draw_digit(3, size=200, ink=20, paper=230, margin=150)
    rows, columns = np.mgrid[: plain.height, : plain.width] / max(plain.size)
    grey = np.asarray(plain, np.float32)
    if light == "falls off":
        grey = grey * (1 - 0.4 * columns)
    elif light == "shadow":
        grey = np.where(columns + rows > 1.35, 0.7 * grey, grey)
    elif light == "ruled":
        grey = np.where(np.arange(plain.height)[:, None] % 40 < 2, np.minimum(grey, 190), grey)
    else:
        specks = np.random.default_rng(0).random(grey.shape) < 0.0005
        grey = np.where(specks, 60, grey)
    shown = to_mnist_form(Image.fromarray(grey.astype(np.uint8))).astype(float)
    assert np.abs(shown - to_mnist_form(plain)).mean() < 10
