"""Commands that list runs and use their networks."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, RUNS

import click


@click.command("runs")
@RUNS
@click.option("--where", metavar="PATH=VALUE", multiple=True, help="Only those with this setting; may be repeated.")
@click.option("--status", metavar="WORD", help="Only those of this status, as in: --status finished")
@click.option(
    "--sort",
    type=click.Choice(["time", "name", "accuracy", "loss"]),
    default="time",
    show_default=True,
    help="What comes first: the newest, the first name, the highest accuracy, the lowest loss.",
)
@click.option("--limit", type=click.IntRange(min=1), help="List so many at most.")
@JSON
def list_all(runs: Path, where: Sequence[str], status: str | None, sort: str, limit: int | None, as_json: bool) -> None:
    """List runs and groups of runs.

    \b
    unrolled runs --where network.1.LSTM.units=64 --sort accuracy
    """  # noqa: D301 - click reads the backspace
    from unrolled.experiments.comparing.run_list import list_runs
    from unrolled.tables.comparison import print_runs

    entries, broken = list_runs(runs, where=where, status=status, sort=sort, limit=limit)
    print_runs(entries, broken, as_json=as_json)


@click.command()
@click.argument("run")
@click.option("--data", metavar="NAME or FILE", help="Measure on this instead of the run's own test set.")
@RUNS
@JSON
def evaluate(run: str, data: str | None, runs: Path, as_json: bool) -> None:
    """Measure a trained network, class by class.

    RUN is a folder, the name of a run, or the word latest.
    """
    from unrolled.experiments.run import Run
    from unrolled.tables.runs import print_evaluation

    check_backend()
    print_evaluation(Run.find(run, runs).evaluate(data), as_json=as_json)


@click.command()
@click.argument("run")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to print per file.")
@click.option("--explain-input", type=click.Path(path_type=Path, dir_okay=False), help="Write what the network saw.")
@RUNS
@JSON
def predict(run: str, files: Sequence[Path], top: int, explain_input: Path | None, runs: Path, as_json: bool) -> None:
    """Read pictures of digits (PNG, JPEG), or batches of images (NPZ, IDX).

    RUN is a folder, the name of a run, or the word latest.
    """
    from unrolled.experiments.prediction import predict_files
    from unrolled.experiments.run import Run
    from unrolled.tables.runs import print_predictions

    check_backend()
    predictions = predict_files(Run.find(run, runs), files, explain_input)
    print_predictions(predictions, top, as_json=as_json)
