"""Folders of pictures or texts with a folder for each class."""

from pathlib import Path

from unrolled.data.decoding import read_text
from unrolled.data.labeled import LabeledExamples
from unrolled.errors import DataError
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm")
TEXTS = (".txt", ".text", ".md")
# Left in folders by file managers.
_IGNORED = ("Thumbs.db", "desktop.ini")
_PARTS = (("train", "training"), ("test", "testing"))


def read_folder(folder: Path, side: int | None = None) -> dict[str, LabeledExamples]:
    """Read the pictures or texts of a folder with a folder for each class.

    Args:
        folder: A folder with a folder for each class, or with folders train and test, each with a folder for each
            class.
        side: The height and width to which pictures are resized; without it all must have one size.

    Returns:
        The examples of ``train``, and of ``test`` if there is such a folder; without the two all examples as ``train``.

    Raises:
        DataError: There are fewer than two classes, files of different kinds, or a file cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Check the path.")
    folders = {part: path for part, *others in _PARTS for name in (part, *others) if (path := folder / name).is_dir()}
    parts = {part: _read_part(path, side) for part, path in (folders or {"train": folder}).items()}
    if len({isinstance(labeled.inputs, list) for labeled in parts.values()}) > 1:
        raise DataError(f"{folder}: expected pictures or texts, got both. Have the same kind in train and test.")
    return parts


def _read_part(folder: Path, side: int | None) -> LabeledExamples:
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [(path, name.name) for name in classes for path in sorted(name.iterdir()) if _is_example(path)]
    if len(classes) < 2 or not files:
        raise DataError(
            f"{folder}: expected a folder for each of two classes or more with files in it, got {len(classes)} folders "
            f"and {len(files)} files. Sort the files into folders."
        )
    empty = next((path for path in classes if not any(file.parent == path for file, _ in files)), None)
    if empty is not None:
        raise DataError(f"{empty}: no files of this class. Add some, or remove the folder.")
    kinds = {_kind(path) for path, _ in files}
    if len(kinds) > 1:
        odd = next(path for path, _ in files if _kind(path) != _kind(files[0][0]))
        raise DataError(f"{odd}: expected files of the same kind as {files[0][0].name}. Remove one of the two.")
    paths = [path for path, _ in files]
    inputs = read_pictures(paths, side) if kinds == {"picture"} else [read_text(path)[0].strip() for path in paths]
    return LabeledExamples(inputs, [label for _, label in files], lambda example: str(paths[example]))


def _is_example(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "_")) and path.name not in _IGNORED


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "picture"
    if suffix in TEXTS:
        return "text"
    raise DataError(f"{path}: expected a picture or a text, got another kind of file. Remove it from the folder.")


def is_picture(path: Path) -> bool:
    """Return True if the name is that of a picture, or the file begins like one."""
    if path.suffix.lower() in PICTURES:
        return True
    try:
        with Image.open(path):
            return True
    except (OSError, ValueError, SyntaxError):
        return False


def read_pictures(paths: list[Path], side: int | None) -> NDArray[np.uint8]:
    """Read pictures of one size in grey levels.

    Args:
        paths: The files.
        side: The height and width to which pictures are resized; without it all must have one size.

    Returns:
        [B, height, width].

    Raises:
        DataError: A file is not a picture, or its size differs from that of the first.
    """
    pictures = [read_grey_picture(path, side) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            (height, width), (first_height, first_width) = picture.shape, pictures[0].shape
            raise DataError(
                f"{path}: expected {first_width}x{first_height} pixels as in {paths[0].name}, got {width}x{height}. "
                "Resize all pictures: data: {folder: ..., side: 32}"
            )
    return np.stack(pictures)


def read_grey_picture(path: Path, side: int | None = None) -> NDArray[np.uint8]:
    """Read a picture in grey levels.

    Args:
        path: The file.
        side: The height and width to which the picture is resized; without it the picture keeps its size.

    Returns:
        [height, width].

    Raises:
        DataError: The file is missing, damaged or not a picture.
    """
    try:
        with Image.open(path) as stored:
            grey = stored.convert("L")
            if side is not None:
                grey = grey.resize((side, side), Image.Resampling.LANCZOS)
            return np.asarray(grey, np.uint8)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise cannot_read(path, error) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        reason = str(error).splitlines()[0][:80] or type(error).__name__
        raise DataError(f"{path}: not a picture, or a damaged one ({reason}). Remove it.") from None
