"""A search as one page that needs nothing else: no server, no network, no other file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from unrolled.experiments.document import write_yaml
from unrolled.experiments.pages import render
from unrolled.experiments.search.axes import parallel_chart
from unrolled.experiments.search.charts import history_chart, importance_chart
from unrolled.experiments.search.folder import Search
from unrolled.experiments.search.spelling import short_names, spell_label, spell_outcomes, spell_times
from unrolled.experiments.search.trial import Trial
from unrolled.storage import write_text

BEST_SHOWN = 10


def write_search_report(search: Search) -> None:
    """Write ``search.html``.

    Args:
        search: Its best trial is measured.

    Raises:
        WriteError: The page cannot be written.
    """
    ended, ranking, importance = search.ended, search.ranking, search.importance
    names = short_names(search.space.by_name)
    ordered = sorted(search.space.parameters, key=lambda parameter: -importance.get(parameter.name, 0.0))
    looks = search.settings["test_measurements"]
    page = render(
        "search.html",
        title=search.path.name,
        name=search.space.document.settings.get("name", "experiment"),
        seed=search.space.document.settings.get("seed", 0),
        metric=search.metric,
        best=ranking[0],
        experiment=search.experiment(ranking[0].picked),
        data=_first_data(search, ranking),
        ended=len(ended),
        outcomes=spell_outcomes(ended),
        seconds=sum(trial.seconds for trial in ended),
        history=history_chart(ended, search.metric, maximizes=search.maximizes),
        importance=importance_chart(importance, names) if importance else None,
        parallel=parallel_chart(ranking, ordered, names, search.metric, maximizes=search.maximizes),
        names=[names[parameter.name] for parameter in ordered],
        rows=[_row(trial, [parameter.name for parameter in ordered]) for trial in ranking[:BEST_SHOWN]],
        looks=looks,
        look=next(look for look in looks if look["trial"] == ranking[0].number),
        times=spell_times(len(looks)),
        searched=write_yaml(search.space.document.settings),
        best_yaml=(search.path / "best.yaml").read_text(encoding="utf-8"),
        written=datetime.now(UTC),
    )
    write_text(search.path / "search.html", page)


def _row(trial: Trial, parameters: Sequence[str]) -> dict[str, Any]:
    picked = [spell_label(trial.picked[name]) if name in trial.picked else "" for name in parameters]
    return {"trial": trial, "picked": picked}


def _first_data(search: Search, ranking: Sequence[Trial]) -> dict[str, Any]:
    run = search.run_of(ranking[0].number)
    return run.read_json("data.json") if run else {}
