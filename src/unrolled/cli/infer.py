"""Commands that list runs and use their networks."""

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from unrolled.backends import check_backend
from unrolled.cli.options import JSON, RUNS, Finite
from unrolled.terminal import data_output, say, warn

import click


@click.command("runs")
@RUNS
@click.option("--where", metavar="PATH=VALUE", multiple=True, help="List only runs with this setting; may be repeated.")
@click.option("--status", metavar="WORD", help="List only runs of this status, such as finished.")
@click.option(
    "--sort",
    type=click.Choice(["time", "name", "accuracy", "loss"]),
    default="time",
    show_default=True,
    help="Order: the newest first, by name, the highest accuracy first, the lowest loss first.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Number of runs to list at most.")
@JSON
def list_all(runs: Path, where: Sequence[str], status: str | None, sort: str, limit: int | None, as_json: bool) -> None:
    """List runs and groups of runs.

    \b
    unrolled runs --where network.1.LSTM.units=64 --sort accuracy
    """  # noqa: D301 - click reads the backspace
    from unrolled.cli.output import print_runs
    from unrolled.comparison.listing import list_runs

    entries, broken = list_runs(runs, where=where, status=status, sort=sort, limit=limit)
    print_runs(entries, broken, as_json=as_json)


@click.command()
@click.argument("run")
@click.option("--data", metavar="NAME or FILE", help="Evaluate on this instead of the run's own test set.")
@RUNS
@JSON
def evaluate(run: str, data: str | None, runs: Path, as_json: bool) -> None:
    """Evaluate a trained network on the test set.

    RUN is a folder, the name of a run, or a handle such as latest.
    """
    from unrolled.cli.output import print_evaluation
    from unrolled.runs.inference import evaluate as evaluate_on
    from unrolled.runs.run import Run

    check_backend()
    print_evaluation(evaluate_on(Run.find(run, runs), data), as_json=as_json)


@click.command()
@click.argument("run")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE or TEXT...")
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to print for each example."
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the predictions to this CSV file."
)
@click.option(
    "--explain-input",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a PNG with each picture beside the network's input.",
)
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
    """Predict the class of texts, pictures, sounds (WAV), arrays (NPZ, IDX), series (.ts) or rows.

    Of a folder each file is predicted. The rows are those of a table, which is printed as CSV with added columns. With
    - one text per line is read from the standard input. RUN is a folder, the name of a run, or latest.
    """
    from unrolled.cli.output import print_predictions
    from unrolled.data.decoding import read_lines
    from unrolled.runs.inference import (
        is_whole_table,
        predict_inputs,
        predict_table,
        predict_texts,
        write_predictions,
        write_table,
    )
    from unrolled.runs.run import Run
    from unrolled.storage import check_new, new_file

    check_backend()
    check_new(output)
    found, table = Run.find(run, runs), None
    if is_whole_table(inputs):
        table, predictions, notes = predict_table(found, Path(inputs[0]))
        for note in notes:
            warn(note)
    elif inputs == ("-",):
        predictions = predict_texts(found, read_lines(sys.stdin.buffer))
    else:
        predictions = predict_inputs(found, inputs, explain_input)
    if as_json or (table is None and output is None):
        print_predictions(predictions, top, as_json=as_json)
    if output is None and (as_json or table is None):
        return
    with new_file(output) if output else data_output() as to:
        if table is None:
            write_predictions(predictions, to)
        else:
            write_table(table, predictions, to)


@click.command()
@click.argument("run")
@click.option("--prompt", required=True, help="The text that the network reads first.")
@click.option("--length", type=click.IntRange(min=1), default=400, show_default=True, help="Tokens to generate.")
@click.option(
    "--temperature",
    type=Finite(),
    default=1.0,
    show_default=True,
    help="Below 1 more conservative, above 1 more random; 0 takes the most probable token.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Sample among this many most probable tokens only.")
@click.option("--top-p", type=Finite(), help="Sample among the most probable tokens that add up to this share only.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the samples.")
@RUNS
def generate(run: str, prompt: str, runs: Path, **options: Any) -> None:
    """Generate a text after a prompt.

    RUN is a folder, the name of a run, or a handle such as latest.

    \b
    unrolled generate latest --prompt "It is a truth" --temperature 0.7
    """  # noqa: D301 - click reads the backspace
    from unrolled import api
    from unrolled.runs.run import Run

    check_backend()
    pieces = api.generate(Run.find(run, runs), prompt, **options)
    first = next(pieces)
    for piece in chain((prompt + first,), pieces):
        say(piece, end="", keep="\n\t")
    say()


@click.command()
@click.argument("run")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--steps", type=click.IntRange(min=1), help="Number of steps.  [default: the network's horizon]")
@click.option(
    "--future",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table of the columns that are known ahead, with a row for each step to forecast.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the forecasts to this CSV file.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with a chart.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw the chart to this PNG.")
@RUNS
@JSON
def forecast(
    run: str,
    file: Path,
    steps: int | None,
    future: Path | None,
    output: Path | None,
    html: Path | None,
    picture: Path | None,
    runs: Path,
    as_json: bool,
) -> None:
    """Forecast the next values of each series in a table with one row per time step.

    What is known of the steps to forecast stands in the rows after the last value, or in the table of --future. RUN is
    a folder, the name of a run, or a handle such as latest.

    \b
    unrolled forecast latest passengers.csv --steps 24 --html next.html
    unrolled forecast latest sales.csv --future prices.csv --output next.csv
    """  # noqa: D301 - click reads the backspace
    from unrolled.cli.forecasts import print_forecast
    from unrolled.data.pictures import save_png
    from unrolled.reports.forecast import draw_forecast, write_forecast_page
    from unrolled.runs.forecasts import forecast_table
    from unrolled.runs.run import Run
    from unrolled.storage import check_new, new_file

    check_backend()
    check_new(output)
    found = Run.find(run, runs)
    forecasts = forecast_table(found, file, steps, future)
    if html:
        write_forecast_page(html, found, forecasts)
    if picture:
        save_png(draw_forecast(forecasts), picture)
    if output:
        with new_file(output) as to:
            forecasts.write(to)
    if as_json or not output:
        print_forecast(forecasts, as_json=as_json)
    for note in forecasts.notes:
        warn(note)
    written = [path for path in (html, picture) if path]
    if written and not as_json:
        say()
        for path in written:
            say(path)


@click.command()
@click.argument("run")
@click.option("--folds", type=click.IntRange(min=1), default=5, show_default=True, help="Moments to forecast from.")
@click.option("--step", type=click.IntRange(min=1), help="Steps between two of them.  [default: the network's horizon]")
@click.option("--refit", is_flag=True, help="Train a network for each moment on all that was before it.")
@click.option(
    "--method",
    "methods",
    metavar="WORD",
    multiple=True,
    help="A method to compare with: naive, ets or theta; may be repeated.  [default: all that are installed]",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write all forecasts to this CSV file.")
@RUNS
@JSON
def backtest(
    run: str,
    folds: int,
    step: int | None,
    refit: bool,
    methods: Sequence[str],
    output: Path | None,
    runs: Path,
    as_json: bool,
) -> None:
    """Forecast each series from several moments of the past, and compare with simple and statistical methods.

    The last moment is one horizon before the end. Where the run has read steps that are to be forecast, a network is
    trained without them. AutoETS and AutoTheta need pip install 'unrolled[statsforecast]'. RUN is a folder, the name of
    a run, or a handle such as latest.
    """
    from unrolled import api
    from unrolled.cli.forecasts import print_backtest, write_backtest
    from unrolled.runs.run import Run
    from unrolled.storage import check_new, new_file

    check_backend()
    check_new(output)
    found = api.backtest(Run.find(run, runs), folds, step=step, refit=refit, methods=methods or None, quiet=as_json)
    if output:
        with new_file(output) as to:
            write_backtest(found, to)
    print_backtest(found, as_json=as_json)
    for note in found.notes:
        warn(note)


@click.command()
@click.argument("run")
@RUNS
def report(run: str, runs: Path) -> None:
    """Write the report of a run again, from its folder.

    RUN is a folder, the name of a run, or a handle such as latest.
    """
    from unrolled.reports.run import write_report
    from unrolled.runs.run import Run

    check_backend()
    say(write_report(Run.find(run, runs)))
