"""Commands for experiment files."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, SETTINGS

import click


@click.command()
def recipes() -> None:
    """List the experiments that come with unrolled."""
    from unrolled.experiments.sources import recipes as find_recipes
    from unrolled.tables.experiments import print_recipes

    print_recipes(find_recipes())


@click.command()
@click.argument("experiment", metavar="RECIPE or FILE")
@SETTINGS
@JSON
def check(experiment: str, settings: Sequence[str], as_json: bool) -> None:
    """Check an experiment and print its network; nothing is trained."""
    from unrolled.experiments.experiment import Experiment
    from unrolled.tables.experiments import print_description

    check_backend()
    found = Experiment.find(experiment, settings=settings)

    from unrolled.experiments.description import describe

    print_description(describe(found), as_json=as_json)


@click.command()
@click.argument("recipe", default="mnist-rows")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.  [default: RECIPE.yaml]"
)
def init(recipe: str, output: Path | None) -> None:
    """Write a recipe to a file to edit, with every other setting as a comment."""
    from unrolled.experiments.starting import start_file

    path = output or Path(f"{recipe}.yaml")
    start_file(recipe, path)
    click.echo(path)


@click.command()
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors."""
    check_backend()

    from unrolled.experiments.json_schema import json_schema
    from unrolled.tables.layout import print_json

    print_json(json_schema())
