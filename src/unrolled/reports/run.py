"""A run's report: one page that needs nothing else, written from the files in the run's folder."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unrolled.config.document import write_yaml
from unrolled.model.build import describe_layers
from unrolled.model.connect import format_input
from unrolled.reports import render
from unrolled.reports.charts import line_chart
from unrolled.reports.sections import render_section
from unrolled.runs.run import Run
from unrolled.storage import write_text
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.sections import format_metric

# Fields of metrics.jsonl that are no learning curves.
_COSTS = {"epoch", "learning_rate", "seconds", "cpu_seconds", "training_seconds", "examples_per_second"}


def write_report(run: Run) -> Path:
    """Write ``report.html`` into a run's folder; the network predicts the test set unless it has just done so.

    Args:
        run: A run with its metrics and its evaluation.

    Returns:
        The path of the page.

    Raises:
        RunError: A file of the run is missing or damaged.
        WriteError: The page cannot be written.
    """
    evaluation, task, outputs = run.evaluation, run.task, run.test_outputs
    sections = task.report_sections(run.model, outputs)
    page = render(
        "report.html",
        title=run.path.name,
        experiment=run.config,
        validation=run.config.training.validation,
        data=run.data,
        environment=run.environment,
        headline=evaluation.headline,
        figures=[(name, format_headline(name, evaluation.metrics[name])) for name in _headline_first(evaluation)],
        verdict=evaluation.verdict[:1].upper() + evaluation.verdict[1:],
        rating="good" if evaluation.beats_baseline else "" if evaluation.equals_baseline else "bad",
        evaluation_notes=evaluation.notes,
        baselines=_baseline_rows(evaluation),
        baseline_notes=sections.notes,
        notes=task.notes,
        curves=learning_curves(run.metrics),
        seconds=sum(record["seconds"] for record in run.metrics),
        layers=describe_layers(run.config, run.model),
        input_shape=format_input(task.preprocessor),
        parameters=run.data["parameters"],
        sections=[render_section(section) for section in sections.sections],
        settings=write_yaml(run.config.model_dump(mode="json", exclude_none=True)),
        written=datetime.now(UTC),
    )
    path = run.path / "report.html"
    write_text(path, page)
    return path


def write_missing_report(run: Run) -> Path | None:
    """Write a run's report unless it has one already; return the path of a page that was written."""
    return None if (run.path / "report.html").exists() else write_report(run)


def format_headline(name: str, value: float) -> str:
    """Format a metric for the top of a page.

    Example:
        >>> format_headline("accuracy", 0.97735), format_headline("MAE", 14.8123)
        ('97.73 %', '14.812')
    """
    return f"{100 * value:.2f} %" if name == "accuracy" else format_metric(value)


def _headline_first(evaluation: Evaluation) -> list[str]:
    return [evaluation.headline, *(name for name in evaluation.metrics if name != evaluation.headline)]


def _baseline_rows(evaluation: Evaluation) -> dict[str, Any]:
    """Return the metrics that the baselines have, and a row for the network and for each baseline."""
    names = list(dict.fromkeys(name for metrics in evaluation.baselines.values() for name in metrics))
    methods = {"this network": evaluation.metrics, **evaluation.baselines}
    return {
        "metrics": names,
        "rows": [
            (method, [format_metric(metrics[name]) if name in metrics else "-" for name in names])
            for method, metrics in methods.items()
        ],
    }


def learning_curves(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a chart for each metric of the epochs, with the training set's curve and the validation set's.

    Args:
        metrics: One mapping for each epoch, with names such as ``loss`` and ``val_loss``.
    """
    first = metrics[0] if metrics else {}
    charts = []
    for name in (name for name in first if name not in _COSTS and not name.startswith("val_")):
        series = {
            label: [record[key] for record in metrics]
            for label, key in (("training", name), ("validation", f"val_{name}"))
            if key in first
        }
        title = name.replace("_", " ")
        charts.append({"name": title, "series": list(series), "chart": line_chart(f"{title} by epoch", series)})
    return charts
