"""YAML 1.2 as plain values with the line of each, within bounds: a file may come from anybody.

A file of a few hundred bytes can stand for any number of values, since an alias may repeat what holds aliases itself.
So values are counted while aliases are expanded, and nothing but mappings, lists, texts, numbers, booleans and null is
ever made.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from unrolled.errors import InvalidSetting

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import Resolver

Key = str | int
SettingPath = tuple[Key, ...]

MOST_CHARACTERS = 1_000_000
"""The length of the longest text that is read."""
DEEPEST = 20
"""Number of levels of the deepest setting."""
LARGEST_WHOLE = 2**63
"""Every whole number is below: no setting is larger, and arrays of 64 bits hold none that is."""
_MOST_VALUES = 100_000
_LONGEST_KEY = 1000
_LONGEST_NUMBER = 100
_BASES = {"0x": 16, "0o": 8, "0b": 2}
_RESOLVER = Resolver()
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def read_yaml(text: str, name: str) -> tuple[Any, dict[SettingPath, str]]:
    """Return the values of a YAML text, and the location ``<name>:<line>`` of each.

    Args:
        text: One document.
        name: Its name in messages.

    Raises:
        InvalidSetting: It is too long, not YAML 1.2, has tags, or stands for too many values; the message names the
            line.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidSetting(f"{name}: expected at most {MOST_CHARACTERS:,} characters, got more. Leave some out.")
    root = _compose(text, name)
    expansion = _Expansion(name)
    return (None if root is None else expansion.value(root, ())), expansion.locations


@dataclass(eq=False, slots=True)
class _Node:
    """A value as it is written: of a list its parts, of a mapping keys and values in turn."""

    event: NodeEvent
    parts: list["_Node"] = field(default_factory=list)
    value: Any = None
    is_merge: bool = False

    @property
    def line(self) -> int:
        return int(self.event.start_mark.line) + 1


def _compose(text: str, name: str) -> _Node | None:
    """Return the outermost node of a text, in which an alias is the very node that it names; None if there is none."""
    outer = _Node(NodeEvent(None))
    unfinished, anchors, count = [outer], dict[str, _Node](), 0
    for event in _events(text, name):
        location = _location(name, event.start_mark.line + 1)
        if isinstance(event, DocumentStartEvent):
            _check_document(event, outer, location)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            unfinished.pop()
        elif isinstance(event, NodeEvent):
            node = _aliased(event, anchors, location) if isinstance(event, AliasEvent) else _node(event, location)
            unfinished[-1].parts.append(node)
            count += 1
            if count > _MOST_VALUES:
                raise _too_many(location)
            if node.event is event and event.anchor:
                anchors[event.anchor] = node
            if isinstance(event, MappingStartEvent | SequenceStartEvent):
                unfinished.append(node)
                if len(unfinished) > DEEPEST + 2:
                    raise _too_deep(location)
    return outer.parts[0] if outer.parts else None


def _events(text: str, name: str) -> Iterator[Any]:
    """Yield what the parser finds, its errors in one line."""
    line = 1
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            line = event.end_mark.line + 1
            yield event
    except ReaderError as error:
        _refuse(_location(name, text.count("\n", 0, error.position) + 1), _explained(str(error)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(_location(name, mark.line + 1 if mark else line), _explained(str(error.problem)))
    except (YAMLError, ValueError, TypeError, LookupError, OverflowError) as error:
        _refuse(_location(name, line), _explained(str(error)))


def _aliased(event: AliasEvent, anchors: Mapping[str, _Node], location: str) -> _Node:
    if event.anchor not in anchors:
        _refuse(location, f'"*{event.anchor}" refers to nothing. Put the text in quotation marks.')
    return anchors[event.anchor]


def _check_document(event: DocumentStartEvent, outer: _Node, location: str) -> None:
    if outer.parts:
        _refuse(location, "a second document begins. Remove it, and the line ---.")
    if event.version not in (None, (1, 2)):
        version = ".".join(map(str, event.version))
        raise InvalidSetting(f"{location}: expected YAML 1.2, got YAML {version}. Remove the line %YAML.")


def _node(event: Any, location: str) -> _Node:
    """Return a node; that of a scalar with its value by the rules of YAML 1.2, in which a date is a text."""
    if event.ctag is not None:
        raise InvalidSetting(
            f"{location}: expected plain YAML, got a tag. Leave the word with the exclamation mark out."
        )
    if not isinstance(event, ScalarEvent):
        return _Node(event)
    text = event.value
    kind = str(_RESOLVER.resolve(ScalarNode, text, event.implicit)).rpartition(":")[2]
    if kind == "null":
        return _Node(event)
    if kind == "bool":
        return _Node(event, value=text.lower() == "true")
    if kind in ("int", "float"):
        return _Node(event, value=(_whole if kind == "int" else _fraction)(text.replace("_", "").lower(), location))
    if found := _UNWRITABLE.search(text):
        what = "the character NUL" if found[0] == "\0" else "half of a character, as JSON escapes it"
        raise InvalidSetting(f"{location}: expected text, got {what}. Remove it, or write the character itself.")
    return _Node(event, value=text, is_merge=kind == "merge")


def _fraction(text: str, location: str) -> float:
    try:
        number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # "._", of which nothing is left without its underscore
        raise InvalidSetting(
            f'{location}: expected a number, got "{_short(text)}". Quote it if it is a word.'
        ) from None
    if math.isinf(number) and "inf" not in text:
        raise InvalidSetting(f"{location}: expected a number below 1.8e308, got {_short(text)}. Write a smaller one.")
    return number


def _whole(text: str, location: str) -> int:
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
    base = _BASES.get(digits[:2], 10)
    # Python refuses to convert, or to print, thousands of digits.
    number = LARGEST_WHOLE if len(digits) > _LONGEST_NUMBER else int(digits if base == 10 else digits[2:] or "0", base)
    if number >= LARGEST_WHOLE:
        raise InvalidSetting(
            f"{location}: expected a whole number below 2^63, got {_short(text)}. "
            "Write a smaller one, or put a name in quotation marks."
        )
    return sign * number


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}… ({len(text):,} characters)"


@dataclass(slots=True)
class _Expansion:
    """The values that nodes stand for once aliases and merge keys are expanded, and the location of each."""

    name: str
    locations: dict[SettingPath, str] = field(default_factory=dict)
    count: int = 0

    def value(self, node: _Node, path: SettingPath) -> Any:
        """Return the value of a node, which stands at a path."""
        self._count(path)
        if len(path) > DEEPEST:
            raise _too_deep(self.locations.get(path, self.name))
        if isinstance(node.event, SequenceStartEvent):
            for index, part in enumerate(node.parts):
                self.locations[*path, index] = _location(self.name, part.line)
            return [self.value(part, (*path, index)) for index, part in enumerate(node.parts)]
        if not isinstance(node.event, MappingStartEvent):
            return node.value
        pairs = self._pairs(node, path, 0)
        for key, (line, _) in pairs.items():
            self.locations[*path, key] = _location(self.name, line)
        return {key: self.value(part, (*path, key)) for key, (_, part) in pairs.items()}

    def _pairs(self, node: _Node, path: SettingPath, depth: int) -> dict[str, tuple[int, _Node]]:
        """Return the keys of a mapping with their lines and values; its own come before those that are merged in."""
        own: dict[str, tuple[int, _Node]] = {}
        merged: dict[str, tuple[int, _Node]] = {}
        if len(path) + depth > DEEPEST:
            raise _too_deep(_location(self.name, node.line))
        for key, part in zip(node.parts[::2], node.parts[1::2], strict=True):
            self._count(path)
            if key.is_merge:
                for source in self._merged_mappings(part, key.line):
                    merged = self._pairs(source, path, depth + 1) | merged
                continue
            name = self._key(key)
            if name in own:
                problem = f'duplicate key "{name}" (first on line {own[name][0]}). Remove one of them.'
                _refuse(_location(self.name, key.line), problem)
            own[name] = (key.line, part)
        return merged | own

    def _merged_mappings(self, node: _Node, line: int) -> Iterator[_Node]:
        sources = node.parts if isinstance(node.event, SequenceStartEvent) else [node]
        for source in sources:
            if not isinstance(source.event, MappingStartEvent):
                raise InvalidSetting(
                    f"{_location(self.name, line)}: expected a mapping to merge behind <<, got something else. "
                    "Name one by its anchor: <<: *name"
                )
            yield source

    def _key(self, node: _Node) -> str:
        """Return the text of a key."""
        location, key = _location(self.name, node.line), node.value
        if node.parts or not isinstance(node.event, ScalarEvent):
            raise InvalidSetting(f"{location}: expected the name of a setting, got a list or a mapping. Write a word.")
        if not isinstance(key, str) or "\n" in key:
            remedy = f'Quote it: "{key}"' if isinstance(key, int) else "Write a word"
            raise InvalidSetting(f"{location}: expected the name of a setting, got {key!r}. {remedy}.")
        if len(key) > _LONGEST_KEY:
            raise InvalidSetting(
                f"{location}: expected a name of at most {_LONGEST_KEY:,} characters, got {len(key):,}. Shorten it."
            )
        return key

    def _count(self, path: SettingPath) -> None:
        self.count += 1
        if self.count > _MOST_VALUES:
            raise _too_many(self.locations.get(path[:1], self.name))


def _location(name: str, line: int) -> str:
    """Return the location of a line for messages; a value on the command line has only one."""
    return name if name.startswith("--") else f"{name}:{line}"


def _too_many(location: str) -> InvalidSetting:
    return InvalidSetting(
        f"{location}: expected at most {_MOST_VALUES:,} values, got more once aliases are expanded. Leave some out."
    )


def _too_deep(location: str) -> InvalidSetting:
    return InvalidSetting(f"{location}: expected at most {DEEPEST} levels of settings, got more. Flatten them.")


def _refuse(location: str, problem: str) -> NoReturn:
    raise InvalidSetting(f"{location}: not valid YAML: {problem}") from None


# The parser's sentences, and what they mean to somebody who writes an experiment.
_PROBLEMS = (
    (r"found character '\\t'", "a tab. Indent with spaces"),
    (r"mapping values are not allowed", 'an unexpected ":". Check the indentation, or put the text in quotation marks'),
    (r"expected <block end>", "the indentation does not match the lines above. Align the entries of a list or section"),
    (r"expected ',' or '[\]}]'", 'a bracket is not closed, or a comma is missing. Check every "[" and "{"'),
    (r"unexpected end of stream", "a quotation mark is not closed. Close it"),
    (r"could not find expected ':'", 'a ":" is missing after the name of a setting. Add it'),
    (r"unacceptable character (#x[0-9a-f]+)", r"the control character \1. Remove it"),
)


def _explained(problem: str) -> str:
    """Return a problem that the YAML parser found in words of our own, with its remedy."""
    problem = re.sub(r"\s+", " ", problem)
    for pattern, meaning in _PROBLEMS:
        if found := re.search(pattern, problem):
            return f"{found.expand(meaning)}."
    return "the line cannot be parsed. Check its indentation, brackets and quotation marks."
