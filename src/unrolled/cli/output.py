"""How all tables look."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from unrolled.cli.tables import print_rows
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
from unrolled.tasks.metrics import Evaluation

from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    # These import Optuna and Keras, which most commands do not need.
    from unrolled.searching.folder import Search
    from unrolled.training.lr_finder import LearningRateSweep


def table_of(first: str, *columns: str, right: Sequence[str] | None = None) -> Table:
    """A table without lines between its columns; all but the first are set to the right unless told otherwise."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right" if right is None or column in right else "left", overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """A row of plain text: a class or a file may be called [red]."""
    table.add_row(*(Text(cell) for cell in cells))


def print_json(value: Any) -> None:
    """Print a value that machines read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - this is what a terminal program is for


_NONE = "-"


def print_comparison(comparison: Comparison, *, as_json: bool) -> None:
    """Print each arm's metrics and costs, the differences, and the settings that differ."""
    if as_json:
        print_json(comparison.to_json())
        return
    console = Console(highlight=False)
    data = comparison.arms[0].results[0].data
    console.print(Text(f"{data['name']}, {data['test_examples']:,} test examples; intervals are 95 %\n"))
    _print_scores(comparison.arms, comparison.metrics, console)
    _print_costs(comparison.arms, console)
    for difference in comparison.differences:
        console.print(Text(f"{difference.sentence}.\n"))
        if not difference.settings:
            console.print(Text(f"{difference.second} and {difference.first} have the same settings.\n"))
            continue
        rows = [(one.path, format_setting(one.first), format_setting(one.second)) for one in difference.settings]
        print_rows(console, ("setting", difference.first, difference.second), rows)
        console.print()
    for note in comparison.notes:
        console.print(Text(note))
    for run, reason in comparison.left_out.items():
        console.print(Text(f"left out: {run}: {reason}"), soft_wrap=True)


def _print_scores(arms: Sequence[Arm], metrics: Sequence[str], console: Console) -> None:
    rows = [
        (arm.name, str(len(arm.results)), *(str(arm.estimate(metric)) for metric in metrics), format_seeds(arm.seeds))
        for arm in arms
    ]
    print_rows(console, ("arm", "n", *metrics, "seeds"), rows, right=("n", *metrics))
    console.print()


def _print_costs(arms: Sequence[Arm], console: Console) -> None:
    header = ("arm", "parameters", "CPU seconds", "seconds/epoch", "examples/s")
    formats = {"parameters": ",.0f", "cpu_seconds": ",.1f", "seconds_per_epoch": ",.2f", "examples_per_second": ",.0f"}
    rows = []
    for arm in arms:
        means = {name: arm.mean(name) for name in formats}
        rows.append((arm.name, *(_NONE if mean is None else f"{mean:{formats[n]}}" for n, mean in means.items())))
    print_rows(console, header, rows, right=header[1:])
    console.print()


def print_runs(entries: Sequence[ListingEntry], broken: Mapping[Path, str], *, as_json: bool) -> None:
    """Print a row for each run or group, and a line for each folder that is ignored."""
    if as_json:
        print_json(
            {
                "runs": [entry.to_json() for entry in entries],
                "broken": {str(path): reason for path, reason in broken.items()},
            }
        )
        return
    console = Console(highlight=False)
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
        console.print(Text(f"{path}: {reason.rstrip('.')}; ignored"), soft_wrap=True)


def _format_status(entry: ListingEntry) -> str:
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


_LONGEST_CELL = 40


def print_columns(table: FileTable) -> None:
    """What was detected in a file of rows and columns."""
    console = Console(highlight=False)
    console.print(table.format_detected(), style="dim", markup=False)
    columns = table_of("column", "kind", "different", "empty", "first", right=("different", "empty"))
    for facts in describe_columns(table):
        first = " ".join(facts["first"].split())
        shown = first if len(first) <= _LONGEST_CELL else first[:_LONGEST_CELL] + "…"
        add_row(columns, facts["column"], facts["kind"], f"{facts['different']:,}", f"{facts['empty']:,}", shown)
    console.print(columns)


def print_dataset(data: Dataset, *, as_json: bool, said: str = "") -> None:
    """Shapes, type, range before and after scaling, examples per class, and a few examples drawn.

    Args:
        data: What to look at.
        as_json: Whether for machines.
        said: A note that stands there already.
    """
    facts = describe(data)
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    console.print(Text.assemble((data.name, "bold"), "  ", data.source))
    for note in (note for note in data.notes if note != said):
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
        "", data.kind, f"least {unit}", "median", "most", *(("range", "missing") if data.kind == "series" else ())
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
    """Each recipe's name and its first line of comment."""
    table = table_of("recipe", "", right=())
    for name, path in recipes.items():
        add_row(table, name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    Console(highlight=False).print(table)


def print_description(description: Mapping[str, Any], *, as_json: bool) -> None:
    """A network layer by layer, and what it would learn from."""
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
        f"{description['parameters']:,} parameters; {description['training_examples']:,} examples to learn from, "
        f"{description['validation_examples']:,} to watch, {description['test_examples']:,} to test; "
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'} of {steps:,} steps"
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


_ROWS = 24
_WIDTH = 50


def print_lr_sweep(sweep: "LearningRateSweep", *, as_json: bool) -> None:
    """The loss at each rate as a bar, and the rate to take."""
    if as_json:
        print_json(sweep.to_json())
        return
    table = table_of("learning rate", "loss", "", right=("learning rate", "loss"))
    every = max(1, -(-len(sweep.rates) // _ROWS))
    most = max(sweep.smoothed[::every] + sweep.smoothed[-1:])
    for rate, loss in list(zip(sweep.rates, sweep.smoothed, strict=True))[::every]:
        mark = (
            "  ← falls fastest" if rate <= sweep.suggestion < rate * (sweep.rates[1] / sweep.rates[0]) ** every else ""
        )
        add_row(table, f"{rate:.1e}", f"{loss:.4f}", "█" * max(1, round(_WIDTH * loss / most)) + mark)
    console = Console(highlight=False)
    console.print(table)
    end = f"; lost at {sweep.diverged_at:.1e}" if sweep.diverged_at else ""
    console.print(f"the loss falls fastest at {sweep.suggestion:g}{end}")
    console.print("take it as a constant rate; the peak of a OneCycle may be three times as high")


_LONGEST_TEXT = 200


def print_evaluation(evaluation: Evaluation, *, as_json: bool) -> None:
    """Each class' scores, then the whole."""
    if as_json:
        print_json(evaluation.to_json())
        return
    table = table_of("class", "precision", "recall", "F1", "examples")
    for score in evaluation.classes:
        figures = (f"{figure:.4f}" for figure in (score.precision, score.recall, score.f1))
        add_row(table, score.name, *figures, f"{score.support:,}")
    console = Console(highlight=False)
    if evaluation.classes:
        console.print(table)
    console.print(f"{evaluation.headline}  loss {evaluation.loss:.4f}  examples {evaluation.examples:,}")


def print_predictions(predictions: Sequence[Mapping[str, Any]], top: int, *, as_json: bool) -> None:
    """The most probable classes of each input."""
    if as_json:
        print_json(predictions)
        return
    source = "text" if predictions and "text" in predictions[0] else "file"
    table = table_of(source, "label", "probabilities", right=())
    for prediction in predictions:
        best = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])[:top]
        example = f"[{prediction['index']}]" if "index" in prediction else ""
        chances = "  ".join(f"{name} {100 * probability:.1f} %" for name, probability in best)
        named = " ".join(prediction[source].split())
        shown = named if len(named) <= _LONGEST_TEXT else named[:_LONGEST_TEXT] + "…"
        add_row(table, f"{shown}{example}", prediction["label"], chances)
    Console(highlight=False).print(table)


def print_forecast(channels: Sequence[str], told: NDArray[Any], *, as_json: bool) -> None:
    """A row for each step, a column for each channel."""
    if as_json:
        print_json([dict(zip(channels, map(float, row), strict=True)) for row in told])
        return
    table = table_of("step", *channels)
    for step, row in enumerate(told, start=1):
        add_row(table, f"+{step}", *(f"{value:.4g}" for value in row))
    Console(highlight=False).print(table)


_BEST_SHOWN = 10


def print_search(search: "Search", *, as_json: bool) -> None:
    """Print the best ten trials, the importance of each parameter, and the result on the test set."""
    if as_json:
        print_json(describe_search(search))
        return
    from unrolled.searching.formatting import format_outcomes, format_params, format_test_measurements, short_names

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
    console = Console(highlight=False)
    columns = (search.metric, "epochs", "seconds")
    print_rows(console, ("trial", *columns, "values"), rows, right=columns)
    if importance := search.importance:
        shares = [(names[name], f"{100 * share:.0f} %") for name, share in importance.items()]
        print_rows(console, ("parameter", "importance"), shares, right=("importance",))
    console.print(f"trials {len(search.ended)}: {format_outcomes(search.ended)}", markup=False, soft_wrap=True)
    console.print(format_test_measurements(search), markup=False, soft_wrap=True)


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
