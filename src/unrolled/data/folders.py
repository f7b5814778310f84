"""A folder with a folder for each class: pictures, or texts."""

from pathlib import Path

from unrolled.data.decoding import read_text
from unrolled.data.labeled import LabeledExamples
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm")
TEXTS = (".txt", ".text", ".md")
# What file managers leave in folders.
_NO_EXAMPLES = ("Thumbs.db", "desktop.ini")
PARTS = (("train", "training"), ("test", "testing"))


def read_folder(folder: Path, side: int | None = None) -> dict[str, LabeledExamples]:
    """Read a folder's examples, by part: ``train`` and ``test`` where it has folders of those names, else ``train``.

    Args:
        folder: Its folders are the classes, or parts with a folder for each class.
        side: Pictures are brought to side x side pixels; without it all must be of one size.

    Raises:
        DataError: There are no classes, files of different kinds, or a file cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder, got none. Check the path.")
    parts = {part: found for part, *others in PARTS for name in (part, *others) if (found := folder / name).is_dir()}
    read = {part: _read_part(place, side) for part, place in (parts or {"train": folder}).items()}
    if len({isinstance(labeled.inputs, list) for labeled in read.values()}) > 1:
        raise DataError(f"{folder}: expected pictures or texts, got both. Have the same kind in train and test.")
    return read


def _read_part(folder: Path, side: int | None) -> LabeledExamples:
    classes = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    files = [(path, place.name) for place in classes for path in sorted(place.iterdir()) if _is_example(path)]
    if len(classes) < 2 or not files:
        raise DataError(
            f"{folder}: expected a folder for each of two classes or more with files in it, got {len(classes)} folders "
            f"and {len(files)} files. Sort the files into folders."
        )
    empty = next((place for place in classes if not any(path.parent == place for path, _ in files)), None)
    if empty is not None:
        raise DataError(f"{empty}: expected files of this class, got none. Add some, or remove the folder.")
    kinds = {_kind(path) for path, _ in files}
    if len(kinds) > 1:
        odd = next(path for path, _ in files if _kind(path) != _kind(files[0][0]))
        raise DataError(f"{odd}: expected files of the same kind as {files[0][0].name}. Remove the one or the other.")
    paths = [path for path, _ in files]
    inputs = read_pictures(paths, side) if kinds == {"picture"} else [read_text(path)[0].strip() for path in paths]
    return LabeledExamples(inputs, [label for _, label in files], lambda example: str(paths[example]))


def _is_example(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "_")) and path.name not in _NO_EXAMPLES


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "picture"
    if suffix in TEXTS:
        return "text"
    raise DataError(f"{path}: expected a picture or a text file, got another kind. Remove it from the folder.")


def read_pictures(paths: list[Path], side: int | None) -> NDArray[np.uint8]:
    """[B, height, width] in grey levels.

    Args:
        paths: Files of pictures.
        side: As in ``read_folder``.

    Raises:
        DataError: One is no picture, or is of another size than the first.
    """
    pictures = [_picture(path, side) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            (height, width), (first_height, first_width) = picture.shape, pictures[0].shape
            raise DataError(
                f"{path}: expected {first_width}x{first_height} pixels as in {paths[0].name}, got {width}x{height}. "
                "Have all brought to one size: data: {folder: ..., side: 32}"
            )
    return np.stack(pictures)


def _picture(path: Path, side: int | None) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as stored:
            grey = stored.convert("L")
            if side is not None:
                grey = grey.resize((side, side), Image.Resampling.LANCZOS)
            return np.asarray(grey, np.uint8)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        reason = str(error).splitlines()[0][:80] or type(error).__name__
        raise DataError(f"{path}: expected a picture, got a damaged or another file ({reason}). Remove it.") from None
