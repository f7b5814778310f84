"""What pydantic finds wrong with a document, as one line that says where and what to do."""

import re
from typing import Any, get_args

from unrolled.errors import did_you_mean
from unrolled.experiments.document import Document, SettingPath

from pydantic import BaseModel, ValidationError

_EXPECTED = {
    "int_type": "a whole number",
    "string_type": "text",
    "model_type": "settings with their names",
    "tuple_type": "a list of layers",
    "too_short": "at least one layer",
    "string_pattern_mismatch": "a name of letters, digits, dots, hyphens and underscores",
}


def first_problem(error: ValidationError, document: Document, schema: type[BaseModel]) -> str:
    """The first finding, in the house's form."""
    # A required setting that is misspelt is both unknown and missing; the unknown word tells more.
    problem = min(error.errors(), key=lambda found: found["type"] == "missing")
    path = _path_in(document.settings, problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys(schema, path[:-1])
        remedy = did_you_mean(str(path[-1]), known) or f" Choose among: {', '.join(known)}."
        return f'{document.where(path, group=path[:-1])}: unknown setting "{path[-1]}".{remedy}'
    if problem["type"] == "missing":
        return f'{document.where(path[:-1])}: expected the setting "{path[-1]}", got none. Add it.'
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    expected = expected.removeprefix("Input should be ")
    expected = re.sub(r"^(greater|less) than", r"a number \1 than", expected)
    if ", got " in expected:
        return f"{document.where(path)}: expected {expected}"
    return f"{document.where(path)}: expected {expected}, got {spell_value(problem['input'])}. Change it."


def spell_value(value: Any) -> str:
    """What was written instead, for a message.

    Example:
        >>> spell_value("three"), spell_value([1, 2]), spell_value(None)
        ("'three'", 'a list', 'nothing')
    """
    kinds = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    return kinds.get(type(value)) or repr(value)


def _path_in(settings: Any, location: tuple[str | int, ...]) -> SettingPath:
    """Pydantic's location without the names of union members, which are not in the document."""
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
    """The keys of the group of settings at a path."""
    for key in path:
        schema = _model_in(schema.model_fields[str(key)].annotation) or schema
    return list(schema.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The group of settings that an annotation allows, however wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
