"""Data sets and network inputs for people: their numbers, drawings in the terminal, and pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.data.images import open_picture, to_grey, to_rgb
from unrolled.data.labeled_steps import has_numbers
from unrolled.data.pictures import save_png
from unrolled.data.ragged import Ragged, lengths
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

SHADES = " ░▒▓█"
MOST_EXAMPLES = 6
PAPER, INK, QUIET, ACCENT = (252, 252, 250), (28, 36, 48), (102, 112, 128), (36, 87, 197)
PIXEL_RANGE = np.array([0, 255])
# The luminance of red, green and blue, as Pillow computes it.
_LUMINANCE = np.array([0.299, 0.587, 0.114])

Rgb = tuple[int, int, int]


def describe(data: Dataset) -> dict[str, Any]:
    """Describe a data set as JSON: shapes, dtype, range before and after scaling, examples per class."""
    return {
        "name": data.name,
        "kind": data.kind,
        "source": data.source,
        "classes": list(data.classes),
        "notes": list(data.notes),
        **{name: _describe_split(split, data) for name, split in data.parts.items()},
    }


def _describe_split(split: Split, data: Dataset) -> dict[str, Any]:
    if data.kind != "arrays":
        return _describe_sequences(split, data)
    low, high = split.inputs.min().item(), split.inputs.max().item()
    return {
        "inputs_shape": list(split.inputs.shape),
        "targets_shape": list(split.targets.shape),
        "dtype": str(split.inputs.dtype),
        "range": [low, high],
        "range_scaled": [low / 255, high / 255] if split.inputs.dtype == np.uint8 else [low, high],
        "mean": round(float(split.inputs.mean(dtype=np.float64)), 4),
        **_describe_targets(split, data),
    }


def _describe_sequences(split: Split, data: Dataset) -> dict[str, Any]:
    """Describe texts or series: their number, their lengths in characters or steps, range, examples per class."""
    steps = lengths(split.inputs)
    facts: dict[str, Any] = {
        "examples": split.size,
        "lengths": {"least": int(steps.min()), "median": float(np.median(steps)), "most": int(steps.max())},
    }
    if data.kind == "series":
        facts["range"] = [
            float(np.nanmin([np.nanmin(item, initial=np.inf) for item in split.inputs])),
            float(np.nanmax([np.nanmax(item, initial=-np.inf) for item in split.inputs])),
        ]
        facts["missing"] = sum(int(np.isnan(item).sum()) for item in split.inputs)
    if data.train.size > 1 and not data.timelines:
        facts |= _describe_targets(split, data)
    return facts


def _describe_targets(split: Split, data: Dataset) -> dict[str, Any]:
    """Return the number of examples (or steps) of each class or label, or the range and the mean of each number."""
    targets = split.targets
    if data.target_kind == "numbers":
        targets = targets.joined[has_numbers(targets.joined)] if isinstance(targets, Ragged) else targets
        figures = (targets.min(axis=0), targets.mean(axis=0), targets.max(axis=0))
        rows = zip(data.classes, *(values.tolist() for values in figures), strict=True)
        return {"targets": {name: {"least": low, "mean": mean, "most": high} for name, low, mean, high in rows}}
    if isinstance(targets, Ragged):
        targets = targets.joined[targets.joined >= 0]
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=len(data.classes))
    return {"count_per_class": {name: int(count) for name, count in zip(data.classes, counts, strict=True)}}


def quote(data: Dataset, width: int) -> list[tuple[str, str]]:
    """Return what they have and the beginnings of the first training texts, for a terminal of that width."""
    quotes = []
    for text, target in zip(data.train.inputs[:MOST_EXAMPLES], data.train.targets[:MOST_EXAMPLES], strict=True):
        line = " ".join(str(text[: 2 * width]).split())
        quotes.append((_format_target(target, data), line))
    return quotes


def _format_target(target: Any, data: Dataset) -> str:
    """Return what an example has, in few words."""
    if not data.classes:
        return ""
    if data.target_kind == "class":
        return str(data.classes[target])
    if data.target_kind == "numbers":
        return "  ".join(f"{value:.4g}" for value in target)
    return ", ".join(name for name, has in zip(data.classes, target, strict=True) if has) or "none"


def draw_in_terminal(data: Dataset, width: int) -> str:
    """Draw the first training images side by side, two rows of pixels to a line, with their classes.

    Args:
        data: A data set of images.
        width: The width of the terminal in characters, which decides how many images fit.
    """
    images = np.stack([_scale_to_unit(_luminance(image)) for image in data.train.inputs[:MOST_EXAMPLES]])
    inked = np.flatnonzero(images.any(axis=(0, 1)))
    images = images[:, :, inked[0] : inked[-1] + 1] if inked.size else images
    columns = images.shape[2]
    images = images[: max(1, width // (columns + 1))]
    lines = [" ".join(parts).rstrip() for parts in zip(*(_shade(image) for image in images), strict=True)]
    return "\n".join(
        line[:width] for line in [*(line for line in lines if line), _captions(data, len(images), columns)]
    )


def _captions(data: Dataset, images: int, columns: int) -> str:
    """Return the classes of the first training images, each in the middle below its image."""
    names = (_format_target(target, data)[:columns].center(columns) for target in data.train.targets[:images])
    return " ".join(names).rstrip()


def draw_in_colours(data: Dataset, width: int) -> tuple[list[list[tuple[Rgb, Rgb]]], str]:
    """Draw the first training images side by side for a terminal with colours, two rows of pixels to a line.

    Args:
        data: A data set of images in colours.
        width: The width of the terminal in characters, which decides how many images fit.

    Returns:
        For each line the colours of the upper and of the lower pixel of each character, black between images; and the
        line of their classes.
    """
    images = [_levels(image, _span_of(image)) for image in data.train.inputs[:MOST_EXAMPLES]]
    shown = images[: max(1, width // (images[0].shape[1] + 1))]
    sheet = np.concatenate([np.pad(image, ((0, len(image) % 2), (0, 1), (0, 0))) for image in shown], axis=1)
    pairs = sheet[:, : min(width, sheet.shape[1] - 1)].reshape(len(sheet) // 2, 2, -1, 3)
    lines = [list(zip(map(tuple, upper), map(tuple, lower), strict=True)) for upper, lower in pairs.tolist()]
    return lines, _captions(data, len(shown), images[0].shape[1])[:width]


def _luminance(image: NDArray[Any]) -> NDArray[Any]:
    return image @ _LUMINANCE if image.ndim == 3 else image


def _scale_to_unit(image: NDArray[Any]) -> NDArray[Any]:
    """Scale the range of an image to 0 to 1."""
    values = image.astype(np.float32)
    scaled: NDArray[Any] = (values - values.min()) / ((values.max() - values.min()) or 1)
    return scaled


def _shade(values: NDArray[Any]) -> list[str]:
    if len(values) % 2:
        values = np.vstack([values, np.zeros_like(values[:1])])
    pairs = values.reshape(len(values) // 2, 2, -1).mean(axis=1)
    levels = np.ceil(pairs * (len(SHADES) - 1) - 0.15).astype(int)
    return ["".join(SHADES[level] for level in row) for row in levels]


def picture(data: Dataset, seed: int = 0) -> Image.Image:
    """Draw a labeled grid of training images, and one image as a recurrent network reads it, row by row.

    Args:
        data: A data set of images.
        seed: Decides which examples are drawn.
    """
    grid, reading = _draw_classes(data, seed), _draw_reading(data)
    margin = 32
    sheet = Image.new(
        "RGB", (max(grid.width, reading.width) + 2 * margin, grid.height + reading.height + 3 * margin), PAPER
    )
    sheet.paste(grid, (margin, margin))
    sheet.paste(reading, (margin, grid.height + 2 * margin))
    return sheet


def save_picture(data: Dataset, path: Path) -> None:
    """Write the ``picture`` of a data set as a PNG.

    Raises:
        DataError: The examples are not images.
        WriteError: The file cannot be written, or another file has that name.
    """
    if not data.has_images or data.target_kind != "class":
        got = list(data.example_shape) if not data.has_images else f"examples of {data.target_kind}"
        raise DataError(f"{data.name}: expected images to draw, got {got}. Leave out --picture.")
    save_png(picture(data), path)


def _draw_classes(data: Dataset, seed: int, columns: int = 14) -> Image.Image:
    """Draw a row of examples of each class, after its name."""
    random = np.random.default_rng(seed)
    shown = [index for index in range(len(data.classes)) if (data.train.targets == index).any()][:20]
    font, cell, gap = ImageFont.load_default(17), 56, 6
    label = max(int(font.getlength(data.classes[index])) for index in shown) + 24
    title = 40
    sheet = Image.new("RGB", (label + columns * (cell + gap), title + len(shown) * (cell + gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((0, 4), f"{data.name}: training examples of each class", fill=INK, font=ImageFont.load_default(20))
    for row, index in enumerate(shown):
        top = title + row * (cell + gap)
        draw.text((0, top + cell // 2), data.classes[index], fill=INK, font=font, anchor="lm")
        members = np.flatnonzero(data.train.targets == index)
        chosen = random.choice(members, size=min(columns, len(members)), replace=False)
        for column, example in enumerate(chosen):
            sheet.paste(_enlarged(data.train.inputs[example], cell), (label + column * (cell + gap), top))
    return sheet


def _draw_reading(data: Dataset, frames: int = 7) -> Image.Image:
    """Draw an image as read up to a few steps, one row of pixels a step, above the row of that step."""
    image, name = data.train.inputs[0], data.classes[data.train.targets[0]]
    steps = np.unique(np.linspace(1, len(image), frames).round().astype(int))
    cell, gap, title, strip = 112, 16, 66, 26
    sheet = Image.new("RGB", (len(steps) * (cell + gap) - gap, title + cell + strip + 34), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (0, 0),
        f'How a recurrent network reads this "{name}": one row a step',
        fill=INK,
        font=ImageFont.load_default(20),
    )
    colours = " in red, green and blue" if image.ndim == 3 else ""
    caption = f"Above: the rows read so far. Below: the input of that step, a row of {image.shape[1]} pixels{colours}."
    draw.text((0, 30), caption, fill=QUIET, font=ImageFont.load_default(14))
    for number, step in enumerate(steps):
        left = number * (cell + gap)
        seen = image.copy()
        seen[step:] = image.min()
        sheet.paste(_enlarged(seen, cell, span=image), (left, title))
        line = title + round(step / len(image) * cell)
        draw.line([(left, line), (left + cell - 1, line)], fill=ACCENT, width=2)
        row = np.repeat(image[step - 1 : step], 5, axis=0)
        strip_image = _enlarged(row, cell, span=image).resize((cell, strip - 8), Image.Resampling.NEAREST)
        sheet.paste(strip_image, (left, title + cell + 10))
        text = f"step {step}"
        draw.text(
            (left + cell // 2, title + cell + strip + 18),
            text,
            fill=QUIET,
            font=ImageFont.load_default(14),
            anchor="mm",
        )
    return sheet


def _enlarged(image: NDArray[Any], side: int, span: NDArray[Any] | None = None) -> Image.Image:
    """Enlarge an image to ``side`` with square pixels, its levels over its own range or that of ``span``."""
    levels = _levels(image, _span_of(image) if span is None else _span_of(span))
    height, width = (max(1, round(length * side / max(levels.shape[:2]))) for length in levels.shape[:2])
    enlarged = Image.fromarray(levels).resize((width, height), Image.Resampling.NEAREST).convert("RGB")
    return ImageOps.pad(enlarged, (side, side), Image.Resampling.NEAREST, color=PAPER)


def _span_of(image: NDArray[Any]) -> NDArray[Any]:
    """Return values between which the levels of an image lie; colours of 8 bits are shown as they are."""
    return PIXEL_RANGE if image.ndim == 3 and image.dtype == np.uint8 else image


def _levels(image: NDArray[Any], span: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = float(span.min()), float(span.max())
    levels: NDArray[Any] = np.clip((image.astype(np.float32) - low) / ((high - low) or 1) * 255, 0, 255)
    return levels.astype(np.uint8)


@dataclass(frozen=True)
class PredictedPicture:
    """A picture with the input and the prediction that a network makes of it.

    Attributes:
        path: The file.
        image: [height, width] or [height, width, 3] uint8, the input of the network.
        prediction: The predicted class and its probability, for people.
    """

    path: Path
    image: NDArray[np.uint8]
    prediction: str


# In pixels.
CELL_SIDE, CELL_GAP, CAPTION_HEIGHT, GRID_MARGIN, TITLE_HEIGHT = 112, 8, 48, 24, 48
_CELL_WIDTH, _CELL_HEIGHT = 2 * CELL_SIDE + CELL_GAP, CELL_SIDE + CAPTION_HEIGHT
_MOST_COLUMNS = 6


def draw_input_grid(pictures: Sequence[PredictedPicture]) -> Image.Image:
    """Draw each picture beside the input of the network, above its file name and prediction.

    A picture is drawn in colours if the network reads colours, otherwise in grey levels.
    """
    columns = grid_columns(len(pictures))
    width, height = corner_of(columns - 1, columns)[0] + _CELL_WIDTH, corner_of(len(pictures) - 1, columns)[1]
    sheet = Image.new("RGB", (width + GRID_MARGIN, height + _CELL_HEIGHT + GRID_MARGIN), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    draw.text((GRID_MARGIN, 14), "Left: the picture. Right: the network's input.", fill=QUIET, font=font)
    for index, shown in enumerate(pictures):
        left, top = corner_of(index, columns)
        with open_picture(shown.path) as original:
            values = (to_rgb if shown.image.ndim == 3 else to_grey)(original)
        drawn = Image.fromarray(values.astype(np.uint8)).convert("RGB")
        sheet.paste(ImageOps.pad(drawn, (CELL_SIDE, CELL_SIDE), color=PAPER), (left, top))
        draw.rectangle((left - 1, top - 1, left + CELL_SIDE, top + CELL_SIDE), outline=QUIET)
        sheet.paste(_enlarged(shown.image, CELL_SIDE, PIXEL_RANGE), (left + CELL_SIDE + CELL_GAP, top))
        captions = ((_shorten(shown.path.name, font), INK), (shown.prediction, ACCENT))
        for line, (text, colour) in enumerate(captions):
            draw.text((left, top + CELL_SIDE + 6 + 20 * line), text, fill=colour, font=font)
    return sheet


def grid_columns(count: int) -> int:
    """Return the number of columns that makes a grid about square, at most six."""
    return min(count, _MOST_COLUMNS, math.ceil(math.sqrt(count * _CELL_HEIGHT / _CELL_WIDTH)))


def corner_of(index: int, columns: int) -> tuple[int, int]:
    """Return the left and top edge of a picture in the grid of ``draw_input_grid``, in pixels."""
    row, column = divmod(index, columns)
    left = GRID_MARGIN + column * (_CELL_WIDTH + GRID_MARGIN)
    return left, TITLE_HEIGHT + row * (_CELL_HEIGHT + GRID_MARGIN)


def _shorten(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut the middle out of a file name that is wider than its cell."""
    shortened, kept = name, len(name) // 2
    while font.getlength(shortened) > _CELL_WIDTH:
        kept -= 1
        shortened = f"{name[:kept]}...{name[-kept:]}"
    return shortened
