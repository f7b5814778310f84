"""Commands that list runs and use their networks."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
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
@click.argument("inputs", nargs=-1, required=True, metavar="FILE or TEXT...")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to print for each.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the answers here, as CSV.")
@click.option("--explain-input", type=click.Path(path_type=Path, dir_okay=False), help="Write what the network saw.")
@RUNS
@JSON
def predict(
    run: str,
    inputs: Sequence[str],
    top: int,
    output: Path | None,
    explain_input: Path | None,
    runs: Path,
    as_json: bool,
) -> None:
    """Tell the class of texts, pictures of digits (PNG, JPEG), batches (NPZ, IDX, .ts) or the rows of a table.

    A table comes back as CSV with columns added. The word - reads a text a line from the standard input. RUN is a
    folder, the name of a run, or the word latest.
    """
    from unrolled.data.decoding import read_lines
    from unrolled.experiments.prediction import predict_inputs, predict_texts
    from unrolled.experiments.run import Run
    from unrolled.experiments.table_answers import is_whole_table, predict_table, write_answers, write_table
    from unrolled.storage import new_file
    from unrolled.tables.runs import print_predictions

    check_backend()
    found, table = Run.find(run, runs), None
    if is_whole_table(inputs):
        table, predictions = predict_table(found, Path(inputs[0]))
    elif inputs == ("-",):
        predictions = predict_texts(found, read_lines(sys.stdin.buffer))
    else:
        predictions = predict_inputs(found, inputs, explain_input)
    if as_json or (table is None and output is None):
        print_predictions(predictions, top, as_json=as_json)
    if output is None and (as_json or table is None):
        return
    with new_file(output) if output else nullcontext(sys.stdout) as to:
        if table is None:
            write_answers(predictions, to)
        else:
            write_table(table, predictions, to)
