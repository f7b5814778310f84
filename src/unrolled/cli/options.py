"""Options that several commands take."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click


class Finite(click.types.FloatParamType):
    """A number, but neither ``nan`` nor ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


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


def start_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose an experiment for a file."""
    for option in (
        click.option("--task", metavar="TASK", help="With --data: the task, where the columns leave a choice."),
        click.option(
            "--target",
            "targets",
            metavar="COLUMN",
            multiple=True,
            help="With --data: the column to predict, or to forecast; repeat for more.",
        ),
        click.option("--test", type=click.Path(path_type=Path), help="With --data: a file with the test examples."),
        click.option("--data", type=click.Path(path_type=Path), help="A file or folder to choose an experiment for."),
    ):
        command = option(command)
    return command


def chosen_start(
    argument: str,
    data: Path | None,
    test: Path | None,
    targets: Sequence[str],
    task: str | None,
    overrides: Sequence[str],
    output: Path | None = None,
) -> Path | None:
    """Write an experiment for a file, and return its path: by default the name of the file, with .yaml.

    Args:
        argument: The name of the argument that the file stands in for.
        data: The file; without it nothing is written, and None returned.
        test: A file with the test examples.
        targets: The columns to predict.
        task: The task.
        overrides: Settings that are not to be chosen.
        output: The experiment to write.

    Raises:
        UsageError: Both are given, or an option without the file.
    """
    context = click.get_current_context()
    if data is None:
        if test is not None or targets or task is not None:
            raise click.UsageError("--test, --target and --task belong to --data FILE. Name the file, too.")
        return None
    if context.get_parameter_source(argument) is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError(f"--data chooses an experiment for a file. Leave {context.params[argument]} out.")
    from unrolled.tasks.starting import write_start

    path = output or Path(f"{data.resolve().stem}.yaml")
    write_start(data, path, test, targets, task, overrides)
    return path
