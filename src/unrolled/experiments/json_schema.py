"""The schema of an experiment for editors: they complete names and mark what is wrong while one writes."""

import inspect
from typing import Any

from unrolled.experiments.components import arguments_of, known_classes
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.settings import Augmentation, EarlyStopping, FileData, Fold, Settings, Training

_GROUPS: tuple[type[Settings], ...] = (Augmentation, EarlyStopping, FileData, Fold, Training)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, with every class that can be named and the arguments that it takes."""
    schema = Experiment.model_json_schema()
    definitions = schema.pop("$defs")
    del definitions["Component"]
    for group in _GROUPS:
        _describe(definitions[group.__name__], group)
    _describe(schema, Experiment)
    schema["properties"]["network"]["items"] = {"$ref": "#/$defs/Layer"}
    training = definitions["Training"]["properties"]
    for setting, what in {"optimizer": "Optimizer", "loss": "Loss"}.items():
        training[setting]["$ref"] = f"#/$defs/{what}"
    training["metrics"]["items"] = {"anyOf": [{"const": "accuracy"}, {"$ref": "#/$defs/Metric"}]}
    classes = {what.capitalize(): _component(known_classes(what)) for what in ("layer", "optimizer", "loss", "metric")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "An experiment of unrolled",
        "$defs": {**definitions, **classes},
    }


def _describe(body: dict[str, Any], group: type[Settings]) -> None:
    """Put the docstring's words where editors show them."""
    body["description"] = (group.__doc__ or "").splitlines()[0]
    for name, setting in body["properties"].items():
        setting["description"] = group.describe(name)
        setting.pop("title", None)


def _component(classes: dict[str, type]) -> dict[str, Any]:
    """A class by its name, or a mapping of one name to its arguments."""
    mapping = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {name: _arguments(kind) for name, kind in classes.items()},
    }
    return {"anyOf": [{"enum": list(classes)}, mapping]}


def _arguments(kind: type) -> dict[str, Any]:
    summary = (inspect.getdoc(kind) or "").strip().splitlines()
    return {
        "type": ["object", "null"],
        "description": summary[0] if summary else "",
        "additionalProperties": False,
        "properties": {name: {} for name in arguments_of(kind)},
    }
