"""Pictures of digits brought to the form of MNIST, and PNG files."""

from pathlib import Path
from typing import Any

from unrolled.data.images import open_picture, to_grey
from unrolled.errors import DataError, WriteError
from unrolled.storage import replacing

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, PngImagePlugin
from scipy import ndimage

_SOFTWARE = "unrolled"


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG; only a file that was written by this function is replaced.

    Raises:
        WriteError: Another file has that name, or the folder cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise WriteError(
            f'{path}: expected a name that ends in .png, got "{path.suffix}". Write to {path.with_suffix(".png").name}.'
        )
    if path.exists() and not _is_ours(path):
        raise WriteError(f"{path}: already exists. Choose another name.")
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Software", _SOFTWARE)
    with replacing(path) as part:
        image.save(part, "PNG", pnginfo=mark)


def _is_ours(path: Path) -> bool:
    try:
        with open_picture(path) as picture:
            return picture.info.get("Software") == _SOFTWARE
    except DataError:
        return False


SIDE = 28
BOX = 20
# Contrast below this share of the strongest is paper grain, JPEG noise or a shadow.
FAINTEST_INK = 0.25
# On the scale that remains, a part of the digit has ink of at least STRONG_INK, and none fainter than FAINTEST_PART.
STRONG_INK, FAINTEST_PART = 0.5, 0.15
# Parts with less than this share of the largest part's ink are specks.
SMALLEST_PART = 0.1
# Features narrower than this share of the picture are drawn on the paper; wider ones are its light and shadow.
PAPER_REACH = 0.5
# Levels of grey below which a picture is one flat colour.
LEAST_CONTRAST = 16
# MNIST's pens: the median stroke is about 2.5 pixels of the 20-pixel box wide. Hairlines would vanish when a large
# picture is scaled down, and poster type would fill its loops.
THINNEST_STROKE, THICKEST_STROKE = 2.0, 3.6
# Sides are reduced to this before strokes are measured; it decides the cost, not the result.
WORKING_SIDE = 240

Grey = NDArray[Any]


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a PNG or JPEG of one digit as MNIST would show it.

    Args:
        path: A picture of any size, dark on light or light on dark, with margins or without.

    Returns:
        [28, 28], light ink on black.

    Raises:
        DataError: The file is missing, not a picture, damaged, or shows one flat colour.
    """
    with open_picture(path, as_numbers=True) as picture:
        return to_mnist_form(picture, str(path))


def to_mnist_form(picture: Image.Image, where: str = "picture") -> NDArray[np.uint8]:
    """Scale a digit into the 20x20 box and centre it by mass in 28x28.

    Args:
        picture: One digit, in any mode.
        where: The location of the picture, for messages.

    Returns:
        [28, 28], light ink on black. The same drawing gives the same array in either polarity and wherever on the
        paper it stands.

    Raises:
        DataError: The picture shows one flat colour.
    """
    grey = to_grey(picture)
    ink = _ink(grey)
    if ink.max() < LEAST_CONTRAST:
        raise DataError(f"{where}: expected a digit, got one flat colour. Draw with more contrast.")
    ink = _main_stroke(np.clip((ink / ink.max() - FAINTEST_INK) / (1 - FAINTEST_INK), 0, 1))
    boxed = _into_box(_evened(_cropped(ink)))
    image: NDArray[np.uint8] = np.rint(255 * _centred(boxed)).astype(np.uint8)
    return image


def _ink(grey: Grey) -> Grey:
    """Return the contrast of each pixel to the paper around it.

    The grey of the paper, with uneven light and shadow on it, is estimated by a morphological closing that removes
    every feature narrower than half the picture.
    """
    signed = grey if _is_light(grey) else -grey
    reach = max(3, round(max(grey.shape) * PAPER_REACH))
    paper: Grey = ndimage.grey_closing(signed, size=(min(reach, 2 * grey.shape[0]), min(reach, 2 * grey.shape[1])))
    return paper - signed


def _is_light(grey: Grey) -> bool:
    """Return True if the paper is light: most of the border and of the area is lighter than the middle grey."""
    middle = (float(grey.min()) + float(grey.max())) / 2
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    # Exact halves count for neither side, so that inverting a picture swaps the two sums.
    return float(np.sign(border - middle).mean() + np.sign(grey - middle).mean()) > 0


def _main_stroke(ink: Grey) -> Grey:
    """Return the strokes of the digit, without specks, ruled lines and shadows.

    A connected part is kept if it contains strong ink and is not small beside the largest; a part that touches the
    border only if there is no large one inside.
    """
    parts, count = ndimage.label(ink > FAINTEST_PART, structure=np.ones((3, 3)))
    if count < 2:
        return np.where(ndimage.maximum_filter(parts, 3) > 0, ink, 0)
    indices = np.arange(1, count + 1)
    mass = ndimage.sum_labels(ink, parts, indices) * (ndimage.maximum(ink, parts, indices) > STRONG_INK)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    inside = ~np.isin(indices, border)
    if mass[inside].sum() > SMALLEST_PART * mass.max():
        mass = mass * inside
    kept = indices[mass >= SMALLEST_PART * mass.max()]
    # One pixel around them is the soft edge of the strokes.
    return np.where(ndimage.maximum_filter(np.isin(parts, kept), 3), ink, 0)


def _cropped(ink: Grey) -> Grey:
    """Crop to the ink, and reduce to a working size."""
    rows, columns = np.flatnonzero(ink.max(axis=1)), np.flatnonzero(ink.max(axis=0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _resized(ink, WORKING_SIDE)


def _evened(ink: Grey) -> Grey:
    """Thicken or thin the strokes to the range of MNIST's pens."""
    unit = max(ink.shape) / BOX
    width = _stroke_width(ink) / unit
    wanted = min(max(width, THINNEST_STROKE), THICKEST_STROKE)
    reach = round(abs(wanted - width) * unit / 2)
    if reach == 0:
        return ink
    kind = ImageFilter.MaxFilter if wanted > width else ImageFilter.MinFilter
    margin = reach + 1
    padded = Image.fromarray(np.rint(255 * np.pad(ink, margin)).astype(np.uint8))
    changed = np.asarray(padded.filter(kind(2 * reach + 1)), np.float32) / 255
    if changed.max() < 0.5:
        return ink
    rows, columns = np.flatnonzero(changed.max(axis=1)), np.flatnonzero(changed.max(axis=0))
    return changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _stroke_width(ink: Grey) -> float:
    """Return the mean width of the strokes in pixels: twice the area of the ink over the length of its outline."""
    solid = np.pad(ink, 1) > 0.5
    # An outline counted along the axes is 4 / pi longer than it is, averaged over directions.
    outline = (solid[1:] != solid[:-1]).sum() + (solid[:, 1:] != solid[:, :-1]).sum()
    return 2 * float(solid.sum()) / max(float(outline) * np.pi / 4, 1.0)


def _into_box(ink: Grey) -> Grey:
    """Scale the longer side to that of the box, and the darkest ink to full strength."""
    boxed = _resized(ink, BOX, enlarge=True)
    return np.clip(boxed / max(float(np.percentile(boxed, 98)), 1e-6), 0, 1)


def _resized(ink: Grey, side: int, *, enlarge: bool = False) -> Grey:
    longest = max(ink.shape)
    if longest <= side and not enlarge:
        return ink
    height, width = (max(1, round(length * side / longest)) for length in ink.shape)
    picture = Image.fromarray(ink.astype(np.float32))
    smooth = Image.Resampling.BOX if longest > side else Image.Resampling.BICUBIC
    return np.clip(np.asarray(picture.resize((width, height), smooth), np.float32), 0, 1)


def _centred(boxed: Grey) -> Grey:
    """Place in 28x28 with the centre of mass in the middle, to the nearest pixel."""
    height, width = boxed.shape
    mass = boxed.sum()
    row = float(boxed.sum(axis=1) @ np.arange(height)) / mass
    column = float(boxed.sum(axis=0) @ np.arange(width)) / mass
    top = min(max(round((SIDE - 1) / 2 - row), 0), SIDE - height)
    left = min(max(round((SIDE - 1) / 2 - column), 0), SIDE - width)
    image: Grey = np.zeros((SIDE, SIDE), np.float32)
    image[top : top + height, left : left + width] = boxed
    return image
