"""Commands that train with several seeds, and put what came of it side by side."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, RUNS, SETTINGS

import click


@click.command()
@click.argument("experiment", metavar="[RECIPE, FILE or GROUP]", default="mnist-rows")
@click.option(
    "--seeds", metavar="SEEDS", help="How many (5), which (3,7,11), or from one to another (5-9). [default: 5]"
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="How many to train at once.")
@SETTINGS
@RUNS
@click.option("--name", help="Names the group and its runs.")
@click.option("--quiet", is_flag=True, help="Print the group's folder and nothing else.")
def repeat(
    experiment: str, seeds: str | None, jobs: int, settings: Sequence[str], runs: Path, name: str | None, quiet: bool
) -> None:
    """Train with several seeds; the last line printed is the folder of the group of runs.

    A group that was interrupted is continued: only what is missing is trained.

    \b
    unrolled repeat mnist-rows --seeds 5              seeds 0 to 4
    unrolled repeat digits.yaml --seeds 3,7 --jobs 2  two at once, each on cores of its own
    unrolled repeat runs/20260102T030405Z-digits      what is missing in it
    """  # noqa: D301 - click reads the backspace
    from unrolled.experiments.training.signals import listening

    with listening() as request:
        from unrolled.experiments.comparing.repetition import repeat_experiment

        check_backend()
        group = repeat_experiment(
            experiment, request, seeds=seeds, jobs=jobs, settings=settings, runs=runs, name=name, quiet=quiet
        )
        click.echo(group.path)


@click.command()
@click.argument("arms", nargs=-1, required=True, metavar="RUN or GROUP...")
@click.option("--metric", metavar="NAME", help="Which figure of the test set to compare.  [default: the first]")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to look at.")
@RUNS
@JSON
def compare(arms: Sequence[str], metric: str | None, html: Path | None, runs: Path, as_json: bool) -> None:
    """Put runs side by side, with intervals over their seeds, and say what may be chance.

    Each RUN or GROUP is a folder, a name, or the word latest. Runs of the same experiment with other seeds are
    pooled.

    \b
    unrolled compare mnist-rows mnist-gru --html comparison.html
    """  # noqa: D301 - click reads the backspace
    from unrolled.experiments.comparing.comparison import compare as compare_runs
    from unrolled.tables.comparison import print_comparison

    comparison = compare_runs(*arms, metric=metric, runs=runs)
    if html:
        from unrolled.experiments.comparing.comparison_page import write_comparison

        write_comparison(comparison, html)
    print_comparison(comparison, as_json=as_json)
    if html and not as_json:
        click.echo(f"\n{html}")
