"""Looking at a data set before learning from it: its numbers, a few examples in the terminal, and pictures."""

from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, lengths
from unrolled.data.pictures import save_png
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

SHADES = " ░▒▓█"
MOST_DRAWN = 6
PAPER, INK, QUIET, ACCENT = (252, 252, 250), (28, 36, 48), (102, 112, 128), (36, 87, 197)

Rgb = tuple[int, int, int]


def describe(data: Dataset) -> dict[str, Any]:
    """The numbers that one looks at first, as JSON: shapes, type, range before and after scaling, class counts."""
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
    counts = np.bincount(split.targets, minlength=len(data.classes))
    return {
        "inputs_shape": list(split.inputs.shape),
        "targets_shape": list(split.targets.shape),
        "dtype": str(split.inputs.dtype),
        "range": [low, high],
        "range_scaled": [low / 255, high / 255] if split.inputs.dtype == np.uint8 else [low, high],
        "mean": round(float(split.inputs.mean(dtype=np.float64)), 4),
        "count_per_class": {name: int(count) for name, count in zip(data.classes, counts, strict=True)},
    }


def _describe_sequences(split: Split, data: Dataset) -> dict[str, Any]:
    """How many, how long (in characters or steps), what range, and how many of each class."""
    found = lengths(split.inputs)
    facts: dict[str, Any] = {
        "examples": split.size,
        "lengths": {"least": int(found.min()), "median": float(np.median(found)), "most": int(found.max())},
    }
    if data.kind == "series":
        facts["range"] = [
            float(np.nanmin([np.nanmin(item, initial=np.inf) for item in split.inputs])),
            float(np.nanmax([np.nanmax(item, initial=-np.inf) for item in split.inputs])),
        ]
        facts["missing"] = sum(int(np.isnan(item).sum()) for item in split.inputs)
    if split.size > 1:
        counts = np.bincount(split.targets, minlength=len(data.classes))
        facts["count_per_class"] = {name: int(count) for name, count in zip(data.classes, counts, strict=True)}
    return facts


def quote(data: Dataset, width: int) -> list[tuple[str, str]]:
    """The first training texts with their classes, each cut to the width of the terminal."""
    shown = []
    for text, target in zip(data.train.inputs[:MOST_DRAWN], data.train.targets[:MOST_DRAWN], strict=True):
        line = " ".join(str(text[: 2 * width]).split())
        shown.append((data.classes[target] if data.classes else "", line))
    return shown


def draw_in_terminal(data: Dataset, width: int) -> str:
    """The first training examples side by side, two rows of pixels to a line, with their classes.

    Args:
        data: Images.
        width: The terminal's width in characters; decides how many fit.
    """
    images = np.stack([_stretched(image) for image in data.train.inputs[:MOST_DRAWN]])
    drawn = np.flatnonzero(images.any(axis=(0, 1)))
    images = images[:, :, drawn[0] : drawn[-1] + 1] if drawn.size else images
    columns = images.shape[2]
    images = images[: max(1, width // (columns + 1))]
    lines = [" ".join(parts).rstrip() for parts in zip(*(_shade(image) for image in images), strict=True)]
    captions = [data.classes[target][:columns].center(columns) for target in data.train.targets[: len(images)]]
    return "\n".join(line[:width] for line in [*(line for line in lines if line), " ".join(captions).rstrip()])


def _stretched(image: NDArray[Any]) -> NDArray[Any]:
    """Values from 0 to 1, whatever the image's own range."""
    values = image.astype(np.float32)
    stretched: NDArray[Any] = (values - values.min()) / ((values.max() - values.min()) or 1)
    return stretched


def _shade(values: NDArray[Any]) -> list[str]:
    if len(values) % 2:
        values = np.vstack([values, np.zeros_like(values[:1])])
    pairs = values.reshape(len(values) // 2, 2, -1).mean(axis=1)
    levels = np.ceil(pairs * (len(SHADES) - 1) - 0.15).astype(int)
    return ["".join(SHADES[level] for level in row) for row in levels]


def picture(data: Dataset, seed: int = 0) -> Image.Image:
    """A labelled grid of training examples, and one example as the network reads it, row by row.

    Args:
        data: Images.
        seed: Decides which examples are drawn.
    """
    grid, reading = _grid(data, seed), _reading(data)
    margin = 32
    sheet = Image.new(
        "RGB", (max(grid.width, reading.width) + 2 * margin, grid.height + reading.height + 3 * margin), PAPER
    )
    sheet.paste(grid, (margin, margin))
    sheet.paste(reading, (margin, grid.height + 2 * margin))
    return sheet


def save_picture(data: Dataset, path: Path) -> None:
    """Write ``picture`` as a PNG.

    Raises:
        DataError: The examples are not images.
        WriteError: The file cannot be written, or is a picture of the user's own.
    """
    if data.train.inputs.ndim != 3:
        raise DataError(f"{data.name}: expected images to draw, got {list(data.example_shape)}. Leave out --picture.")
    save_png(picture(data), path)


def _grid(data: Dataset, seed: int, columns: int = 14) -> Image.Image:
    """A row of examples of each class, its name before it."""
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


def _reading(data: Dataset, frames: int = 7) -> Image.Image:
    """One example after more and more of its rows, each row one step of time, and the row that is read last."""
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
    caption = (
        f"Above: all that it has seen so far. Below: the row of {image.shape[1]} pixels that it is given at that step."
    )
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
    """The image in grey levels stretched over its own range or that of ``span``, its pixels kept square."""
    span = image if span is None else span
    low, high = float(span.min()), float(span.max())
    levels = np.clip((image.astype(np.float32) - low) / ((high - low) or 1) * 255, 0, 255).astype(np.uint8)
    height, width = (max(1, round(length * side / max(levels.shape))) for length in levels.shape)
    enlarged = Image.fromarray(levels).resize((width, height), Image.Resampling.NEAREST).convert("RGB")
    return ImageOps.pad(enlarged, (side, side), Image.Resampling.NEAREST, color=PAPER)
