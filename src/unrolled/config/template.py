"""A file to begin with: a recipe, and what else could be set, as comments."""

from pathlib import Path
from typing import Any

from unrolled.config.document import parse_yaml, write_yaml
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.config.sections import ConfigModel, TrainingConfig
from unrolled.errors import InvalidSetting, WriteError, did_you_mean
from unrolled.storage import write_text

_WIDTH = 110
_EXAMPLES = {
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
        raise WriteError(f"{path}: expected a file that does not exist, got one. Name another with --output.")
    write_text(path, text)


def render_template(recipe: str) -> str:
    """A recipe's text, followed by every setting that it leaves out, as a comment with its default.

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


def _left_out(group: type[ConfigModel], given: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for name, field in group.model_fields.items():
        if name in given or field.is_required():
            continue
        default = field.get_default()
        value = default.model_dump(mode="json") if isinstance(default, ConfigModel) else default
        if name == "training":
            continue
        if isinstance(value, tuple):
            value = [part.model_dump(mode="json") for part in value]
        shown = _EXAMPLES.get(name, value) if value is None else value
        words = group.describe(name)
        lines += [f"#{indent} {line}" for line in _wrapped(words)]
        lines += [f"#{indent} {line}" for line in write_yaml({name: shown}).rstrip().splitlines()]
    return lines


def _wrapped(text: str) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > _WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]
