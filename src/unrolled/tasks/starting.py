"""An experiment to start from, chosen for a file by its columns, its size and its lengths."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from unrolled.config.document import Document, write_yaml
from unrolled.config.experiment import DATA_PATHS, ExperimentConfig
from unrolled.config.sections import DataConfig
from unrolled.data.anomalies import labels_in_test
from unrolled.data.columns import named_columns
from unrolled.data.examples import DROPPED
from unrolled.data.formats import FOLDERS, READ_OPTIONS, TABLES, TAGGED_WORDS, TEXT_FILES, format_of, preview_table
from unrolled.data.npz import outline_npz
from unrolled.data.registry import load
from unrolled.data.samples import SAMPLES, with_path
from unrolled.data.tables import read_preview
from unrolled.data.targets import NUMBERS
from unrolled.errors import DataError, InvalidSetting, WriteError
from unrolled.storage import write_text
from unrolled.tasks.base import Task
from unrolled.tasks.registry import find_task, load_task
from unrolled.tasks.starting_network import Sizes, choose_network, choose_training
from unrolled.tasks.starting_table import choose_for_table

_WIDTH = 110
_ANY_NETWORK = [{"GRU": {"units": 1}}]  # which does not matter before the data is loaded
_ORDER = ("task", "data", "text", "forecast", "detect", "network", "training")
_OF_EXAMPLES = ("classify", "regress", "classes")
_FEWEST_WORDS = 3


@dataclass(frozen=True)
class Start:
    """An experiment to start from.

    Attributes:
        settings: The experiment, as a mapping.
        reasons: By section, why it is so, a sentence each.
    """

    settings: Mapping[str, Any]
    reasons: Mapping[str, str]


def start(
    file: Path,
    test: Path | None = None,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    overrides: Sequence[str] = (),
) -> Start:
    """Choose an experiment for a file.

    The task follows from the format and the target; the network from the kind of input (words, characters, numbers) and
    the task; the training from both and from the number of examples.

    Args:
        file: A table, a folder, a file of another format that networks are trained on, or the name of a sample.
        test: A file with the test examples.
        target: The columns of what is to be predicted, one or several; without them one with a usual name, or for a
            table with times its numbers, which are forecast.
        task: The task, where the columns leave a choice.
        overrides: Settings that are not to be chosen, ``PATH=VALUE`` each.

    Raises:
        DataError: The file cannot be read, it cannot be known what is to be predicted, or it does not suit the task.
        InvalidSetting: There is no such task or setting, or what the targets hold does not suit it.
    """
    given, named, task = _read_overrides(overrides, target, task)
    path = Path(with_path(str(file)))
    told = _labels_in_test(path, test, named) if task in (None, "detect") else None
    if told is not None:
        named, task = None, "detect"
    settings, reasons = _choose_task(path, named, task, given)
    if task not in (None, settings["task"]):
        raise DataError(
            f"{file}: expected data for the task {task}, got data for {settings['task']}: {reasons['task']}. Leave "
            "--task out, or name another column: --target"
        )
    data = settings["data"]
    data |= given
    if told is not None:
        data["target"] = told
        reasons["data"] = "; ".join([*filter(None, [reasons.get("data")]), f"{told} is in the test file alone"])
    if str(file) in SAMPLES:
        data["file"] = str(file)
    if test is not None:
        data |= {"train": data.pop("file"), "test": str(test)}
    found = _leave_out_incomplete(settings, reasons)
    chosen = Sizes.of(found)
    if chosen.kind == "text" and found.name != "generate" and chosen.length < _FEWEST_WORDS:
        settings["text"], reasons["text"] = {"tokenizer": "characters"}, "texts of one word or two, read by characters"
        found = _task_of(settings)
        chosen = Sizes.of(found)
    settings = {**choose_network(found, chosen, reasons), **settings}
    settings["training"] = choose_training(found, chosen, reasons)
    final = Document(settings, "--set").override(overrides)
    ExperimentConfig.parse(final)
    return Start(final.values, reasons)


def _labels_in_test(file: Path, test: Path | None, named: str | Sequence[str] | None) -> str | None:
    """Return the column of a test table that tells anomalies, if the training table has none of that name."""
    name, *others = named_columns(named) or (None,)
    if test is None or others or (table := preview_table(file)) is None or (other := preview_table(test)) is None:
        return None
    return labels_in_test(table, other, name)


def _read_overrides(
    overrides: Sequence[str], target: str | Sequence[str] | None, task: str | None
) -> tuple[Mapping[str, Any], str | Sequence[str] | None, str | None]:
    """Return what is given of the section ``data``, the target and the task.

    Raises:
        InvalidSetting: A setting of the data is unknown or has an impossible value, or the target or the task is given
            twice.
    """
    wanted = Document({}, "--set").override(overrides).values
    given = wanted.get("data", {})
    if not isinstance(given, Mapping) or given.keys() & DATA_PATHS:
        raise InvalidSetting("--set: --data and --test name the files. Leave data out, or name a setting within it.")
    if given:
        parts = {"data": {"file": "", **given}, "network": _ANY_NETWORK, "training": {}}
        parsed = ExperimentConfig.parse(Document(parts, "--set")).data
        assert isinstance(parsed, DataConfig)
        values = parsed.model_dump(mode="json", exclude_none=True)
        given = {name: values[name] for name in given if name in values}
    for name, section, option in (("target", wanted.get("data", {}), target), ("task", wanted, task)):
        if name in section and (option or not section[name]):
            raise InvalidSetting(f"--set: expected the {name} once, and not empty. Leave out --set or --{name}.")
    task = task or wanted.get("task")
    if task is not None:
        find_task(str(task), "--task")
    return given, target or given.get("target"), task


def _leave_out_incomplete(settings: dict[str, Any], reasons: dict[str, str]) -> Task:
    """Return the task; rows that lack a text or a target are left out, if there are any and nothing else is given."""
    data = settings["data"]
    is_chosen = settings["task"] in _OF_EXAMPLES and "target" in data and not data.keys() & {"series", "per", "missing"}
    if is_chosen:
        data["missing"] = "drop"
    found = _task_of(settings)
    dropped = [note for note in found.data.notes if DROPPED in note]
    if dropped:
        reasons["data"] = "; ".join([*filter(None, [reasons.get("data")]), *dropped])
    elif is_chosen:
        del data["missing"]
    return found


def _task_of(settings: Mapping[str, Any]) -> Task:
    """Return the task of an experiment without network and training."""
    more = {"network": _ANY_NETWORK, "training": {"validation": 0.1 if settings["task"] == "detect" else "none"}}
    return load_task(ExperimentConfig.load({**settings, **more}))


def write_start(
    file: Path,
    path: Path,
    test: Path | None = None,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    overrides: Sequence[str] = (),
) -> None:
    """Write an experiment for a file, with a comment to each section, to a file that does not exist yet.

    Args:
        file: As of ``start``.
        path: The experiment to write; the files of the data are named relative to its folder.
        test: As of ``start``.
        target: As of ``start``.
        task: As of ``start``.
        overrides: As of ``start``.

    Raises:
        DataError, InvalidSetting: As of ``start``.
        WriteError: The experiment exists, or cannot be written.
    """
    if path.exists():
        raise WriteError(
            f"{path} already exists. Train it with: unrolled train {path}; or write another one with: unrolled init "
            f"--data {file} -o OTHER.yaml"
        )
    found = start(file, test, target, task, overrides)
    data = {
        name: os.path.relpath(value, path.parent) if name in DATA_PATHS and value not in SAMPLES else value
        for name, value in found.settings["data"].items()
    }
    lines = [f"# An experiment for {file.name}. Train it with: unrolled train {path.name}"]
    for section in (name for name in _ORDER if name in found.settings):
        value = data if section == "data" else found.settings[section]
        lines += (
            wrap(found.reasons[section], _WIDTH, initial_indent="# ", subsequent_indent="# ")
            if (section in found.reasons)
            else []
        )
        lines.append(write_yaml({section: value}).rstrip())
    write_text(path, "\n".join(lines) + "\n")


def _choose_task(
    file: Path, target: str | Sequence[str] | None, wanted: str | None, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the task with the data of the experiment, and the reasons."""
    found = format_of(file)
    if found is FOLDERS:
        return {"task": "classify", "data": {"folder": str(file)}}, {"task": "a folder for each class"}
    data: dict[str, Any] = {"file": str(file)}
    if found is TAGGED_WORDS:
        return {"task": "label", "data": data}, {"task": "each word has a tag"}
    if found is TEXT_FILES:
        return {"task": "generate", "data": data}, {"task": "one text, to be continued"}
    if found is not TABLES:
        return _choose_for_arrays(file, data)
    options = {name: value for name, value in given.items() if name in READ_OPTIONS}
    return choose_for_table(read_preview(file, **options), data | dict(given), target, wanted)


def _choose_for_arrays(file: Path, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    groups, has_step_targets = outline_npz(file) if file.suffix.lower() == ".npz" else (None, False)
    reasons = {}
    if groups is not None:
        data |= {"split": {"by": groups}}
        reasons["data"] = f"all examples of one {groups} are in the same part, as new ones are of others"
    if has_step_targets:
        return {"task": "regress", "data": data | {"per": "step"}}, reasons | {"task": "each step has a number"}
    has_numbers = load(file).target_kind == NUMBERS.name
    reasons["task"] = f"each example has {'numbers of its own' if has_numbers else 'a class'}"
    return {"task": "regress" if has_numbers else "classify", "data": data}, reasons
