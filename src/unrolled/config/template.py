"""The file that ``unrolled init`` writes: a recipe, and all other settings as comments."""

from pathlib import Path
from textwrap import wrap
from typing import Any

from unrolled.config.document import model_in, parse_yaml, write_yaml
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.config.sections import Component, ConfigModel, TrainingConfig
from unrolled.errors import InvalidSetting, WriteError, did_you_mean
from unrolled.storage import write_text

_WIDTH = 110
# Shown where the default is none, because the data or the task decides.
_EXAMPLES = {
    "task": "classify",
    "forecast": {
        "window": 24,
        "horizon": 12,
        "season": 12,
        "scale": "window_mean",
        "quantiles": [0.1, 0.5, 0.9],
        "conformal": True,
        "test_steps": 24,
    },
    "tokenizer": "words",
    "loss": "SparseCategoricalCrossentropy",
    "metrics": ["accuracy"],
    "early_stopping": {"patience": 2},
    "augment": {"shift": 1},
    "class_weights": "balanced",
}


def write_template(recipe: str, path: Path) -> None:
    """Write a recipe with comments to a file that does not exist yet.

    Raises:
        InvalidSetting: There is no such recipe.
        WriteError: The file exists, or cannot be written.
    """
    text = render_template(recipe)
    if path.exists():
        raise WriteError(f"{path} already exists. Choose another name with --output.")
    write_text(path, text)


def render_template(recipe: str) -> str:
    """Return a recipe's text, followed by every setting that it leaves out, as a comment with its default.

    Raises:
        InvalidSetting: There is no such recipe.
    """
    known = recipes()
    if recipe not in known:
        raise InvalidSetting(
            f'init: unknown recipe "{recipe}".{did_you_mean(recipe, known)} List them with: unrolled recipes'
        )
    text = known[recipe].read_text(encoding="utf-8").rstrip()
    settings = parse_yaml(text, recipe)
    return "\n".join(
        [
            text,
            "",
            "# Train it:          unrolled train THIS-FILE",
            "# Look at it first:  unrolled check THIS-FILE",
            "",
            "# What else can be set, beside data and network; remove the # and change the value.",
            *_left_out(ExperimentConfig, settings, indent=""),
            "# and in training:",
            *_left_out(TrainingConfig, settings.get("training", {}), indent="  "),
            "",
        ]
    )


def _left_out(section: type[ConfigModel], given: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for name, field in section.model_fields.items():
        if name in given or field.is_required() or name == "training":
            continue
        default = field.get_default()
        value = default.model_dump(mode="json") if isinstance(default, ConfigModel) else default
        if isinstance(value, tuple):
            value = [part.model_dump(mode="json") for part in value]
        example = _EXAMPLES.get(name) if value is None else _with_examples(value)
        lines += [f"#{indent} {line}" for line in _wrapped(section.describe(name))]
        lines += [f"#{indent} {line}" for line in _fields(field.annotation, example)]
        lines += [f"#{indent} {line}" for line in write_yaml({name: example}).rstrip().splitlines()]
    return lines


def _with_examples(value: Any) -> Any:
    """Return a section with examples for the settings that are none."""
    if not isinstance(value, dict):
        return value
    return {key: _EXAMPLES.get(key) if part is None else part for key, part in value.items()}


def _fields(annotation: Any, example: Any) -> list[str]:
    """Return a line on each setting of a section that is shown."""
    section = model_in(annotation)
    if section is None or not isinstance(example, dict) or not issubclass(section, ConfigModel) or section is Component:
        return []
    return [line for key in example for line in _wrapped(f"  {key}: {section.describe(key)}", indent="  ")]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  " * bool(indent))
