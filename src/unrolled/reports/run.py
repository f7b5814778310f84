"""A run as one page that needs nothing else: no server, no network, no other file."""

import base64
import io
from datetime import UTC, datetime
from typing import Any

from unrolled.config.document import write_yaml
from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidInput
from unrolled.model.build import complete, describe_layers, format_shape, sizes_of
from unrolled.reports.charts import COLOURS, line_chart
from unrolled.reports.html import render
from unrolled.runs.inference import write
from unrolled.runs.run import Run
from unrolled.storage import write_text
from unrolled.tasks.base import Examples
from unrolled.tasks.baselines import NEEDS_SKLEARN
from unrolled.tasks.forecasting import forecasts

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MISTAKES_SHOWN = 24
LONGEST_TEXT = 300
_PROMPT, _WRITTEN = 60, 300


def write_report(
    run: Run, model: keras.Model, data: Dataset, examples: Examples, given: NDArray[np.floating[Any]]
) -> None:
    """Write ``report.html`` from the run's files, and examples from what the network said of the test set.

    Args:
        run: A run with its metrics and evaluation written.
        model: Its network, for the table of layers.
        data: Its data set, to show examples of.
        examples: How they were encoded.
        given: What the network said of the test examples: probabilities, or the differences of a forecast.

    Raises:
        WriteError: The page cannot be written.
    """
    evaluation, training = run.evaluation, run.experiment.training
    completed = complete(run.experiment, sizes_of(run.experiment, data, examples.encoding))
    tells_classes = run.experiment.task == "classify"
    page = render(
        "report.html",
        title=run.path.name,
        experiment=run.experiment,
        data=run.data,
        environment=run.read_json("environment.json"),
        evaluation=evaluation,
        validation=training.validation,
        metrics=run.metrics,
        input=format_shape((None, *examples.encoding.shape)),
        notes=[*data.notes, *examples.notes],
        layers=describe_layers(completed, model),
        parameters=model.count_params(),
        charts=_charts(run.metrics),
        largest_confusion=_largest_off_diagonal(evaluation.confusion),
        mistakes=_mistakes(data, given) if tells_classes else [],
        mistakes_total=sum(map(sum, evaluation.confusion)) - sum(row[i] for i, row in enumerate(evaluation.confusion)),
        forecast=_forecast(data, examples, run, given) if run.experiment.task == "forecast" else None,
        sample=_sample(run, data) if run.experiment.task == "generate" else None,
        channels=_channels(data) if data.kind == "series" else [],
        wants_sklearn=NEEDS_SKLEARN if data.kind == "text" and tells_classes and len(evaluation.baselines) < 2 else "",
        settings=write_yaml(run.experiment.model_dump(mode="json", exclude_none=True)),
        written=datetime.now(UTC),
    )
    write_text(run.path / "report.html", page)


def _charts(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    charts = []
    for name in ("loss", "accuracy", "mean_absolute_error"):
        series = {
            label: [record[key] for record in metrics]
            for label, key in (("training", name), ("validation", f"val_{name}"))
            if metrics and key in metrics[0]
        }
        if series:
            title = name.replace("_", " ")
            charts.append({"name": title, "series": list(series), "svg": line_chart(f"{title} by epoch", series)})
    return charts


def _largest_off_diagonal(confusion: tuple[tuple[int, ...], ...]) -> int:
    return max((n for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j), default=0)


def _mistakes(data: Dataset, probabilities: NDArray[np.floating[Any]]) -> list[dict[str, Any]]:
    """The wrong answers that the network was surest of, the surest first."""
    given = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(given != data.test.targets)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES_SHOWN]
    return [
        {
            "index": int(index),
            **_shown(data, int(index)),
            "truth": data.classes[data.test.targets[index]],
            "given": data.classes[given[index]],
            "confidence": float(confidence[index]),
        }
        for index in surest
    ]


def _shown(data: Dataset, index: int) -> dict[str, Any]:
    """An example to look at: a picture, a text, or a drawing of a series' channels."""
    example = data.test.inputs[index]
    if data.kind == "text":
        return {"text": example if len(example) <= LONGEST_TEXT else example[:LONGEST_TEXT] + "…"}
    if data.kind == "series":
        steps = [str(step) for step in range(1, len(example) + 1)]
        drawn = {name: _stretched(channel) for name, channel in zip(_channels(data), example.T, strict=False)}
        return {"drawing": line_chart(f"example {index}", drawn, steps=steps)}
    return {"picture": png_address(example)}


def _channels(data: Dataset) -> list[str]:
    """The names of the channels that are drawn of a series."""
    features = data.example_shape[-1] or 0
    named = len(data.columns) == features
    return [data.columns[place] if named else f"channel {place + 1}" for place in range(min(features, COLOURS))]


def _stretched(channel: NDArray[Any]) -> list[float]:
    """From 0 to 1, so that channels of all sizes are seen."""
    low, high = np.fmin.reduce(channel), np.fmax.reduce(channel)
    values: list[float] = ((channel - low) / ((high - low) or 1)).tolist()
    return values


def _sample(run: Run, data: Dataset) -> dict[str, str] | None:
    """What the network writes after the beginning of the test part; None where it cannot go on with a text."""
    start = str(data.test.inputs[0][:_PROMPT])
    prompt = " ".join(start.split()[1:-1]) + " " if len(start.split()) > 3 else start
    try:
        return {"prompt": prompt, "text": "".join(write(run, prompt, length=_WRITTEN, temperature=0.7))}
    except InvalidInput:
        return None


def _forecast(data: Dataset, examples: Examples, run: Run, given: NDArray[Any]) -> dict[str, Any]:
    """The test part of each channel beside what was told of it, each step as far ahead as the horizon ends."""
    told = forecasts(data, examples.encoding, run.experiment, given)
    ahead = told.shape[1]
    charts = []
    for place, name in enumerate(data.classes[:COLOURS]):
        truth = data.test.inputs[0][ahead - 1 :, place].tolist()
        series = {"the series": truth, "the network": told[: len(truth), -1, place].tolist()}
        steps = [str(ahead + step) for step in range(len(truth))]
        charts.append({"name": name, "svg": line_chart(f"{name} and its forecast", series, steps=steps)})
    return {"series": ["the series", "the network"], "ahead": ahead, "charts": charts}


def png_address(image: NDArray[Any]) -> str:
    """A picture [height, width] as a ``data:`` address; values other than uint8 are stretched to black and white."""
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) / ((high - low) or 1) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
