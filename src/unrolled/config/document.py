"""Settings as they were written: a YAML file, overrides on top of it, and the location of each setting.

A path names a setting, as in ``network.1.LSTM.units``; the same path serves ``--set`` and every error message.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from unrolled.config.plain_yaml import DEEPEST, LARGEST_WHOLE, MOST_CHARACTERS, SettingPath, read_yaml
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.storage import cannot_read

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

# A message quotes no more of a value.
_LONGEST_QUOTE = 80


@dataclass(frozen=True)
class Document:
    """A tree of plain values, and the location where each was written.

    Attributes:
        values: Mappings, lists, texts, numbers, booleans and None.
        locations: ``digits.yaml:7`` or ``--set training.epochs`` for each path.
        name: The name of the whole in messages.
    """

    values: Any
    name: str
    locations: Mapping[SettingPath, str] = field(default_factory=dict)

    def where(self, path: SettingPath, *, group: SettingPath | None = None) -> str:
        """Return the location of a setting, or of the nearest one around it, and its path or that of its ``group``."""
        around = [path[:length] for length in range(len(path), 0, -1)]
        near = next((near for near in around if near in self.locations), ())
        location = self.locations.get(near, self.name)
        named = path if group is None else group
        is_in_location = location.startswith("--") and len(named) <= len(near)
        return f"{location}: {format_path(named)}" if named and not is_in_location else location

    def override(self, assignments: Iterable[str]) -> "Document":
        """Return the document with each ``PATH=VALUE`` applied; values are read as YAML.

        Raises:
            InvalidSetting: An assignment has no ``=``, or its path leads nowhere.
        """
        document = self
        for assignment in assignments:
            text, equals, value = assignment.partition("=")
            if not equals or not text:
                raise InvalidSetting(
                    f'--set: expected PATH=VALUE, got "{assignment}". Write for example: --set training.epochs=5'
                )
            path = tuple(int(key) if key.isdecimal() and len(key) < 10 else key for key in text.strip().split("."))
            if len(path) > DEEPEST:
                raise InvalidSetting(
                    f"--set: expected a path of at most {DEEPEST} names, got {len(path):,}. Shorten it."
                )
            document = document.replace(path, parse_yaml(value, f"--set {text}"), f"--set {text}")
        return document

    def replace(self, path: SettingPath, value: Any, location: str) -> "Document":
        """The same document with one setting replaced or added, which was written at ``location``.

        Raises:
            InvalidSetting: The path leads nowhere.
        """
        settings = _replace(self.values, path, value, location)
        locations = {kept: where for kept, where in self.locations.items() if kept[: len(path)] != path}
        groups = [path[:length] for length in range(1, len(path)) if not _exists(self.values, path[:length])]
        return Document(settings, self.name, {**locations, **dict.fromkeys([*groups, path], location)})


def read_document(path: Path, name: str | None = None) -> Document:
    """Read a YAML 1.2 file.

    Raises:
        InvalidSetting: The file is missing, too large, or not YAML.
    """
    name = name or str(path)
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MOST_CHARACTERS + 1)
    except FileNotFoundError:
        raise InvalidSetting(f"{name}: no such file. Check the path.") from None
    except UnicodeDecodeError:
        raise InvalidSetting(f"{name}: not a text file in UTF-8. Save it as UTF-8.") from None
    except OSError as error:
        raise InvalidSetting(str(cannot_read(path, error, "an experiment file"))) from None
    values, locations = read_yaml(text, name)
    return Document(values, name, locations)


def parse_yaml(text: str, name: str) -> Any:
    """Parse one value by the rules of a file: ``1e-4`` is a number, ``no`` is a word."""
    return read_yaml(text, name)[0]


def write_yaml(settings: Any) -> str:
    """Return the settings as YAML that reads back as the same."""
    stream = StringIO()
    yaml = _yaml()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(settings, stream)
    return stream.getvalue()


def format_inline(value: Any, *, digits: int | None = None) -> str:
    """Return a value as YAML on one line.

    Args:
        value: Mappings, lists and what they hold.
        digits: Number of significant digits of a number with a fraction; all by default.

    Example:
        >>> format_inline({"LSTM": {"units": 64, "go_backwards": True, "dropout": 0.123456}}, digits=4)
        '{LSTM: {units: 64, go_backwards: true, dropout: 0.1235}}'
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {format_inline(part, digits=digits)}' for key, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(format_inline(part, digits=digits) for part in value)}]"
    if digits is not None and isinstance(value, float):
        return f"{value:.{digits}g}"
    return write_yaml(value).removesuffix("...\n").strip()


def format_path(path: SettingPath) -> str:
    """Return a path for messages.

    Example:
        >>> format_path(("network", 2, "LSTM"))
        'network[2].LSTM'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


class _Representer(RoundTripRepresenter):
    """Writes ``null`` as a word, which an item of a list needs to be seen."""


_Representer.add_representer(type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null"))


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.version = None
    yaml.width = 110
    return yaml


def _exists(tree: Any, path: SettingPath) -> bool:
    for key in path:
        if isinstance(tree, list) and isinstance(key, int) and key < len(tree):
            tree = tree[key]
        elif isinstance(tree, dict) and key in tree:
            tree = tree[str(key)]
        else:
            return False
    return True


def _replace(tree: Any, path: SettingPath, value: Any, where: str) -> Any:
    """Return a copy of the tree with the value at the path; missing mappings are made."""
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
        raise InvalidSetting(
            f'{where}: expected a setting with parts, got the value {tree!r} before "{key}". Shorten the path.'
        )
    tree = tree or {}
    if rest and key not in tree and len(tree) == 1 and next(iter(tree))[:1].isupper():
        raise InvalidSetting(
            f'{where}: expected "{next(iter(tree))}" there, got "{key}".{did_you_mean(str(key), tree)} '
            "Name the class that stands there, or replace all of it."
        )
    return {**tree, str(key): _replace(tree.get(str(key)), rest, value, where)}


_EXPECTED = {
    "int_type": "a whole number",
    "string_type": "text",
    "model_type": "a section of settings",
    "tuple_type": "a list of layers",
    "too_short": "a list of at least one layer",
    "string_pattern_mismatch": "a name of letters, digits, dots, hyphens and underscores",
}


def first_problem(error: ValidationError, document: Document, schema: type[BaseModel]) -> str:
    """Return the first problem that pydantic found in a document, as one line with its location and remedy."""
    # A required setting that is misspelt is both unknown and missing; the unknown word tells more.
    problem = min(error.errors(), key=lambda found: found["type"] == "missing")
    path = _path_in(document.values, problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f'{document.where(path, group=path[:-1])}: unknown setting "{path[-1]}".{_likely_setting(path, schema)}'
    if problem["type"] == "missing":
        return f'{document.where(path[:-1])}: the setting "{path[-1]}" is missing. Add it.'
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    expected = expected.removeprefix("Input should be ").replace("String should have", "text of", 1)
    expected = re.sub(r"^(greater|less) than", r"a number \1 than", expected)
    if ", got " in expected:
        return f"{document.where(path)}: expected {expected}"
    return f"{document.where(path)}: expected {expected}, got {describe_value(problem['input'])}."


def _likely_setting(path: SettingPath, schema: type[BaseModel]) -> str:
    """Return the remedy for an unknown setting: the path that was likely meant, or those that there are."""
    name, known = str(path[-1]), _keys(schema, path[:-1])
    elsewhere = setting_paths(name, schema)
    if elsewhere and len(elsewhere[0]) == 1 and len(path) > 1:
        return f' "{name}" belongs to no section. Move it out of {path[-2]}.'
    if elsewhere:
        return f' Did you mean "{".".join(elsewhere[0])}"?'
    return did_you_mean(name, known) or f" Choose among: {', '.join(known)}."


def setting_paths(name: str, schema: type[BaseModel]) -> list[tuple[str, ...]]:
    """Return the paths of all settings of that name in a schema.

    Args:
        name: ``epochs``.
        schema: The model of the whole document.

    Returns:
        ``[("training", "epochs")]``.
    """
    found: list[tuple[str, ...]] = []
    for key, info in schema.model_fields.items():
        if key == name:
            found.append((key,))
        if (section := model_in(info.annotation)) is not None:
            found += [(key, *path) for path in setting_paths(name, section)]
    return found


def describe_value(value: Any) -> str:
    """Return a description of a value, for messages.

    Example:
        >>> describe_value("three"), describe_value([1, 2]), describe_value([]), describe_value(None)
        ("'three'", 'a list', 'an empty list', 'nothing')
    """
    if value in ([], ()):
        return "an empty list"
    kinds = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    if type(value) is int and abs(value) >= LARGEST_WHOLE:
        return "a number beyond 2^63"
    text = kinds.get(type(value)) or repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _path_in(settings: Any, location: tuple[str | int, ...]) -> SettingPath:
    """Return pydantic's location without the names of union members, which are not in the document."""
    path: list[str | int] = []
    location = tuple(key for key in location if not str(key).startswith("<"))
    for index, key in enumerate(location):
        inside = isinstance(settings, dict) and key in settings
        inside = inside or (isinstance(settings, list) and isinstance(key, int))
        if inside or (index == len(location) - 1 and isinstance(settings, dict)):
            path.append(key)
            settings = settings[key] if inside else None
    return tuple(path)


def _keys(schema: type[BaseModel], path: SettingPath) -> list[str]:
    """Return the keys of the section at a path."""
    for key in path:
        schema = model_in(schema.model_fields[str(key)].annotation) or schema
    return list(schema.model_fields)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation allows, however wrapped, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_in(part))), None)


def check_no_search(document: Document) -> None:
    """Refuse a document with a search in it.

    Raises:
        InvalidSetting: There is one; the message names the first.
    """
    path = next(search_paths(document.values, ()), None)
    if path is None:
        return
    setting = ".".join(str(key) for key in path)
    raise InvalidSetting(
        f"{document.where(path)}: expected one value, got a search. "
        f"Use unrolled search, or set a value: --set {setting}=VALUE"
    )


def search_paths(tree: Any, path: SettingPath) -> Iterator[SettingPath]:
    """Yield the paths of all searches, the outer ones before those within them."""
    if is_search(tree):
        yield path
        tree, path = tree[SEARCH], (*path, SEARCH)
    for key, part in parts_of(tree):
        yield from search_paths(part, (*path, key))


SEARCH = "search"


def is_search(tree: Any) -> bool:
    """Return True if a tree is a search: a value that trials choose."""
    return isinstance(tree, dict) and SEARCH in tree


def parts_of(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys or indices of a tree's parts, each with the part."""
    if isinstance(tree, dict):
        yield from tree.items()
    elif isinstance(tree, list):
        yield from enumerate(tree)
