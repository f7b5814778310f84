"""Results on the terminal, as tables or as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from unrolled.cli.tables import add_row, table_of
from unrolled.comparison.arms import Arm
from unrolled.comparison.comparison import Comparison
from unrolled.comparison.listing import ListingEntry
from unrolled.config.diff import format_setting
from unrolled.data.dataset import Dataset
from unrolled.data.preview import describe, draw_in_terminal, quote
from unrolled.data.schema import describe_columns
from unrolled.data.tables import Table as FileTable
from unrolled.diagnostics.diagnose import RULES
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.searching.folder import Search
from unrolled.searching.formatting import format_outcomes, format_params, format_test_measurements, short_names
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.sections import compare_with_baselines, format_metric
from unrolled.training.lr_finder import LearningRateSweep

from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - this is what a terminal program is for


_NONE = "-"


def print_comparison(comparison: Comparison, *, as_json: bool) -> None:
    """Each arm's figures, what the differences mean, and what differs in the settings."""
    if as_json:
        print_json(comparison.to_json())
        return
    console = Console(highlight=False)
    data = comparison.arms[0].results[0].data
    console.print(Text(f"{data['name']}, {data['test_examples']:,} test examples; ± is a 95 % interval over seeds\n"))
    _print_scores(comparison.arms, comparison.metrics, console)
    _print_costs(comparison.arms, console)
    for difference in comparison.differences:
        console.print(Text(f"{difference.sentence}.\n"))
        if not difference.settings:
            console.print(Text(f"{difference.second} and {difference.first} have the same settings.\n"))
            continue
        table = table_of("setting", difference.first, difference.second, right=())
        for one in difference.settings:
            add_row(table, one.path, format_setting(one.first), format_setting(one.second))
        console.print(table)
        console.print()
    for note in comparison.notes:
        console.print(Text(note))
    for run, reason in comparison.left_out.items():
        console.print(Text(f"left out: {run}: {reason}"))


def _print_scores(arms: Sequence[Arm], metrics: Sequence[str], console: Console) -> None:
    table = table_of("arm", "n", *metrics, "seeds", right=("n", *metrics))
    for arm in arms:
        scores = (str(arm.estimate(metric)) for metric in metrics)
        add_row(table, arm.name, str(len(arm.results)), *scores, ", ".join(map(str, arm.seeds)))
    console.print(table)
    console.print()


def _print_costs(arms: Sequence[Arm], console: Console) -> None:
    table = table_of("arm", "parameters", "CPU seconds", "seconds/epoch", "examples/s")
    figures = {"parameters": ",.0f", "cpu_seconds": ",.1f", "seconds_per_epoch": ",.2f", "examples_per_second": ",.0f"}
    for arm in arms:
        means = {figure: arm.mean(figure) for figure in figures}
        add_row(
            table, arm.name, *(_NONE if mean is None else f"{mean:{figures[name]}}" for name, mean in means.items())
        )
    console.print(table)
    console.print()


def print_runs(entries: Sequence[ListingEntry], broken: Mapping[Path, str], *, as_json: bool) -> None:
    """A row each run or group, and the folders that are neither."""
    if as_json:
        left_out = {str(path): reason for path, reason in broken.items()}
        print_json({"runs": [entry.to_json() for entry in entries], "broken": left_out})
        return
    console = Console(highlight=False)
    table = table_of("folder", "status", "seed", "data", "test", "epochs", "seconds", right=_RIGHT)
    table.padding = (0, 1, 0, 0)
    for column in table.columns[:2]:
        column.no_wrap = True
    for entry in entries:
        figures = (entry.headline or _NONE, f"{entry.epochs:g}", f"{entry.seconds:,.0f}")
        add_row(table, entry.path.name, _status(entry), _seeds(entry), entry.data, *figures)
    console.print(table)
    for path, reason in broken.items():
        console.print(Text(f"left out: {path}: {reason.removeprefix(f'{path}: ')}"))


_RIGHT = ("epochs", "seconds")


def _status(entry: ListingEntry) -> str:
    partly = entry.kind == "group" and entry.finished < len(entry.seeds)
    return f"{entry.status} ({entry.finished} of {len(entry.seeds)})" if partly else entry.status


def _seeds(entry: ListingEntry) -> str:
    """A run's seed; a group's seeds, as a range where they are one."""
    first, last = min(entry.seeds), max(entry.seeds)
    whole = sorted(entry.seeds) == list(range(first, last + 1)) and len(entry.seeds) > 2
    return f"{first}-{last}" if whole else ",".join(map(str, entry.seeds))


_LONGEST_CELL = 40


def print_columns(table: FileTable) -> None:
    """Print the detected columns of a table."""
    console = Console(highlight=False)
    console.print(table.format_detected(), style="dim", markup=False)
    columns = table_of("column", "kind", "different", "empty", "first", right=("different", "empty"))
    for facts in describe_columns(table):
        first = " ".join(facts["first"].split())
        shown = first if len(first) <= _LONGEST_CELL else first[:_LONGEST_CELL] + "…"
        add_row(columns, facts["column"], facts["kind"], f"{facts['different']:,}", f"{facts['empty']:,}", shown)
    console.print(columns)


def print_dataset(data: Dataset, *, as_json: bool, printed: str = "") -> None:
    """Print shapes, types, ranges before and after scaling, examples of each class, and a few examples.

    Args:
        data: The data set.
        as_json: Whether to print JSON.
        printed: A note of the data set that has been printed already.
    """
    facts = describe(data)
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    console.print(Text.assemble((data.name, "bold"), "  ", data.source))
    for note in (note for note in data.notes if note != printed):
        console.print(note, style="dim", markup=False)
    if data.kind == "arrays":
        _print_arrays(console, data, facts)
    else:
        _print_sequences(console, data, facts)


def _print_arrays(console: Console, data: Dataset, facts: Mapping[str, Any]) -> None:
    table = table_of("", "inputs", "targets", "type", "range", "scaled")
    for part in data.parts:
        split = facts[part]
        shapes = (_format_shape(split["inputs_shape"]), _format_shape(split["targets_shape"]))
        add_row(
            table, part, *shapes, split["dtype"], _format_range(split["range"]), _format_range(split["range_scaled"])
        )
    console.print(table)
    console.print(_counts(data, facts))
    if data.train.inputs.ndim == 3:
        console.print(draw_in_terminal(data, console.width), markup=False)


def _print_sequences(console: Console, data: Dataset, facts: Mapping[str, Any]) -> None:
    unit = "characters" if data.kind == "text" else "steps"
    table = table_of(
        "", data.kind, f"fewest {unit}", "median", "most", *(("range", "missing") if data.kind == "series" else ())
    )
    for part in data.parts:
        split, lengths = facts[part], facts[part]["lengths"]
        more = (_format_range(split["range"]), f"{split['missing']:,}") if data.kind == "series" else ()
        figures = (f"{lengths['least']:,}", f"{lengths['median']:,.0f}", f"{lengths['most']:,}")
        add_row(table, part, f"{split['examples']:,}", *figures, *more)
    console.print(table)
    if "count_per_class" in facts["train"]:
        console.print(_counts(data, facts))
    if data.kind == "text":
        for name, line in quote(data, console.width):
            console.print(Text.assemble((f"{name}  " if name else "", "bold"), line), no_wrap=True, overflow="ellipsis")


def _counts(data: Dataset, facts: Mapping[str, Any]) -> Table:
    counts = table_of("class", *data.parts)
    for name in data.classes:
        add_row(counts, name, *(f"{facts[part]['count_per_class'][name]:,}" for part in data.parts))
    return counts


def _format_shape(shape: Sequence[int]) -> str:
    return f"({', '.join(str(length) for length in shape)}{',' if len(shape) == 1 else ''})"


def _format_range(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}"


def print_recipes(recipes: Mapping[str, Path]) -> None:
    """Print the name and the description of each recipe."""
    table = table_of("recipe", "", right=())
    for name, path in recipes.items():
        add_row(table, name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    Console(highlight=False).print(table)


def print_description(description: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a network layer by layer, and the numbers of examples and steps of its training."""
    if as_json:
        print_json(description)
        return
    table = table_of("", "layer", "output", "parameters", "arguments", right=("parameters",))
    read = description["read"]
    start = description["input"] if read == "rows" else f"{description['input']} read as {read}"
    add_row(table, "", description["data"], start, "", "")
    for index, layer in enumerate(description["layers"]):
        kernel = layer["kernel"] if layer["kernel"] not in ("", "native") else ""
        words = "; ".join(word for word in (layer["arguments"], kernel) if word)
        add_row(table, str(index), layer["name"], layer["shape"], f"{layer['parameters']:,}", words)
    console = Console(highlight=False)
    console.print(table)
    for line in description["filled_in"]:
        console.print(f"filled in  {line}", style="dim", markup=False)
    for note in description["notes"]:
        console.print(note, style="dim", markup=False)
    epochs, steps = description["epochs"], description["steps"]
    console.print(
        f"{description['parameters']:,} parameters; {description['training_examples']:,} training, "
        f"{description['validation_examples']:,} validation, {description['test_examples']:,} test examples; "
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'} of {steps:,} {'step' if steps == 1 else 'steps'}"
    )


_COLOURS = {"fatal": "bold red", "harmful": "yellow", "doubtful": "cyan"}
_SIDES = {kind.name: kind.side for kind in RULES}


def print_diagnostics(findings: Sequence[Diagnostic], *, as_json: bool) -> None:
    """Each finding: its name and place, what is wrong, how much, and what to do."""
    if as_json:
        print_json([finding.to_json() for finding in findings])
        return
    console = Console(highlight=False)
    if not findings:
        console.print("Nothing found: the network is healthy, as far as the doctor can tell.")
        return
    for finding in findings:
        colour = _COLOURS[finding.severity]
        heading = Text.assemble((finding.name, colour), "  ", finding.where, f"  ({finding.severity})")
        console.print(heading, soft_wrap=True)
        text = f"{finding.meaning} {format_measurement(finding)}"
        console.print(Text(fill(text, console.width, initial_indent="  ", subsequent_indent="  ")))
        console.print(Text(f"  {finding.remedy}", style="bold"), soft_wrap=True)  # to be copied whole


def format_measurement(finding: Diagnostic) -> str:
    """The value, its unit and the bound that it crossed.

    Example:
        >>> from unrolled.diagnostics.model_rules import DEAD_UNITS
        >>> format_measurement(*DEAD_UNITS.judge(75.0, "layers[0].Dense"))
        "75 % of the layer's units; healthy at 50 or less."
    """
    side = "less" if _SIDES[finding.name] == "above" else "more"
    return f"{finding.value:.3g} {finding.unit}; healthy at {finding.bound:g} or {side}."


_SWEEP_ROWS = 24
_BAR_WIDTH = 50


def print_lr_sweep(sweep: LearningRateSweep, *, as_json: bool) -> None:
    """Print the loss at each learning rate as a bar, and the recommended rate."""
    if as_json:
        print_json(sweep.to_json())
        return
    table = table_of("learning rate", "loss", "", right=("learning rate", "loss"))
    every = max(1, -(-len(sweep.rates) // _SWEEP_ROWS))
    highest = max(sweep.smoothed[::every] + sweep.smoothed[-1:])
    factor = (sweep.rates[1] / sweep.rates[0]) ** every
    for rate, loss in list(zip(sweep.rates, sweep.smoothed, strict=True))[::every]:
        mark = "  ← recommended" if rate <= sweep.suggestion < rate * factor else ""
        add_row(table, f"{rate:.1e}", f"{loss:.4f}", "█" * max(1, round(_BAR_WIDTH * loss / highest)) + mark)
    console = Console(highlight=False)
    console.print(table)
    end = f"; the loss diverges at {sweep.diverged_at:.2g}" if sweep.diverged_at else ""
    console.print(f"recommended learning rate {sweep.suggestion:g}: the loss falls fastest at this rate{end}")
    console.print("use it as a constant rate; the peak of a OneCycle may be three times as high")


_LONGEST_TEXT = 200


def print_evaluation(evaluation: Evaluation, *, as_json: bool) -> None:
    """Print the scores of each class, the baselines, and the metrics."""
    if as_json:
        print_json(evaluation.to_json())
        return
    console = Console(highlight=False)
    if evaluation.classes:
        table = table_of("class", "precision", "recall", "F1", "examples")
        for score in evaluation.classes:
            figures = (f"{figure:.4f}" for figure in (score.precision, score.recall, score.f1))
            add_row(table, score.name, *figures, f"{score.support:,}")
        console.print(table)
        console.print()
    metrics = evaluation.scores
    if evaluation.baselines:
        _print_baselines(metrics, evaluation.baselines, console)
    shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    console.print(f"{shown}  examples {evaluation.examples:,}", markup=False, soft_wrap=True)
    headline = next(iter(metrics))
    if verdict := compare_with_baselines(headline, metrics[headline], evaluation.baselines):
        console.print(verdict.sentence, markup=False, soft_wrap=True)


def _print_baselines(
    metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], console: Console
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
    source = "text" if predictions and "text" in predictions[0] else "file"
    table = table_of(source, "prediction", "probabilities", right=())
    for prediction in predictions:
        best = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])[:top]
        example = f"[{prediction['index']}]" if "index" in prediction else ""
        probabilities = "  ".join(f"{name} {100 * probability:.1f} %" for name, probability in best)
        text = " ".join(prediction[source].split())
        shown = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
        add_row(table, f"{shown}{example}", prediction["label"], probabilities)
    Console(highlight=False).print(table)


def print_forecast(channels: Sequence[str], forecast: NDArray[Any], *, as_json: bool) -> None:
    """Print a row for each step of a forecast, with a column for each channel.

    Args:
        channels: The names of the channels.
        forecast: [steps, F] the values.
        as_json: Whether to print JSON.
    """
    if as_json:
        print_json([dict(zip(channels, map(float, row), strict=True)) for row in forecast])
        return
    table = table_of("step", *channels)
    for column in table.columns:
        column.no_wrap = True
    columns = [_format_channel(channel) for channel in forecast.T.tolist()]
    for step, row in enumerate(zip(*columns, strict=True), start=1):
        add_row(table, f"+{step}", *row)
    Console(highlight=False).print(table)


def _format_channel(values: Sequence[float]) -> list[str]:
    """Format the values of a channel with the same number of decimals.

    Example:
        >>> _format_channel([211.66, 9.5]), _format_channel([63701.7, 274.8]), _format_channel([2e-7])
        (['211.7', '9.5'], ['63,702', '275'], ['2e-07'])
    """
    largest = max(map(abs, values), default=0.0)
    if not 1e-3 <= largest < 1e9:
        return [f"{value:.4g}" for value in values]
    decimals = max(0, 3 - math.floor(math.log10(largest)))
    return [f"{value:,.{decimals}f}" for value in values]


_BEST_SHOWN = 10


def print_search(search: Search, *, as_json: bool) -> None:
    """The best ten trials, how much each parameter matters, and what the test set said."""
    if as_json:
        print_json(describe_search(search))
        return
    names = short_names(search.space.by_name)
    importance = search.importance
    table = table_of("trial", search.metric, "epochs", "seconds", "values", right=(search.metric, "epochs", "seconds"))
    for trial in search.ranking[:_BEST_SHOWN]:
        figures = (str(trial.number), f"{trial.value:.4f}", str(trial.epochs), f"{trial.seconds:.1f}")
        add_row(table, *figures, format_params(trial.params, names))
    console = Console(highlight=False)
    console.print(table)
    if importance:
        split_cores = table_of("parameter", "importance")
        for name, share in importance.items():
            add_row(split_cores, names[name], f"{100 * share:.0f} %")
        console.print(split_cores)
    console.print(f"trials {len(search.ended)}: {format_outcomes(search.ended)}", markup=False, soft_wrap=True)
    console.print(format_test_measurements(search), markup=False, soft_wrap=True)


def describe_search(search: Search) -> dict[str, Any]:
    """A search as JSON: the best trial, all trials, the importance, and each look at the test set."""
    trials = [
        {
            "trial": trial.number,
            "outcome": trial.outcome,
            search.metric: trial.value,
            "picked": dict(trial.params),
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
