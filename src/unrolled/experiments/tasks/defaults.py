"""Settings that follow from the data and from other settings where they are left out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONTINUED = ("pride-and-prejudice",)
FORETOLD = ("air-passengers",)
_TRAINING = {
    "generate": {"loss": "SparseCategoricalCrossentropy", "metrics": ["accuracy"]},
    "forecast": {"loss": "MeanSquaredError", "metrics": ["MeanAbsoluteError"]},
}


def with_defaults(settings: Any) -> Any:
    """The settings of an experiment with its task, and what the task decides, filled in."""
    if not isinstance(settings, Mapping):
        return settings
    task = settings.get("task", task_of(settings))
    settings = {**settings, "task": task}
    training = settings.get("training", {})
    if isinstance(training, Mapping) and task in _TRAINING:
        settings["training"] = {**_TRAINING[task], **training}
    text = settings.get("text", {})
    if isinstance(text, Mapping) and text.get("tokenizer") is None:
        settings["text"] = {**text, "tokenizer": "characters" if task == "generate" else "words"}
    return settings


def task_of(settings: Mapping[str, Any]) -> str:
    """The task that the data and the settings are for."""
    data = settings.get("data")
    if settings.get("forecast") is not None or data in FORETOLD:
        return "forecast"
    file = data.get("file") or data.get("train") if isinstance(data, Mapping) else data
    if isinstance(file, str) and (file in CONTINUED or Path(file).suffix.lower() == ".txt"):
        return "generate"
    return "classify"
