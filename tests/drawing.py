"""Digits drawn with the fonts that come in matplotlib's wheel: pictures of known content, from anywhere but MNIST."""

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT_FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FONTS = [
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmr10",
    "cmss10",
    "cmtt10",
]
MODES = ["L", "RGB", "RGBA", "P", "1", "LA", "I;16", "I", "F", "CMYK"]
# How a picture is stored under each Exif orientation.
TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def draw_digit(
    digit: int,
    *,
    font: str = "DejaVuSans",
    size: int = 100,
    stroke: int = 0,
    ink: int = 0,
    paper: int = 255,
    margin: int = 10,
    mode: str = "L",
) -> Image.Image:
    """A digit on paper.

    Args:
        digit: 0 to 9.
        font: One of FONTS.
        size: The font's size in pixels; the digit is about 0.7 of it high.
        stroke: Pixels added around the outline.
        ink: The digit's grey, 0 to 255.
        paper: The background's grey, 0 to 255.
        margin: Pixels of paper on each side; 0 leaves none.
        mode: Pillow's name of the pixel format.
    """
    face = ImageFont.truetype(FONT_FOLDER / f"{font}.ttf", size)
    left, top, right, bottom = (round(edge) for edge in face.getbbox(str(digit), stroke_width=stroke))
    picture = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
    position = (margin - left, margin - top)
    ImageDraw.Draw(picture).text(position, str(digit), fill=ink, font=face, stroke_width=stroke, stroke_fill=ink)
    return in_mode(picture, mode)


def in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """The grey picture in another pixel format; a format of more than 8 bits uses its own range."""
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture, np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(np.asarray(picture, np.int32) * 257)
    return picture if mode == "L" else picture.convert(mode)
