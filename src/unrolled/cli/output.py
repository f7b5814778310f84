"""Results on the terminal, as tables or as JSON."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from unrolled.cli.console import ResultConsole
from unrolled.cli.tables import add_row, print_json, print_rows, table_of
from unrolled.tasks.sections import format_metric

from rich.text import Text

if TYPE_CHECKING:
    from unrolled.comparison.arms import Arm
    from unrolled.comparison.comparison import Comparison
    from unrolled.comparison.listing import ListingEntry
    from unrolled.diagnostics.diagnostic import Diagnostic
    from unrolled.searching.folder import Search
    from unrolled.tasks.metrics import Evaluation
    from unrolled.training.lr_finder import LearningRateSweep


_NONE = "-"


def print_comparison(comparison: "Comparison", *, as_json: bool) -> None:
    """Print each arm's metrics and costs, the differences, and the settings that differ."""
    if as_json:
        print_json(comparison.to_json())
        return
    from unrolled.config.diff import format_setting  # which loads pydantic

    console = ResultConsole()
    data = comparison.arms[0].results[0].data
    console.print(f"{data['name']}, {data['test_examples']:,} test examples; intervals are 95 %")
    console.print()
    _print_scores(comparison.arms, comparison.metrics, console)
    _print_costs(comparison.arms, console)
    for difference in comparison.differences:
        console.print(f"{difference.sentence}.")
        console.print()
        if not difference.settings:
            console.print(f"{difference.second} and {difference.first} have the same settings.")
            console.print()
            continue
        rows = [(one.path, format_setting(one.first), format_setting(one.second)) for one in difference.settings]
        print_rows(console, ("setting", difference.first, difference.second), rows)
        console.print()
    for note in comparison.notes:
        console.print(note)
    for run, reason in comparison.left_out.items():
        console.print(f"left out: {run}: {reason}", soft_wrap=True)


def _print_scores(arms: "Sequence[Arm]", metrics: Sequence[str], console: ResultConsole) -> None:
    rows = [
        (arm.name, str(len(arm.results)), *(str(arm.estimate(metric)) for metric in metrics), format_seeds(arm.seeds))
        for arm in arms
    ]
    print_rows(console, ("arm", "n", *metrics, "seeds"), rows, right=("n", *metrics))
    console.print()


def _print_costs(arms: "Sequence[Arm]", console: ResultConsole) -> None:
    header = ("arm", "parameters", "CPU seconds", "seconds/epoch", "examples/s")
    formats = {"parameters": ",.0f", "cpu_seconds": ",.1f", "seconds_per_epoch": ",.2f", "examples_per_second": ",.0f"}
    rows = []
    for arm in arms:
        means = {name: arm.mean(name) for name in formats}
        rows.append((arm.name, *(_NONE if mean is None else f"{mean:{formats[n]}}" for n, mean in means.items())))
    print_rows(console, header, rows, right=header[1:])
    console.print()


def print_runs(entries: "Sequence[ListingEntry]", broken: Mapping[Path, str], *, as_json: bool) -> None:
    """Print a row for each run or group, and a line for each folder that is ignored."""
    if as_json:
        print_json(
            {
                "runs": [entry.to_json() for entry in entries],
                "broken": {str(path): reason for path, reason in broken.items()},
            }
        )
        return
    console = ResultConsole()
    rows = [
        (
            entry.path.name,
            _format_status(entry),
            format_seeds(entry.seeds),
            entry.data,
            entry.headline or _NONE,
            f"{entry.epochs:g}",
            f"{entry.seconds:,.0f}",
        )
        for entry in entries
    ]
    header = ("folder", "status", "seed", "data", "test", "epochs", "seconds")
    print_rows(console, header, rows, right=("epochs", "seconds"))
    for path, reason in broken.items():
        console.print(f"{path}: {reason.rstrip('.')}; ignored", soft_wrap=True)


def _format_status(entry: "ListingEntry") -> str:
    partly = entry.kind == "group" and entry.finished < len(entry.seeds)
    return f"{entry.status} ({entry.finished} of {len(entry.seeds)})" if partly else entry.status


def format_seeds(seeds: Sequence[int]) -> str:
    """Format seeds as a list; three or more consecutive ones as a range.

    Example:
        >>> format_seeds([4]), format_seeds([0, 1, 2]), format_seeds([3, 7])
        ('4', '0-2', '3, 7')
    """
    first, last = min(seeds), max(seeds)
    is_range = sorted(seeds) == list(range(first, last + 1)) and len(seeds) > 2
    return f"{first}-{last}" if is_range else ", ".join(map(str, seeds))


def print_recipes(recipes: Mapping[str, Path]) -> None:
    """Print the name and the description of each recipe."""
    table = table_of("recipe", "", right=())
    for name, path in recipes.items():
        add_row(table, name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    ResultConsole().print(table)


def print_description(description: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a network layer by layer, and the numbers of examples and steps of its training."""
    if as_json:
        print_json(description)
        return
    table = table_of("", "layer", "output", "parameters", "arguments", right=("parameters",))
    scan = description["scan"]
    # Rows of a grey image are a sequence already.
    is_sequence = not description["input"].startswith("[") or (scan == "rows" and description["input"].count(",") < 3)
    start = description["input"] if is_sequence else f"{description['input']} read as {scan}"
    add_row(table, "", description["data"], start, "", "")
    for index, layer in enumerate(description["layers"]):
        kernel = layer["kernel"] if layer["kernel"] not in ("", "native") else ""
        words = "; ".join(word for word in (layer["arguments"], kernel) if word)
        name = f"{layer['input']}: {layer['name']}" if layer["input"] else layer["name"]
        add_row(table, str(index), name, layer["shape"], f"{layer['parameters']:,}", words)
    console = ResultConsole()
    console.print(table)
    for line in description["filled_in"]:
        console.print(f"filled in  {line}", style="dim")
    for note in description["notes"]:
        console.print(note, style="dim")
    epochs, steps = description["epochs"], description["steps"]
    console.print(
        f"{description['parameters']:,} parameters; {description['training_examples']:,} training, "
        f"{description['validation_examples']:,} validation, {description['test_examples']:,} test examples; "
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'} of {steps:,} {'step' if steps == 1 else 'steps'}"
    )


_COLOURS = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def print_diagnostics(diagnostics: "Sequence[Diagnostic]", *, as_json: bool) -> None:
    """Print the severity, code and location of each problem, its summary, the measured value, and the fix."""
    if as_json:
        print_json([diagnostic.to_json() for diagnostic in diagnostics])
        return
    console = ResultConsole()
    if not diagnostics:
        console.print("No problems found.")
        return
    for diagnostic in diagnostics:
        severity = (f"{diagnostic.severity}: ", _COLOURS[diagnostic.severity])
        console.print(Text.assemble(severity, (diagnostic.code, "bold"), "  ", diagnostic.where), soft_wrap=True)
        for line in (diagnostic.summary, format_measurement(diagnostic)):
            for part in wrap(line, console.width, initial_indent="  ", subsequent_indent="  "):
                console.print(part)
        console.print(f"  Fix: {diagnostic.fix}", style="bold", soft_wrap=True)  # to be copied whole


def format_measurement(diagnostic: "Diagnostic") -> str:
    """Format the measured value, its unit and the threshold.

    Example:
        >>> from unrolled.diagnostics.diagnostic import Measurement
        >>> from unrolled.diagnostics.training_rules import dead_units
        >>> format_measurement(*dead_units.compare(Measurement(75.0, "layers[0].Dense")))
        "75 % of the layer's units; threshold: 50"
    """
    return f"{diagnostic.value:.3g} {diagnostic.unit}; threshold: {diagnostic.threshold:g}"


_SWEEP_ROWS = 24
_BAR_WIDTH = 50


def print_lr_sweep(sweep: "LearningRateSweep", *, as_json: bool) -> None:
    """Print the loss at each learning rate as a bar, and the recommended rate."""
    if as_json:
        print_json(sweep.to_json())
        return
    table = table_of("learning rate", "loss", "", right=("learning rate", "loss"))
    every = max(1, -(-len(sweep.rates) // _SWEEP_ROWS))
    highest = max(sweep.smoothed[::every] + sweep.smoothed[-1:])
    shown = list(zip(sweep.rates, sweep.smoothed, strict=True))[::every]
    nearest = min((rate for rate, _ in shown), key=lambda rate: abs(math.log(rate / sweep.suggestion)))
    for rate, loss in shown:
        mark = "  ← recommended" if rate == nearest else ""
        add_row(table, f"{rate:.1e}", f"{loss:.4f}", "█" * max(1, round(_BAR_WIDTH * loss / highest)) + mark)
    console = ResultConsole()
    console.print(table)
    end = f"; the loss diverges at {sweep.diverged_at:.2g}" if sweep.diverged_at else ""
    console.print(f"the loss falls fastest at {sweep.steepest:g}{end}")
    tried = "  ".join(f"{rate:g}: {loss:.4f}" for rate, loss in sweep.trials.items())
    console.print(f"loss after a short training at a constant rate: {tried}")
    console.print(f"recommended learning rate {sweep.suggestion:g}: half the best one, between these")
    console.print("use it as a constant rate; the peak of a OneCycle may be three times as high")


_LONGEST_TEXT = 200


def print_evaluation(evaluation: "Evaluation", *, as_json: bool) -> None:
    """Print the scores of each class, the baselines, and the metrics."""
    if as_json:
        print_json(evaluation.to_json())
        return
    console = ResultConsole()
    if evaluation.classes:
        table = table_of("class", "precision", "recall", "F1", "examples")
        for score in evaluation.classes:
            figures = (f"{figure:.4f}" for figure in (score.precision, score.recall, score.f1))
            add_row(table, score.name, *figures, f"{score.support:,}")
        console.print(table)
        console.print()
    metrics = evaluation.metrics
    if evaluation.baselines:
        _print_baselines(metrics, evaluation.baselines, console)
    shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    console.print(f"{shown}  examples {evaluation.examples:,}", soft_wrap=True)
    if evaluation.verdict:
        console.print(evaluation.verdict, soft_wrap=True)
    for note in evaluation.notes:
        console.print(note, soft_wrap=True)


def _print_baselines(
    metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], console: ResultConsole
) -> None:
    names = list(dict.fromkeys(name for values in baselines.values() for name in values))
    table = table_of("method", *names)
    for method, values in {"this network": metrics, **baselines}.items():
        add_row(table, method, *(format_metric(values[name]) if name in values else _NONE for name in names))
    console.print(table)
    console.print()


def print_predictions(predictions: Sequence[Mapping[str, Any]], top: int, *, as_json: bool) -> None:
    """Print the predicted class of each input and its most probable classes."""
    if as_json:
        print_json(predictions)
        return
    source = next((name for name in ("text", "file", "words") if name in predictions[0]), "file")
    if {"words", "labels"} <= predictions[0].keys():
        _print_labels(predictions)
        return
    if "probabilities" not in predictions[0]:
        _print_values(predictions, source)
        return
    table = table_of(source, "prediction", "probabilities", right=())
    for prediction in predictions:
        best = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])[:top]
        example = f"[{prediction['index']}]" if "index" in prediction else ""
        probabilities = "  ".join(f"{name} {100 * probability:.1f} %" for name, probability in best)
        label = prediction["label"] if "label" in prediction else ", ".join(prediction["labels"]) or "none"
        named = _source(prediction)
        add_row(table, f"{named}{example}", label, probabilities)
    ResultConsole().print(table)


def _print_labels(predictions: Sequence[Mapping[str, Any]]) -> None:
    """Print each word with its label and its probability, a row each."""
    table = table_of("example", "word", "label", "probability", right=("probability",))
    for number, prediction in enumerate(predictions, start=1):
        example = f"[{prediction['index']}]" if "index" in prediction else ""
        name = f"{_shortened(prediction['file'])}{example}" if "file" in prediction else str(number)
        labels, probabilities = prediction["labels"], prediction["probabilities_of_labels"]
        for step, (word, label, one) in enumerate(zip(prediction["words"], labels, probabilities, strict=True)):
            add_row(table, "" if step else name, word, label, f"{100 * one:.1f} %")
    ResultConsole().print(table)


def _print_values(predictions: Sequence[Mapping[str, Any]], source: str) -> None:
    """Print predictions that are values and no classes."""
    kinds = [name for name in predictions[0] if name not in (source, "index", "file", "text", "words", "values")]
    table = table_of(source, *kinds, *predictions[0].get("values", {}))
    for prediction in predictions:
        values = (*(prediction[name] for name in kinds), *prediction.get("values", {}).values())
        shown = map(_format_value, values)
        add_row(table, _source(prediction), *shown)
    ResultConsole().print(table)


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_format_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _source(prediction: Mapping[str, Any]) -> str:
    """Return what was predicted from, in few words."""
    text = prediction["text"] if "text" in prediction else prediction.get("file")
    return _shortened(" ".join(prediction["words"]) if text is None else text)


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


_BEST_SHOWN = 10


def print_search(search: "Search", *, as_json: bool) -> None:
    """Print the best ten trials, the importance of each parameter, and the result on the test set."""
    if as_json:
        print_json(describe_search(search))
        return
    from unrolled.searching.folder import format_outcomes, format_params, format_test_measurements, short_names

    names = short_names(search.space.by_name)
    rows = [
        (
            str(trial.number),
            f"{trial.value:.4f}",
            str(trial.epochs),
            f"{trial.seconds:.1f}",
            format_params(trial.params, names),
        )
        for trial in search.ranking[:_BEST_SHOWN]
    ]
    console = ResultConsole()
    columns = (search.metric, "epochs", "seconds")
    print_rows(console, ("trial", *columns, "values"), rows, right=columns)
    if importance := search.importance:
        shares = [(names[name], f"{100 * share:.0f} %") for name, share in importance.items()]
        print_rows(console, ("parameter", "importance"), shares, right=("importance",))
    console.print(f"trials {len(search.ended)}: {format_outcomes(search.ended)}", soft_wrap=True)
    console.print(format_test_measurements(search), soft_wrap=True)


def describe_search(search: "Search") -> dict[str, Any]:
    """Return a search as JSON: the best trial, all trials, the importance, and each evaluation on the test set."""
    trials = [
        {
            "trial": trial.number,
            "outcome": trial.outcome,
            search.metric: trial.value,
            "params": dict(trial.params),
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            "reason": trial.reason,
            "run": str(trial.run) if trial.run else None,
        }
        for trial in search.trials
    ]
    return {
        "search": str(search.path),
        "metric": search.metric,
        "best": next(trial for trial in trials if trial["trial"] == search.best.number),
        "importance": search.importance,
        "test_measurements": search.settings["test_measurements"],
        "trials": trials,
    }
