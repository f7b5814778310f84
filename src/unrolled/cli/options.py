"""Options that several commands take."""

from pathlib import Path

import click

RUNS = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
OVERRIDES = click.option(
    "--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change a setting; may be repeated."
)
