"""Sections of a report from today's tasks; each task will build its own."""

from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidInput
from unrolled.model.build import complete, describe_layers, format_shape, sizes_of
from unrolled.reports.run import write_report
from unrolled.runs.inference import write
from unrolled.runs.run import Run
from unrolled.tasks.base import Examples
from unrolled.tasks.baselines import NEEDS_SKLEARN
from unrolled.tasks.forecasting import forecasts, settings_of
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.sections import (
    ChartSection,
    ConfusionSection,
    Mistake,
    MistakesSection,
    SampleSection,
    Section,
    Sections,
    TableSection,
)

import keras
import numpy as np
from numpy.typing import NDArray

MISTAKES_SHOWN = 24
_PROMPT_LENGTH, _GENERATED_LENGTH = 60, 300
# Fewer windows are no line to look at, so the last one is drawn with its history.
_FEWEST_WINDOWS = 8


def write_trained_report(
    run: Run, model: keras.Model, data: Dataset, examples: Examples, outputs: NDArray[np.floating[Any]]
) -> None:
    """Write a run's report from its network's outputs on the test set.

    Args:
        run: A run with its metrics and evaluation written.
        model: The run's network.
        data: The run's data set.
        examples: The encoded examples.
        outputs: The network's outputs on the test set: probabilities, or the scaled differences of a forecast.
    """
    completed = complete(run.experiment, sizes_of(run.experiment, data, examples.encoding))
    write_report(
        run,
        sections=build_sections(run, data, examples, outputs),
        layers=describe_layers(completed, model),
        input_shape=format_shape((None, *examples.encoding.shape)),
        notes=[*data.notes, *examples.notes],
    )


def build_sections(run: Run, data: Dataset, examples: Examples, outputs: NDArray[np.floating[Any]]) -> Sections:
    """Build the sections of any task."""
    if run.experiment.task == "classify":
        wants_sklearn = data.kind == "text" and len(run.evaluation.baselines) < 2
        return Sections(classification_sections(run.evaluation, data, outputs), (NEEDS_SKLEARN,) * wants_sklearn)
    if run.experiment.task == "generate":
        return Sections(generation_sections(run, data))
    notes = ("MAE and RMSE are means over the channels, each in its own unit.",) * (len(data.classes) > 1)
    return Sections((forecast_section(run, data, examples, outputs),), notes)


def classification_sections(
    evaluation: Evaluation, data: Dataset, probabilities: NDArray[np.floating[Any]]
) -> list[Section]:
    """Build the confusion matrix, the scores of each class, and the most confident mistakes."""
    scores = [[one.name, one.precision, one.recall, one.f1, one.support] for one in evaluation.classes]
    return [
        ConfusionSection("Confusion matrix", data.classes, evaluation.confusion),
        TableSection("Classes", ("class", "precision", "recall", "F1", "examples"), scores),
        mistakes_section(data, probabilities),
    ]


def mistakes_section(data: Dataset, probabilities: NDArray[np.floating[Any]]) -> MistakesSection:
    """Build the section of the mistakes with the highest probability."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != data.test.targets)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES_SHOWN]
    mistakes = [
        Mistake(
            index=int(index),
            example=data.test.inputs[index],
            truth=data.classes[data.test.targets[index]],
            predicted=data.classes[predicted[index]],
            probability=float(confidence[index]),
        )
        for index in shown
    ]
    return MistakesSection("Most confident mistakes", mistakes, len(wrong), _channels(data))


def _channels(data: Dataset) -> list[str]:
    """Return the names of the channels of series; nothing for other examples."""
    if data.kind != "series":
        return []
    features = data.example_shape[-1] or 0
    return list(data.columns) if len(data.columns) == features else [f"channel {i + 1}" for i in range(features)]


def generation_sections(run: Run, data: Dataset) -> list[Section]:
    """Build a text generated after the beginning of the test set; nothing if the network cannot generate."""
    start = str(data.test.inputs[0][:_PROMPT_LENGTH])
    prompt = " ".join(start.split()[1:-1]) + " " if len(start.split()) > 3 else start
    try:
        text = "".join(write(run, prompt, length=_GENERATED_LENGTH, temperature=0.7))
    except InvalidInput:
        return []
    note = "The prompt is the beginning of the test set; temperature 0.7."
    return [SampleSection("Generated text", prompt, text, note)]


def forecast_section(run: Run, data: Dataset, examples: Examples, outputs: NDArray[Any]) -> ChartSection:
    """Build charts of the test set with its forecasts, each at the end of the horizon.

    With few windows in the test set, the last window is drawn instead: the history that the network read, and the
    forecast of all steps of the horizon.
    """
    title = "Forecasts on the test set"
    predicted = forecasts(data, examples.encoding, run.experiment, outputs)
    settings, history, test = settings_of(run.experiment), data.train.inputs[0], data.test.inputs[0]
    horizon, window = settings.horizon, settings.window
    whole = np.concatenate([history[-window:], test])
    # Windows with gaps in the values to predict were left out.
    starts = [
        start
        for start in range(len(test) - horizon + 1)
        if not np.isnan(whole[start + window - settings.season : start + window + horizon]).any()
    ]
    if len(starts) >= _FEWEST_WINDOWS:
        line = np.full((len(test) - horizon + 1, whole.shape[1]), np.nan)
        line[starts] = predicted[:, -1]
        charts = {
            name: {"actual": test[horizon - 1 :, channel].tolist(), "forecast": line[:, channel].tolist()}
            for channel, name in enumerate(data.classes)
        }
        steps = [str(horizon + step) for step in range(len(line))]
        ahead = "1 step" if horizon == 1 else f"{horizon} steps"
        return ChartSection(title, charts, steps, f"By step of the test set; each value was forecast {ahead} ahead.")
    begin = starts[-1]
    charts = {}
    for channel, name in enumerate(data.classes):
        actual = whole[begin : begin + window + horizon, channel].tolist()
        line = np.concatenate([np.full(window, np.nan), predicted[-1, :, channel]])
        charts[name] = {"actual": actual, "forecast": line.tolist()}
    steps = [f"{step:+d}" if step else "now" for step in range(1 - window, horizon + 1)]
    note = f"The last {horizon} steps, forecast from the {window} steps before them."
    return ChartSection(title, charts, steps, note)
