"""Experiments side by side, and the list of what is there to compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from unrolled.experiments.comparing.arms import Arm
from unrolled.experiments.comparing.comparison import Comparison
from unrolled.experiments.comparing.run_list import Entry
from unrolled.experiments.differences import spell_setting
from unrolled.tables.layout import add_row, print_json, table_of

from rich.console import Console
from rich.text import Text

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
            add_row(table, one.path, spell_setting(one.first), spell_setting(one.second))
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


def print_runs(entries: Sequence[Entry], broken: Mapping[Path, str], *, as_json: bool) -> None:
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


def _status(entry: Entry) -> str:
    partly = entry.kind == "group" and entry.finished < len(entry.seeds)
    return f"{entry.status} ({entry.finished} of {len(entry.seeds)})" if partly else entry.status


def _seeds(entry: Entry) -> str:
    """A run's seed; a group's seeds, as a range where they are one."""
    first, last = min(entry.seeds), max(entry.seeds)
    whole = sorted(entry.seeds) == list(range(first, last + 1)) and len(entry.seeds) > 2
    return f"{first}-{last}" if whole else ",".join(map(str, entry.seeds))
