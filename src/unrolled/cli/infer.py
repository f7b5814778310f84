"""Commands that list runs and use their networks."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from unrolled.backends import check_backend
from unrolled.cli.options import JSON, RUNS

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
@click.option("--data", metavar="NAME or FILE", help="Measure on this instead of the run's own test set.")
@RUNS
@JSON
def evaluate(run: str, data: str | None, runs: Path, as_json: bool) -> None:
    """Measure a trained network, class by class.

    RUN is a folder, the name of a run, or the word latest.
    """
    from unrolled.cli.output import print_evaluation
    from unrolled.runs.run import Run

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
    from unrolled.cli.output import print_predictions
    from unrolled.data.decoding import read_lines
    from unrolled.runs.inference import (
        is_whole_table,
        predict_inputs,
        predict_table,
        predict_texts,
        write_answers,
        write_table,
    )
    from unrolled.runs.run import Run
    from unrolled.storage import new_file

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


@click.command()
@click.argument("run")
@click.option("--prompt", required=True, help="What the network reads first.")
@click.option("--length", type=click.IntRange(min=1), default=400, show_default=True, help="Tokens to write.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Below 1 likelier, above 1 bolder.")
@click.option("--top-k", type=click.IntRange(min=1), help="Draw among the likeliest so many only.")
@click.option("--top-p", type=float, help="Draw among the likeliest only that add up to this share.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides what is drawn.")
@RUNS
def write(
    run: str,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    runs: Path,
) -> None:
    """Go on with a text, in the way of the one that was learned.

    \b
    unrolled write latest --prompt "It is a truth" --temperature 0.7
    """  # noqa: D301 - click reads the backspace
    from unrolled.runs import inference
    from unrolled.runs.run import Run

    check_backend()
    found = Run.find(run, runs)
    pieces = inference.write(found, prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    first = next(pieces)
    click.echo(prompt + first, nl=False)
    for piece in pieces:
        click.echo(piece, nl=False)
    click.echo()


@click.command()
@click.argument("run")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--steps", type=click.IntRange(min=1), help="How many to tell; the network's horizon if left out.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with a chart.")
@RUNS
@JSON
def forecast(run: str, file: Path, steps: int | None, html: Path | None, runs: Path, as_json: bool) -> None:
    """Tell the next values of the series in a table, whose rows are its steps.

    \b
    unrolled forecast latest passengers.csv --steps 24 --html next.html
    """  # noqa: D301 - click reads the backspace
    from unrolled.cli.output import print_forecast
    from unrolled.data.tables import read_table
    from unrolled.reports.forecast import write_forecast_page
    from unrolled.runs.inference import check_task
    from unrolled.runs.inference import forecast as foretell
    from unrolled.runs.run import Run

    import numpy as np

    check_backend()
    found = Run.find(run, runs)
    check_task(found)
    own = found.experiment.data
    read_options = {} if isinstance(own, str) else own.read_options
    table = read_table(file, **read_options)
    values = np.array([table.numbers(channel) for channel in found.classes], np.float32).T
    told = foretell(found, values, steps)
    if html:
        write_forecast_page(html, found, values, told)
    print_forecast(found.classes, told, as_json=as_json)
    if html and not as_json:
        click.echo(f"\n{html}")
