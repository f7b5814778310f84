"""Commands that look at data."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backends import check_backend
from unrolled.cli.options import JSON, OVERRIDES, RUNS

import click


@click.command()
@click.argument("data", metavar="NAME or FILE", default="mnist")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write a PNG to look at.")
@click.option("--input", "inputs", multiple=True, metavar="COLUMN", help="Of a table, what is read; may be repeated.")
@click.option(
    "--target", metavar="COLUMN", help="Of a table, the column of the class; without one, values to forecast."
)
@click.option("--series", metavar="COLUMN", help="Of a table with a row for each step, which series a row belongs to.")
@click.option("--side", type=click.IntRange(min=1), help="To how many pixels pictures of a folder are brought.")
@JSON
def show(
    data: str, picture: Path | None, as_json: bool, inputs: tuple[str, ...], side: int | None, **columns: str | None
) -> None:
    """Look at a data set: its shapes, range and classes, and a few examples. Of a table, its columns first.

    \b
    unrolled show mnist --picture mnist.png
    unrolled show digits.npz
    unrolled show survey.csv --input answer --target mood
    """  # noqa: D301 - click reads the backspace
    from unrolled.cli.output import print_columns, print_dataset
    from unrolled.data.preview import save_picture
    from unrolled.data.registry import load_to_show
    from unrolled.data.tables import is_table, read_start

    table = read_start(Path(data)) if is_table(Path(data)) else None
    if table and not as_json:
        print_columns(table)
    loaded = load_to_show(data, table, inputs, side=side, **columns)
    if picture:
        save_picture(loaded, picture)
    print_dataset(loaded, as_json=as_json, printed=table.format_detected() if table else "")
    if picture and not as_json:
        click.echo(f"\n{picture}")


@click.command()
@click.argument("subject", metavar="[FILE, RECIPE or RUN]", default="mnist-rows")
@OVERRIDES
@RUNS
@JSON
@click.pass_context
def doctor(context: click.Context, subject: str, overrides: Sequence[str], runs: Path, as_json: bool) -> None:
    """Look for what goes wrong with recurrent networks, and say what to do.

    Of an experiment, its data is looked at and its network tries a few steps; of a run, the trained network is
    examined. Exits with 0 where nothing was found, and with 1 where something was.

    \b
    unrolled doctor digits.yaml                       before training
    unrolled doctor latest                            after it
    """  # noqa: D301 - click reads the backspace
    check_backend()
    from unrolled.cli.output import print_diagnostics
    from unrolled.diagnostics.diagnose import diagnose

    findings = diagnose(subject, overrides=overrides, runs=runs)
    print_diagnostics(findings, as_json=as_json)
    context.exit(1 if findings else 0)


@click.command()
def recipes() -> None:
    """List the experiments that come with unrolled."""
    from unrolled.cli.output import print_recipes
    from unrolled.config.experiment import recipes as find_recipes

    print_recipes(find_recipes())


@click.command()
@click.argument("experiment", metavar="RECIPE or FILE")
@OVERRIDES
@JSON
def check(experiment: str, overrides: Sequence[str], as_json: bool) -> None:
    """Check an experiment and print its network; nothing is trained."""
    from unrolled.cli.output import print_description
    from unrolled.config.experiment import ExperimentConfig

    check_backend()
    found = ExperimentConfig.load(experiment, overrides=overrides)

    from unrolled.model.build import describe

    print_description(describe(found), as_json=as_json)


@click.command()
@click.argument("recipe", default="mnist-rows")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.  [default: RECIPE.yaml]"
)
def init(recipe: str, output: Path | None) -> None:
    """Write a recipe to a file to edit, with every other setting as a comment."""
    from unrolled.config.template import write_template

    path = output or Path(f"{recipe}.yaml")
    write_template(recipe, path)
    click.echo(path)


@click.command()
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors."""
    check_backend()

    from unrolled.cli.output import print_json
    from unrolled.model.schema import json_schema

    print_json(json_schema())
