"""The JSON Schema of an experiment file, for editors that complete and check YAML."""

import inspect
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import (
    AugmentationConfig,
    ConfigModel,
    DataConfig,
    EarlyStoppingConfig,
    Fold,
    TextConfig,
    TrainingConfig,
)
from unrolled.config.task_sections import ForecastConfig
from unrolled.model.components import argument_names, known_classes
from unrolled.tasks.registry import TASKS

_SECTIONS: tuple[type[ConfigModel], ...] = (
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
    """Return the JSON Schema of an experiment file, with all Keras classes that it can name and their arguments."""
    schema = ExperimentConfig.model_json_schema()
    definitions = schema.pop("$defs")
    del definitions["Component"]
    for section in _SECTIONS:
        _describe(definitions[section.__name__], section)
    _describe(schema, ExperimentConfig)
    properties, training = schema["properties"], definitions["TrainingConfig"]["properties"]
    properties["network"]["items"] = {"$ref": "#/$defs/Layer"}
    branch = {"type": "array", "items": _or_search({"$ref": "#/$defs/Layer"})}
    properties["inputs"] = _nullable({"type": "object", "additionalProperties": branch}, properties["inputs"])
    properties["task"] = _nullable({"enum": list(dict.fromkeys(task.name for task in TASKS))}, properties["task"])
    training["optimizer"]["$ref"] = "#/$defs/Optimizer"
    training["loss"] = _nullable({"$ref": "#/$defs/Loss"}, training["loss"])
    metrics = {"type": "array", "items": {"anyOf": [{"const": "accuracy"}, {"$ref": "#/$defs/Metric"}]}}
    training["metrics"] = _nullable(metrics, training["metrics"])
    for setting in training.keys() - {"validation"}:
        training[setting] = _or_search(training[setting])
    properties["network"]["items"] = _or_search(properties["network"]["items"])
    properties |= {setting: _or_search(properties[setting]) for setting in ("network", "scan")}
    classes = {what.capitalize(): _component(known_classes(what)) for what in ("layer", "optimizer", "loss", "metric")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "An experiment of unrolled",
        "$defs": {**definitions, **classes, "Search": _SEARCH},
    }


def _nullable(values: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    """Return a setting of these values or none, with the description and default that it had."""
    return {"anyOf": [values, {"type": "null"}], "default": None, "description": setting["description"]}


def _or_search(setting: dict[str, Any]) -> dict[str, Any]:
    """Return the same setting, or a search in its place."""
    description = setting.pop("description", "")
    return {"description": description, "anyOf": [setting, {"$ref": "#/$defs/Search"}]}


def _describe(body: dict[str, Any], section: type[ConfigModel]) -> None:
    """Put the descriptions of the fields into their schema, without markup."""
    body["description"] = (section.__doc__ or "").splitlines()[0]
    for name, setting in body["properties"].items():
        setting["description"] = section.describe(name)
        setting.pop("title", None)


def _component(classes: dict[str, type]) -> dict[str, Any]:
    """Return the schema of a class by its name, or of a mapping of one name to its arguments."""
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
