"""Folders of pictures, sounds or texts with a folder for each class."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unrolled.data.audio import BANDS, HOP_SECONDS, OTHER_SOUNDS, SOUNDS, read_sounds
from unrolled.data.decoding import read_text
from unrolled.data.images import GREY, PICTURES, RGB, read_images
from unrolled.data.labeled import LabeledExamples
from unrolled.errors import DataError

TEXTS = (".txt", ".text", ".md")
# Left in folders by file managers.
_IGNORED = ("Thumbs.db", "desktop.ini")
_PARTS = (("train", "training"), ("test", "testing"))


@dataclass(frozen=True)
class FolderSettings:
    """Settings with which the pictures or sounds of a folder are read.

    Attributes:
        side: The height and width of a square into which pictures are scaled; without it all must have one size.
        channels: ``grey`` or ``rgb``; without it ``rgb`` if any training picture has colours.
        rate: The sampling rate to which sounds are resampled, in Hz; without it all must have one.
    """

    side: int | None = None
    channels: str | None = None
    rate: int | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the settings that have a value."""
        return tuple(name for name, value in vars(self).items() if value is not None)


@dataclass(frozen=True)
class _Kind:
    """A kind of file in folders.

    Attributes:
        name: A plural noun for messages.
        suffixes: The suffixes of file names, in lower case.
        settings: The settings with which files of this kind are read.
    """

    name: str
    suffixes: tuple[str, ...]
    settings: tuple[str, ...] = ()


_PICTURES = _Kind("pictures", PICTURES, ("side", "channels"))
_SOUNDS = _Kind("sounds", SOUNDS, ("rate",))
_KINDS = (_PICTURES, _SOUNDS, _Kind("texts", TEXTS))


@dataclass(frozen=True)
class _Files:
    """The examples of a folder: their files, all of one kind, and the name of each one's class."""

    kind: _Kind
    paths: list[Path]
    labels: list[str]


def read_folder(folder: Path, settings: FolderSettings | None = None) -> dict[str, LabeledExamples]:
    """Read the pictures, sounds or texts of a folder with a folder for each class.

    Args:
        folder: A folder with a folder for each class, or with folders train and test, each with a folder for each
            class.
        settings: How they are read; what is left out is decided by the training files.

    Returns:
        The examples of ``train``, and of ``test`` if there is such a folder; without the two all examples as ``train``.

    Raises:
        DataError: There are fewer than two classes, files of different kinds, a file cannot be read, or a setting does
            not suit the kind of file.
    """
    settings = settings or FolderSettings()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Check the path.")
    folders = {part: path for part, *others in _PARTS for name in (part, *others) if (path := folder / name).is_dir()}
    parts = {part: _find_files(path) for part, path in (folders or {"train": folder}).items()}
    kind, *others = {files.kind.name: files.kind for files in parts.values()}.values()
    if others:
        raise DataError(f"{folder}: expected {kind.name} in both train and test, got {others[0].name}. Use one kind.")
    for name in (name for name in settings.named if name not in kind.settings):
        other = next(kind.name for kind in _KINDS if name in kind.settings)
        raise DataError(
            f"{folder}: data.{name} is a setting of {other}, but the folder holds {kind.name}. Leave it out, or name a "
            f"folder of {other}."
        )
    examples = {}
    for part, files in parts.items():
        examples[part] = _read_files(files, settings)
        settings = replace(settings, **examples[part].found_settings)
    return examples


def list_examples(folder: Path) -> list[Path]:
    """Return the files in a folder and in the folders within it, sorted, without those of file managers.

    Raises:
        DataError: There are none.
    """
    visible = (path for path in folder.rglob("*") if not any(part[0] == "." for part in path.relative_to(folder).parts))
    found = sorted(path for path in visible if _is_example(path))
    if not found:
        raise DataError(f"{folder}: no files in the folder. Name another one.")
    return found


def describe_files(examples: LabeledExamples, settings: FolderSettings) -> str:
    """Return a note that says what the files decided; empty for texts, and where the user had decided it."""
    found = examples.found_settings
    if "rate" in found:
        seconds = sorted({f"{len(series) * HOP_SECONDS:.2f}" for series in examples.inputs}, key=float)
        lengths = " to ".join(dict.fromkeys((seconds[0], seconds[-1])))
        return (
            f"sounds of {lengths} seconds at {found['rate']:,} Hz, read as {BANDS} log-mel energies "
            f"every {1000 * HOP_SECONDS:.0f} ms"
        )
    if "channels" not in found or settings.channels is not None:
        return ""
    if found["channels"] == GREY:
        return "pictures without colours, read in grey levels (channels: grey)"
    return "pictures with colours, read in red, green and blue (channels: rgb)"


def _find_files(folder: Path) -> _Files:
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
    kind = _kind(files[0][0])
    odd = next((path for path, _ in files if _kind(path) is not kind), None)
    if odd is not None:
        raise DataError(f"{odd}: expected files of the same kind as {files[0][0].name}. Remove one of the two.")
    return _Files(kind, [path for path, _ in files], [label for _, label in files])


def _read_files(files: _Files, settings: FolderSettings) -> LabeledExamples:
    inputs: Any
    found: Mapping[str, Any] = {}
    if files.kind is _PICTURES:
        inputs = read_images(files.paths, settings.channels, settings.side)
        found = {"channels": RGB if inputs.ndim == 4 else GREY}
    elif files.kind is _SOUNDS:
        inputs, rate = read_sounds(files.paths, settings.rate)
        found = {"rate": rate}
    else:
        inputs = [read_text(path)[0].strip() for path in files.paths]
    return LabeledExamples(inputs, files.labels, lambda example: str(files.paths[example]), found_settings=found)


def _is_example(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "_")) and path.name not in _IGNORED


def _kind(path: Path) -> _Kind:
    suffix = path.suffix.lower()
    kind = next((kind for kind in _KINDS if suffix in kind.suffixes), None)
    if kind is not None:
        return kind
    if suffix in OTHER_SOUNDS:
        raise DataError(f"{path}: expected a WAV file, got another kind of sound. Convert it to WAV.")
    raise DataError(
        f"{path}: expected a picture, a sound (.wav) or a text, got another kind of file. Remove it from the folder."
    )
