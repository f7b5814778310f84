"""The schema of an experiment for editors: they complete names and mark what is wrong while one writes."""

import inspect
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import (
    AugmentationConfig,
    ConfigModel,
    DataConfig,
    EarlyStoppingConfig,
    Fold,
    ForecastConfig,
    TextConfig,
    TrainingConfig,
)
from unrolled.model.components import argument_names, known_classes

_GROUPS: tuple[type[ConfigModel], ...] = (
    AugmentationConfig,
    EarlyStoppingConfig,
    Fold,
    ForecastConfig,
    DataConfig,
    TextConfig,
    TrainingConfig,
)

_SEARCH: dict[str, Any] = {
    "type": "object",
    "description": "A choice or a range, for unrolled search.",
    "required": ["search"],
    "additionalProperties": False,
    "properties": {
        "search": {
            "anyOf": [
                {"type": "array", "minItems": 1},
                {
                    "type": "object",
                    "required": ["low", "high"],
                    "additionalProperties": False,
                    "properties": {
                        "low": {"type": "number"},
                        "high": {"type": "number"},
                        "step": {"type": "number"},
                        "log": {"type": "boolean"},
                    },
                },
            ]
        }
    },
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, with every class that can be named and the arguments that it takes."""
    schema = ExperimentConfig.model_json_schema()
    definitions = schema.pop("$defs")
    del definitions["Component"]
    for group in _GROUPS:
        _describe(definitions[group.__name__], group)
    _describe(schema, ExperimentConfig)
    schema["properties"]["network"]["items"] = {"$ref": "#/$defs/Layer"}
    training = definitions["Training"]["properties"]
    for setting, what in {"optimizer": "Optimizer", "loss": "Loss"}.items():
        training[setting]["$ref"] = f"#/$defs/{what}"
    training["metrics"]["items"] = {"anyOf": [{"const": "accuracy"}, {"$ref": "#/$defs/Metric"}]}
    for setting in training.keys() - {"validation"}:
        training[setting] = _or_search(training[setting])
    properties = schema["properties"]
    properties["network"]["items"] = _or_search(properties["network"]["items"])
    properties |= {setting: _or_search(properties[setting]) for setting in ("network", "read")}
    classes = {what.capitalize(): _component(known_classes(what)) for what in ("layer", "optimizer", "loss", "metric")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "An experiment of unrolled",
        "$defs": {**definitions, **classes, "Search": _SEARCH},
    }


def _or_search(setting: dict[str, Any]) -> dict[str, Any]:
    """The same setting, or one that is left open for ``unrolled search``."""
    description = setting.pop("description", "")
    return {"description": description, "anyOf": [setting, {"$ref": "#/$defs/Search"}]}


def _describe(body: dict[str, Any], group: type[ConfigModel]) -> None:
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
        "properties": {name: {} for name in argument_names(kind)},
    }
