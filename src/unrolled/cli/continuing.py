"""Commands that go on with a text or a series."""

from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, RUNS

import click


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
    from unrolled.experiments import writing
    from unrolled.experiments.run import Run

    check_backend()
    found = Run.find(run, runs)
    pieces = writing.write(found, prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
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
    from unrolled.data.tables import read_table
    from unrolled.experiments.forecast_page import write_forecast_page
    from unrolled.experiments.foretelling import check_task
    from unrolled.experiments.foretelling import forecast as foretell
    from unrolled.experiments.run import Run
    from unrolled.tables.runs import print_forecast

    import numpy as np

    check_backend()
    found = Run.find(run, runs)
    check_task(found)
    own = found.experiment.data
    how = {} if isinstance(own, str) else own.how
    table = read_table(file, **how)
    values = np.array([table.numbers(channel) for channel in found.classes], np.float32).T
    told = foretell(found, values, steps)
    if html:
        write_forecast_page(html, found, values, told)
    print_forecast(found.classes, told, as_json=as_json)
    if html and not as_json:
        click.echo(f"\n{html}")
