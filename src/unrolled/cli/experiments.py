"""Commands for experiment files."""

import click


@click.command()
def recipes() -> None:
    """List the experiments that come with unrolled."""
    from unrolled.experiments.sources import recipes as find_recipes
    from unrolled.tables.experiments import print_recipes

    print_recipes(find_recipes())
