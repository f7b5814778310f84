"""The command that searches."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, RUNS, SETTINGS

import click


@click.command()
@click.argument("experiment", metavar="FILE or FOLDER")
@click.option("--trials", type=click.IntRange(min=1), help="How many shall end in all.  [default: 40]")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="How many at once.")
@click.option(
    "--metric",
    type=click.Choice(["val_accuracy", "val_loss"]),
    help="What trials are compared by.  [default: val_accuracy of classes, else val_loss]",
)
@click.option("--no-pruning", is_flag=True, help="Train hopeless trials to their end.")
@click.option("--seed", type=int, help="Replaces the experiment's seed.")
@SETTINGS
@RUNS
@click.option("--name", help="Names the search folder.")
@click.option("--quiet", is_flag=True, help="Print the search folder and nothing else.")
@JSON
@click.option("--worker", is_flag=True, hidden=True)
def search(
    experiment: str,
    trials: int | None,
    jobs: int,
    metric: str | None,
    no_pruning: bool,
    seed: int | None,
    settings: Sequence[str],
    runs: Path,
    name: str | None,
    quiet: bool,
    as_json: bool,
    worker: bool,
) -> None:
    """Search the best of several values; the last line printed is the search folder.

    In the experiment, a value may be {search: [32, 64, 128]} or {search: {low: 1e-4, high: 1e-2, log: true}}.

    \b
    unrolled search digits.yaml --trials 40 --jobs 2
    unrolled search runs/20260102T030405Z-digits-search        go on, or join in from elsewhere
    """  # noqa: D301 - click reads the backspace
    from unrolled.experiments.training.signals import listening

    with listening() as request:
        from unrolled.experiments.search.procedure import find_search, pursue
        from unrolled.experiments.search.train import train_trial
        from unrolled.experiments.search.work import work
        from unrolled.experiments.training.progress import choose_progress
        from unrolled.tables.search import print_search

        check_backend()
        found = find_search(
            experiment,
            trials=None if worker else trials,
            metric=metric,
            prunes=not no_pruning,
            settings=settings,
            name=name,
            seed=seed,
            runs=runs,
        )
        if worker:
            work(found, trials or 0, request, train_trial)
            return
        pursue(found, jobs, choose_progress(quiet=quiet or as_json), request)
        if not quiet:
            print_search(found, as_json=as_json)
        if not as_json:
            click.echo(found.path)
