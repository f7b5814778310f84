"""Where an experiment is written: a recipe that comes with the package, a file of the user's, or a mapping."""

import os
import re
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from unrolled.data.catalogue import NAMED, looks_like_a_file
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.experiments.document import Document, read_document

_PATHS = ("file", "labels", "train", "test", "folder")


def recipes() -> dict[str, Path]:
    """The named experiments that come with the package."""
    with as_file(files("unrolled.experiments") / "recipes") as folder:
        return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_document(experiment: str | Path | Mapping[str, Any]) -> Document:
    """The document of a recipe's name, a file, or the settings themselves.

    Raises:
        InvalidSetting: There is no such recipe or file.
    """
    if isinstance(experiment, Mapping):
        return Document(dict(experiment), "experiment")
    known = recipes()
    if str(experiment) in known:
        return _named(read_document(known[str(experiment)], str(experiment)), str(experiment))
    if not looks_like_a_file(experiment):
        raise InvalidSetting(
            f'train: unknown recipe "{experiment}".{did_you_mean(str(experiment), known)} '
            "List them with: unrolled recipes"
        )
    return anchored(_named(read_document(Path(experiment)), Path(experiment).stem), Path(experiment).parent)


def anchored(document: Document, folder: Path) -> Document:
    """The document with its data file as an absolute path; those of a file are relative to that file."""
    data = document.settings.get("data") if isinstance(document.settings, dict) else None
    if isinstance(data, str) and data not in NAMED and looks_like_a_file(data):
        data = {"folder" if os.path.isdir(folder / data) else "file": data}  # noqa: PTH112
    if not isinstance(data, dict):
        return document
    paths = {key: str((folder / data[key]).resolve()) for key in _PATHS if isinstance(data.get(key), str)}
    settings = {**document.settings, "data": {**data, **paths}}
    return Document(settings, document.name, document.places)


def _named(document: Document, stem: str) -> Document:
    """The document with its file's name where it names itself nothing."""
    if not isinstance(document.settings, dict) or "name" in document.settings:
        return document
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-") or "experiment"
    return Document({"name": name, **document.settings}, document.name, document.places)
