"""Settings as they were written: a YAML file, ``--set`` on top of it, and where each of them stands.

A path names a setting, as in ``network.1.LSTM.units``; the same path serves ``--set`` and every error message.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from unrolled.errors import InvalidSetting, did_you_mean

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Key = str | int
SettingPath = tuple[Key, ...]


@dataclass(frozen=True)
class Document:
    """A tree of plain values, and the place where each was written.

    Attributes:
        settings: Mappings, lists, texts, numbers, booleans and None.
        places: ``digits.yaml:7`` or ``--set training.epochs`` for each path.
        name: What to call the whole.
    """

    settings: Any
    name: str
    places: Mapping[SettingPath, str] = field(default_factory=dict)

    def where(self, path: SettingPath, *, group: SettingPath | None = None) -> str:
        """The place of a setting, or of the nearest one around it, and its path or that of its ``group``."""
        around = [path[:length] for length in range(len(path), 0, -1)]
        near = next((near for near in around if near in self.places), ())
        place = self.places.get(near, self.name)
        named = path if group is None else group
        said_by_place = place.startswith("--set") and len(named) <= len(near)
        return f"{place}: {spell(named)}" if named and not said_by_place else place

    def override(self, assignments: Iterable[str]) -> "Document":
        """The same document with each ``PATH=VALUE`` put in its place; values are read as YAML.

        Raises:
            InvalidSetting: An assignment has no ``=``, or its path leads nowhere.
        """
        settings, places = self.settings, dict(self.places)
        for assignment in assignments:
            text, equals, value = assignment.partition("=")
            if not equals or not text:
                raise InvalidSetting(
                    f'--set: expected PATH=VALUE, got "{assignment}". Write for example: --set training.epochs=5'
                )
            path = tuple(int(key) if key.isdecimal() else key for key in text.strip().split("."))
            settings = _replace(settings, path, parse_yaml(value, f"--set {text}"), f"--set {text}")
            places = {kept: place for kept, place in places.items() if kept[: len(path)] != path}
            places[path] = f"--set {text}"
        return Document(settings, self.name, places)


def read_document(path: Path, name: str | None = None) -> Document:
    """Read a YAML 1.2 file.

    Raises:
        InvalidSetting: The file is missing, or is not YAML.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidSetting(f"{name}: expected an experiment file, got nothing there. Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{name}: expected a text file, got one that cannot be read ({error}).") from None
    places: dict[SettingPath, str] = {}
    tree = _load(text, name)
    _note_places(tree, (), name, places)
    return Document(_plain(tree), name, places)


def parse_yaml(text: str, name: str) -> Any:
    """One value, as a file would have it: ``1e-4`` is a number, ``no`` is a word."""
    return _plain(_load(text, name))


def write_yaml(settings: Any) -> str:
    """The settings as text that reads back as the same."""
    stream = StringIO()
    yaml = _yaml()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(settings, stream)
    return stream.getvalue()


def spell(path: SettingPath) -> str:
    """A path as messages write it.

    Example:
        >>> spell(("network", 2, "LSTM"))
        'network[2].LSTM'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.version = None
    yaml.width = 110
    return yaml


def _load(text: str, name: str) -> Any:
    try:
        return _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = re.sub(r"\s+", " ", str(error.problem)).split(" with value")[0]
        raise InvalidSetting(f"{name}{line}: expected YAML, got: {problem}. Check the line.") from None
    except (YAMLError, ValueError) as error:
        raise InvalidSetting(f"{name}: expected YAML, got: {str(error).splitlines()[0]}. Check the file.") from None


def _note_places(tree: Any, path: SettingPath, name: str, places: dict[SettingPath, str]) -> None:
    if isinstance(tree, CommentedMap):
        lines = [(key, tree.lc.key(key)[0]) for key in tree]
    elif isinstance(tree, CommentedSeq):
        lines = [(index, tree.lc.item(index)[0]) for index in range(len(tree))]
    else:
        return
    for key, line in lines:
        places[*path, key] = f"{name}:{line + 1}"
        _note_places(tree[key], (*path, key), name, places)


def _plain(tree: Any) -> Any:
    """Plain Python values instead of ruamel's, which remember how they were written."""
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, str):
        return str(tree)
    if isinstance(tree, Sequence):
        return [_plain(value) for value in tree]
    return next((kind(tree) for kind in (bool, int, float) if isinstance(tree, kind)), tree)


def _replace(tree: Any, path: SettingPath, value: Any, where: str) -> Any:
    """A copy of the tree with the value at the path; a mapping that is not there yet is made."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(tree, list):
        if not isinstance(key, int) or key >= len(tree):
            raise InvalidSetting(f'{where}: expected an index from 0 to {len(tree) - 1}, got "{key}". Count from 0.')
        return [_replace(old, rest, value, where) if index == key else old for index, old in enumerate(tree)]
    if isinstance(tree, str) and key == tree:
        tree = {tree: {}}
    if not isinstance(tree, dict | None):
        raise InvalidSetting(f'{where}: expected a setting with parts, got the value {tree!r} before "{key}".')
    tree = tree or {}
    if rest and key not in tree and len(tree) == 1 and next(iter(tree))[:1].isupper():
        raise InvalidSetting(
            f'{where}: expected "{next(iter(tree))}" there, got "{key}".{did_you_mean(str(key), tree)} '
            "Name the layer that stands at that index."
        )
    return {**tree, str(key): _replace(tree.get(str(key)), rest, value, where)}
