"""Options that several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def START(command: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802 - stands beside the others
    """Add the options that choose an experiment for a file."""
    for option in (
        click.option("--target", metavar="COLUMN", help="With --data: the column to predict, or to forecast."),
        click.option("--test", type=click.Path(path_type=Path), help="With --data: a file with the test examples."),
        click.option("--data", type=click.Path(path_type=Path), help="A file or folder to choose an experiment for."),
    ):
        command = option(command)
    return command


def write_start_of(data: Path, test: Path | None, target: str | None, output: Path | None) -> Path:
    """Write an experiment for a file, and return its path: by default the name of the file, with .yaml."""
    from unrolled.tasks.starting import write_start

    path = output or Path(f"{data.resolve().stem}.yaml")
    write_start(data, path, test, target)
    return path
