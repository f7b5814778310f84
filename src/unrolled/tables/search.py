"""What a search found."""

from typing import Any

from unrolled.experiments.search.folder import Search
from unrolled.experiments.search.spelling import (
    short_names,
    spell_measurement,
    spell_outcomes,
    spell_picked,
)
from unrolled.tables.layout import add_row, print_json, table_of

from rich.console import Console

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
        add_row(table, *figures, spell_picked(trial.picked, names))
    console = Console(highlight=False)
    console.print(table)
    if importance:
        shares = table_of("parameter", "importance")
        for name, share in importance.items():
            add_row(shares, names[name], f"{100 * share:.0f} %")
        console.print(shares)
    console.print(f"trials {len(search.ended)}: {spell_outcomes(search.ended)}", markup=False, soft_wrap=True)
    console.print(spell_measurement(search), markup=False, soft_wrap=True)


def describe_search(search: Search) -> dict[str, Any]:
    """A search as JSON: the best trial, all trials, the importance, and each look at the test set."""
    trials = [
        {
            "trial": trial.number,
            "outcome": trial.outcome,
            search.metric: trial.value,
            "picked": dict(trial.picked),
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
