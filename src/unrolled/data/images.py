"""Picture files as arrays: in grey levels or in colours, upright, on paper where they are transparent, at one size."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.data.limits import check_unpacked
from unrolled.errors import DataError, first_line
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm")
GREY, RGB = "grey", "rgb"
# No EPS, for which Pillow starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "TGA", "ICO")
# Of a pixel of a picture in colours, and of one that is computed with as numbers.
_BYTES, _BYTES_OF_NUMBERS = 4, 8
# Raised by Pillow for files that are no pictures, or damaged ones.
ERRORS_OF_PICTURES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def is_picture(path: Path) -> bool:
    """Return True if the name is that of a picture, or the file begins like one."""
    if path.suffix.lower() in PICTURES:
        return True
    try:
        with _opened(path):
            return True
    except Image.DecompressionBombError:
        return True
    except ERRORS_OF_PICTURES:
        return False


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        # The size is checked where pixels are read, and what else is odd in a picture is not the user's concern.
        warnings.simplefilter("ignore")
        return Image.open(path, formats=_FORMATS)


@contextmanager
def open_picture(path: Path, *, as_numbers: bool = False) -> Iterator[Image.Image]:
    """Open a picture whose pixels fit in memory, turned upright.

    Args:
        path: The file.
        as_numbers: True if its pixels are computed with as numbers, which takes more memory.

    Raises:
        DataError: The file is missing, damaged, not a picture, or has too many pixels; also where that shows within the
            block.
    """
    remedy = "Scale it down."
    try:
        with _opened(path) as picture, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            are_numbers = as_numbers or _has_alpha(picture) or _is_deep(picture)
            bytes_of_each = _BYTES_OF_NUMBERS if are_numbers else _BYTES
            pixels = picture.width * picture.height
            check_unpacked(
                f"{path}: {format_size(picture.size[::-1])} pixels",
                bytes_of_each * pixels,
                path.stat().st_size,
                remedy,
            )
            ImageOps.exif_transpose(picture, in_place=True)
            yield picture
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{path}: too many pixels for a picture. {remedy}") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: expected a PNG or JPEG, got another kind of file. Convert it first.") from None
    except ERRORS_OF_PICTURES as error:
        if isinstance(error, OSError) and error.errno:
            raise cannot_read(path, error, "a picture") from None
        reason = first_line(error, 80)
        raise DataError(f"{path}: damaged picture ({reason}). Save it again.") from None


def read_images(paths: list[Path], channels: str | None = None, side: int | None = None) -> NDArray[np.uint8]:
    """Read pictures of one size.

    Args:
        paths: The files.
        channels: ``grey`` or ``rgb``; without it ``rgb`` if any of the pictures has colours.
        side: The height and width of a square into which pictures are scaled; without it all must have one size.

    Returns:
        [B, height, width] grey levels, or [B, height, width, 3] red, green and blue.

    Raises:
        DataError: A file is not a picture, or its size differs from that of the first.
    """
    images: list[NDArray[np.uint8]] = []
    for path in paths:
        image = read_image(path, channels, side)
        images.append(image)
        if len(images) == 1:
            total = sum(one.stat().st_size for one in paths)
            check_unpacked(path.parent, image.nbytes * len(paths), total, "Scale the pictures down: side: 32")
        if image.shape[:2] != images[0].shape[:2]:
            raise DataError(
                f"{path}: expected {format_size(images[0].shape)} pixels as in {paths[0].name}, got "
                f"{format_size(image.shape)}. Resize all pictures: data: {{folder: ..., side: 32}}"
            )
    if len({image.ndim for image in images}) > 1:
        images = [image if image.ndim == 3 else _repeated(image) for image in images]
    return np.stack(images)


def read_image(path: Path, channels: str | None = None, side: int | None = None) -> NDArray[np.uint8]:
    """Read a picture, turned upright.

    Args:
        path: The file.
        channels: ``grey`` or ``rgb``; without it ``rgb`` if red, green and blue differ in a pixel, or else ``grey``.
        side: The height and width of the square into which it is scaled; without it the picture keeps its size.

    Returns:
        [height, width] grey levels, or [height, width, 3] red, green and blue.

    Raises:
        DataError: The file is missing, damaged or not a picture.
    """
    with open_picture(path) as stored:
        picture = _in_channels(stored, channels)
    image = np.asarray(picture) if side is None else _into_square(picture, side)
    if channels is None and (image == image[..., :1]).all():
        return image[..., 0]
    return image


def _in_channels(picture: Image.Image, channels: str | None) -> Image.Image:
    """Return a picture in the mode L for ``grey``, otherwise in the mode RGB."""
    if not _has_alpha(picture) and not _is_deep(picture):
        return picture.convert("L" if channels == GREY else "RGB")
    values = to_grey(picture) if channels == GREY else to_rgb(picture)
    return Image.fromarray(np.rint(values).astype(np.uint8))


def to_grey(picture: Image.Image) -> NDArray[Any]:
    """Return the luminance; transparent pixels become white or black paper, in contrast to the visible pixels."""
    if not _has_alpha(picture):
        if _is_deep(picture):
            return np.asarray(ImageOps.autocontrast(_eight_bits(picture)), np.float32)
        return np.asarray(picture.convert("L"), np.float32)
    colours, opacity, paper = _on_paper(picture)
    grey: NDArray[Any] = np.asarray(colours.convert("L"), np.float32) * opacity + paper * (1 - opacity)
    return grey


def to_rgb(picture: Image.Image) -> NDArray[Any]:
    """Return red, green and blue [height, width, 3]; transparent pixels become paper as in ``to_grey``."""
    if not _has_alpha(picture):
        if _is_deep(picture):
            return _repeated(to_grey(picture))
        return np.asarray(picture.convert("RGB"), np.float32)
    colours, opacity, paper = _on_paper(picture)
    rgb: NDArray[Any] = np.asarray(colours, np.float32) * opacity[..., None] + paper * (1 - opacity[..., None])
    return rgb


def format_size(shape: tuple[int | None, ...]) -> str:
    """Format the size of an image [height, width, ...] as people write it: width first.

    Example:
        >>> format_size((20, 32, 3))
        '32x20'
    """
    height, width = shape[:2]
    return f"{width}x{height}"


def _has_alpha(picture: Image.Image) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def _is_deep(picture: Image.Image) -> bool:
    """Return True if a picture has more than 8 bits a channel, which only grey ones have."""
    return picture.mode.startswith(("I", "F"))


def _on_paper(picture: Image.Image) -> tuple[Image.Image, NDArray[Any], float]:
    """Return the colours of a transparent picture, its opacity from 0 to 1, and the grey level of the paper."""
    picture = picture.convert("RGBA")
    colours = picture.convert("RGB")
    opacity = np.asarray(picture.getchannel("A"), np.float32) / 255
    luminance = np.asarray(colours.convert("L"), np.float32)
    visible = float((luminance * opacity).sum() / max(opacity.sum(), 1e-6))
    return colours, opacity, 0.0 if visible > 127 else 255.0


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale a picture of 16 or 32 bits a pixel to 8; Pillow would clip it at 255."""
    values = np.asarray(picture, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("some of its numbers are not finite")
    span = values.max() - values.min()
    return Image.fromarray(((values - values.min()) / (span or 1) * 255).astype(np.uint8))


def _repeated(grey: NDArray[Any]) -> NDArray[Any]:
    """Return grey levels as red, green and blue [height, width, 3]."""
    return np.repeat(grey[..., None], 3, axis=-1)


def _into_square(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """Scale the longer side to that of a square, and centre the picture in it on the colour of its border."""
    width, height = (max(1, round(length * side / max(picture.size))) for length in picture.size)
    scaled = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    square = np.empty((side, side, *scaled.shape[2:]), np.uint8)
    square[:] = _border_colour(picture)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = scaled
    return square


def _border_colour(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the median of each channel over the outermost pixels, a value that occurs among them."""
    width, height = picture.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    strips = [np.asarray(picture.crop(edge)) for edge in edges]
    border = np.concatenate([strip.reshape(-1, *strip.shape[2:]) for strip in strips])
    colour: NDArray[np.uint8] = np.quantile(border, 0.5, axis=0, method="lower")
    return colour
