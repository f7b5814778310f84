"""Commands that describe data and experiments, and diagnose networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.backends import check_backend
from unrolled.cli.options import JSON, OVERRIDES, RUNS, chosen_start, start_options
from unrolled.terminal import say

import click


@click.command()
@click.argument("data", metavar="NAME or FILE", default="mnist")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw examples to this PNG.")
@click.option("--input", "inputs", multiple=True, metavar="COLUMN", help="Input column of a table; repeat for more.")
@click.option(
    "--target",
    multiple=True,
    metavar="COLUMN",
    help="Class column of a table, or several of numbers or labels; without it the inputs are a series to forecast.",
)
@click.option("--series", metavar="COLUMN", help="Column that assigns the rows of a table to series.")
@click.option("--time", multiple=True, metavar="COLUMN", help="Column of times; repeat for the parts of a time.")
@click.option("--side", type=click.IntRange(min=1), help="Scale the pictures of a folder into a square of this side.")
@click.option("--channels", type=click.Choice(["grey", "rgb"]), help="Channels of the pictures of a folder.")
@click.option("--rate", type=click.IntRange(min=1), help="Resample the sounds of a folder to this rate, in Hz.")
@JSON
def show(
    data: str,
    picture: Path | None,
    as_json: bool,
    inputs: tuple[str, ...],
    target: tuple[str, ...],
    time: tuple[str, ...],
    side: int | None,
    channels: str | None,
    rate: int | None,
    **columns: str | None,
) -> None:
    """Describe a data set: its shapes, range, classes and a few examples; for a table, its columns first.

    \b
    unrolled show mnist --picture mnist.png
    unrolled show digits.npz
    unrolled show survey.csv --input comment --target mood
    """  # noqa: D301 - click reads the backspace
    from unrolled.cli.datasets import print_columns, print_dataset
    from unrolled.data.columns import has_target
    from unrolled.data.folders import FolderSettings
    from unrolled.data.formats import preview_table
    from unrolled.data.preview import save_picture
    from unrolled.data.registry import load_to_show
    from unrolled.data.samples import with_path

    table = preview_table(Path(with_path(data)))
    named: dict[str, Any] = {**columns, "target": target[0] if len(target) == 1 else target or None}
    if table and not as_json:
        print_columns(table, input=inputs or None, time=time or None, **named)
        if not (inputs or target or has_target(table)):
            say()
            say("To see examples, name what is to be predicted: --target COLUMN; or forecast: --input COLUMN")
            return
    loaded = load_to_show(data, table, inputs, folder=FolderSettings(side, channels, rate), time=time, **named)
    if picture:
        save_picture(loaded, picture)
    print_dataset(loaded, as_json=as_json, printed_note=table.format_detected() if table else "")
    if picture and not as_json:
        say()
        say(picture)


@click.command()
@click.argument("source", metavar="[FILE, RECIPE or RUN]", default="mnist-rows")
@OVERRIDES
@RUNS
@JSON
@click.pass_context
def doctor(context: click.Context, source: str, overrides: Sequence[str], runs: Path, as_json: bool) -> None:
    """Check a network and its data for problems, and suggest fixes.

    The network of an experiment is trained for a few steps at several learning rates; a run is checked as it was
    trained. Exits with 0 if no problem was found, and with 1 otherwise.

    \b
    unrolled doctor digits.yaml                       before training
    unrolled doctor latest                            after training
    """  # noqa: D301 - click reads the backspace
    check_backend()
    from unrolled.cli.output import print_diagnostics
    from unrolled.diagnostics.diagnose import diagnose

    diagnostics = diagnose(source, overrides=overrides, runs=runs)
    print_diagnostics(diagnostics, as_json=as_json)
    context.exit(1 if diagnostics else 0)


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
@start_options
@OVERRIDES
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: RECIPE.yaml, or that of the data]",
)
def init(
    recipe: str,
    data: Path | None,
    test: Path | None,
    targets: Sequence[str],
    task: str | None,
    overrides: Sequence[str],
    output: Path | None,
) -> None:
    """Write an experiment to edit: a recipe with every other setting as a comment, or one that suits a file.

    \b
    unrolled init mnist-gru                           a recipe
    unrolled init --data reviews.csv --target stars   for a file: its task, columns, network and training
    unrolled init --data sensors.csv --task detect    to find anomalies in a table with a row for each step
    """  # noqa: D301 - click reads the backspace
    if data is not None:
        check_backend()
    if written := chosen_start("recipe", data, test, targets, task, overrides, output):
        say(written)
        return
    if overrides:
        raise click.UsageError("--set belongs to --data FILE here. Edit the recipe's settings in the file.")
    from unrolled.config.template import write_template

    path = output or Path(f"{recipe}.yaml")
    write_template(recipe, path)
    say(path)


@click.command()
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors."""
    check_backend()

    from unrolled.cli.tables import print_json
    from unrolled.model.schema import json_schema

    print_json(json_schema())
