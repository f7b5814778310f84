"""All tasks, and the one that an experiment has."""

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import DataConfig
from unrolled.data.schema import TableSchema
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.tasks.base import Task
from unrolled.tasks.classification import Classification
from unrolled.tasks.detection import Detection
from unrolled.tasks.forecasting import Forecasting
from unrolled.tasks.generation import Generation
from unrolled.tasks.labeling import Labeling
from unrolled.tasks.multi_label import MultiLabel
from unrolled.tasks.preprocessing import Preprocessor
from unrolled.tasks.regression import Regression
from unrolled.tasks.step_regression import StepRegression

TASKS: list[type[Task]] = [
    Forecasting,
    Detection,
    Generation,
    Labeling,
    Regression,
    StepRegression,
    MultiLabel,
    Classification,
]
"""An experiment that names no task has the first one that matches it."""


def find_task(name: str, where: str, per: str = "sequence") -> type[Task]:
    """Return the task of a name.

    Args:
        name: The name.
        where: Its location, for messages.
        per: What has a target of a task that predicts for each ``sequence`` or for each ``step``.

    Raises:
        InvalidSetting: There is no such task.
    """
    known = {task.name: task for task in TASKS if task.per in (None, per)}
    if name not in known:
        remedy = did_you_mean(name, known) or f" Choose among: {', '.join(known)}."
        raise InvalidSetting(f'{where}: unknown task "{name}".{remedy}')
    return known[name]


def task_type(config: ExperimentConfig) -> type[Task]:
    """Return the task that an experiment names, or the first that matches it.

    Raises:
        InvalidSetting: There is no such task, or a setting belongs to another one.
    """
    per = config.data.per if isinstance(config.data, DataConfig) else None
    if config.task is not None:
        found = find_task(config.task, config.where("task"), per or "sequence")
    else:
        found = next(task for task in TASKS if task.matches(config))
    if per is not None and found.per is None:
        raise InvalidSetting(
            f"{config.where('data', 'per')}: this setting belongs to task: {Regression.name}, but the task is "
            f"{found.name}. Leave it out, or set task: {Regression.name}"
        )
    if config.inputs and not found.takes_inputs:
        raise InvalidSetting(
            f"{config.where('inputs')}: the task {found.name} reads one input. Move its layers to network."
        )
    for task in TASKS:
        if task.section is None:
            continue
        has_section = getattr(config, task.section) is not None
        if has_section and task is not found:
            raise InvalidSetting(
                f"{config.where(task.section)}: this setting belongs to task: {task.name}, but the task is "
                f"{found.name}. Leave it out."
            )
        if task is found and not has_section:
            raise InvalidSetting(
                f'{config.where()}: the task {task.name} needs the setting "{task.section}". '
                f"See: unrolled recipes, docs/data.md"
            )
    return found


def load_task(
    config: ExperimentConfig,
    preprocessor: Preprocessor | None = None,
    outputs: Sequence[str] | None = None,
    schema: TableSchema | None = None,
    facts: Mapping[str, Any] | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Task:
    """Return the task of an experiment; its data is loaded when it is first needed.

    Args:
        config: The experiment.
        preprocessor: That of a trained network; without it, one is fitted on the training examples.
        outputs: The names of the outputs of a trained network; without them, those of the data.
        schema: The schema of the table that a trained network was trained on, if any.
        facts: What was fitted beside the preprocessor of a trained network.
        calibration: What was fitted to the outputs of a trained network.

    Raises:
        InvalidSetting: There is no such task, or a setting belongs to another one.
    """
    return task_type(config)(config, preprocessor, outputs, schema, facts, calibration)
