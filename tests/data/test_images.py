"""Picture files in grey levels and in colours, turned upright, on paper and scaled into squares."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.drawing import TRANSPOSED
from unrolled.data.images import read_image, read_images
from unrolled.errors import DataError

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Complaint = Callable[[Callable[[], object]], str]
LEVELS = np.random.default_rng(0).integers(0, 256, (6, 9)).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (6, 9, 3)).astype(np.uint8)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Saves an array or a picture as a file, losslessly."""

    def save(picture: Any, name: str = "a.png", **options: Any) -> Path:
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK"])
@pytest.mark.parametrize("channels", [None, "grey"])
def test_grey_pictures_of_every_mode_are_grey_levels(
    mode: str, channels: str | None, save: Callable[..., Path]
) -> None:
    picture = Image.fromarray(LEVELS).convert("P" if mode == "P" else "RGB" if mode == "CMYK" else mode)
    path = save(picture.convert(mode), "a.tif" if mode == "CMYK" else "a.png")
    np.testing.assert_array_equal(read_image(path, channels), LEVELS)


@pytest.mark.parametrize("channels", [None, "rgb"])
def test_a_picture_with_colours_keeps_them(channels: str | None, save: Callable[..., Path]) -> None:
    np.testing.assert_array_equal(read_image(save(COLOURS), channels), COLOURS)


def test_one_pixel_is_enough_of_a_colour(save: Callable[..., Path]) -> None:
    picture = np.repeat(LEVELS[..., None], 3, axis=-1)
    picture[2, 3, 1] ^= 1
    np.testing.assert_array_equal(read_image(save(picture)), picture)


@pytest.mark.parametrize("side", [None, 5, 20])
def test_grey_levels_of_colours_are_those_of_pillow(side: int | None, save: Callable[..., Path]) -> None:
    square = np.random.default_rng(2).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    grey = Image.fromarray(square).convert("L")
    grey = grey if side is None else grey.resize((side, side), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(read_image(save(square), "grey", side), np.asarray(grey))


@pytest.mark.parametrize("side", [None, 4, 13])
def test_grey_pictures_in_colour_files_are_those_in_grey_files(side: int | None, save: Callable[..., Path]) -> None:
    grey = read_image(save(LEVELS, "grey.png"), side=side)
    np.testing.assert_array_equal(read_image(save(Image.fromarray(LEVELS).convert("RGB")), side=side), grey)
    np.testing.assert_array_equal(read_image(save(LEVELS), "rgb", side), np.stack([grey] * 3, axis=-1))


def test_sixteen_bits_are_scaled_and_not_clipped(save: Callable[..., Path]) -> None:
    levels = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    np.testing.assert_array_equal(read_image(save(levels)), np.arange(256).reshape(16, 16))


@pytest.mark.parametrize(("visible", "paper"), [((200, 0, 0), 255), ((250, 250, 200), 0)])
def test_transparent_pixels_are_paper(visible: tuple[int, int, int], paper: int, save: Callable[..., Path]) -> None:
    picture = Image.new("RGBA", (4, 4), (90, 10, 50, 0))
    picture.paste((*visible, 255), (1, 1, 3, 3))
    expected = np.full((4, 4, 3), paper, np.uint8)
    expected[1:3, 1:3] = visible
    np.testing.assert_array_equal(read_image(save(picture)), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation: int, save: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(COLOURS)
    path = save(stored.transpose(TRANSPOSED[orientation]) if orientation in TRANSPOSED else stored, exif=exif)
    np.testing.assert_array_equal(read_image(path), COLOURS)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((8, 8), slice(0, 8), slice(0, 8)), ((16, 8), slice(2, 6), slice(0, 8)), ((4, 8), slice(0, 8), slice(2, 6))],
)
@pytest.mark.parametrize("colour", [(200, 30, 30), (90, 90, 90)])
def test_pictures_are_scaled_into_the_square_and_not_stretched(
    size: tuple[int, int], rows: slice, columns: slice, colour: tuple[int, int, int], save: Callable[..., Path]
) -> None:
    picture = Image.new("RGB", size, colour)
    picture.paste((0, 0, 0), (1, 1, size[0] - 1, size[1] - 1))
    square = read_image(save(picture), "rgb", 8)
    assert square.shape == (8, 8, 3)
    margin = np.ones((8, 8), bool)
    margin[rows, columns] = False
    assert (square[margin] == colour).all()
    scaled = picture.resize((columns.stop - columns.start, rows.stop - rows.start), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(square[rows, columns], np.asarray(scaled))


def test_the_margin_is_a_colour_of_the_border_and_no_mixture(save: Callable[..., Path]) -> None:
    halves = np.zeros((4, 8), np.uint8)
    halves[:, 4:] = 255
    assert set(read_image(save(halves), side=8)[0]) <= {0, 255}


@pytest.mark.parametrize("size", [(300, 1), (1, 300), (1, 1)])
def test_a_line_and_a_dot_fill_a_square(size: tuple[int, int], save: Callable[..., Path]) -> None:
    assert read_image(save(Image.new("L", size, 7)), side=4).tolist() == [[7] * 4] * 4


def test_pictures_of_several_sizes_need_a_side(save: Callable[..., Path], complaint: Complaint) -> None:
    paths = [save(COLOURS, "a.png"), save(COLOURS[:5], "b.png")]
    assert complaint(lambda: read_images(paths)) == (
        f"{paths[1]}: expected 9x6 pixels as in a.png, got 9x5. Resize all pictures: data: {{folder: ..., side: 32}}"
    )
    assert read_images(paths, side=7).shape == (2, 7, 7, 3)


@pytest.mark.parametrize(("channels", "shape"), [(None, (2, 6, 9, 3)), ("rgb", (2, 6, 9, 3)), ("grey", (2, 6, 9))])
def test_one_picture_with_colours_makes_all_of_them_colours(
    channels: str | None, shape: tuple[int, ...], save: Callable[..., Path]
) -> None:
    images = read_images([save(LEVELS, "a.png"), save(COLOURS, "b.png")], channels)
    assert images.shape == shape
    first: NDArray[np.uint8] = images[0] if images.ndim == 3 else images[0, ..., 2]
    np.testing.assert_array_equal(first, LEVELS)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.webp"])
def test_damaged_pictures_are_read_or_refused_in_one_line(name: str, save: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(COLOURS, name, **({"exif": exif} if name in ("a.jpg", "a.png") else {}))
    content, refused = path.read_bytes(), 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        changed = bytearray(content[: random.integers(1, len(content) + 1)] if seed % 3 == 0 else content)
        for position in random.integers(0, len(changed), 4):
            changed[position] = random.integers(0, 256)
        path.write_bytes(bytes(changed))
        try:
            assert read_image(path, side=8).shape[:2] == (8, 8)
        except DataError as error:
            assert "\n" not in str(error), seed
            refused += 1
    assert refused > 10
