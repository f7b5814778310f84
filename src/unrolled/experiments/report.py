"""A run as one page that needs nothing else: no server, no network, no other file."""

import base64
import io
from datetime import UTC, datetime
from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.experiments.charts import line_chart
from unrolled.experiments.description import describe_layers
from unrolled.experiments.document import write_yaml
from unrolled.experiments.pages import render
from unrolled.experiments.run import Run
from unrolled.storage import write_text

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MISTAKES_SHOWN = 24


def write_report(run: Run, model: keras.Model, data: Dataset, probabilities: NDArray[np.floating[Any]]) -> None:
    """Write ``report.html`` from the run's files, and the mistakes from what the network said of the test set.

    Args:
        run: A run with its metrics and evaluation written.
        model: Its network, for the table of layers.
        data: Its data set, for the pictures.
        probabilities: [B, classes] for the test examples.

    Raises:
        WriteError: The page cannot be written.
    """
    evaluation, training = run.evaluation, run.experiment.training
    page = render(
        "report.html",
        title=run.path.name,
        experiment=run.experiment,
        data=run.data,
        environment=run.read_json("environment.json"),
        evaluation=evaluation,
        validation=training.validation,
        metrics=run.metrics,
        layers=describe_layers(run.experiment, model),
        parameters=model.count_params(),
        charts=_charts(run.metrics),
        largest_confusion=_largest_off_diagonal(evaluation.confusion),
        mistakes=_mistakes(data, probabilities),
        mistakes_total=round((1 - evaluation.accuracy) * evaluation.examples),
        settings=write_yaml(run.experiment.model_dump(mode="json", exclude_none=True)),
        written=datetime.now(UTC),
    )
    write_text(run.path / "report.html", page)


def _charts(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    charts = []
    for name in ("loss", "accuracy"):
        series = {
            label: [record[key] for record in metrics]
            for label, key in (("training", name), ("validation", f"val_{name}"))
            if metrics and key in metrics[0]
        }
        if series:
            charts.append({"name": name, "series": list(series), "svg": line_chart(f"{name} by epoch", series)})
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
            "picture": png_address(data.test.inputs[index]),
            "truth": data.classes[data.test.targets[index]],
            "given": data.classes[given[index]],
            "confidence": float(confidence[index]),
        }
        for index in surest
    ]


def png_address(image: NDArray[Any]) -> str:
    """A picture [height, width] as a ``data:`` address; values other than uint8 are stretched to black and white."""
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) / ((high - low) or 1) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
