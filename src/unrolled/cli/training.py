"""Commands that train."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import RUNS, SETTINGS

import click


@click.command()
@click.argument("experiment", metavar="[RECIPE or FILE]", default="mnist-rows")
@click.option("--seed", type=int, help="Replaces the experiment's seed.")
@SETTINGS
@RUNS
@click.option("--name", help="Names the run folder.")
@click.option("--quiet", is_flag=True, help="Print the run folder and nothing else.")
def train(
    experiment: str, seed: int | None, settings: Sequence[str], runs: Path, name: str | None, quiet: bool
) -> None:
    """Train a network; the last line printed is the run folder.

    \b
    unrolled train                                    the article's network on MNIST
    unrolled train --set training.epochs=5            with one setting changed
    unrolled train --set network.1.LSTM.units=64      in the layer at index 1
    unrolled train digits.yaml --seed 1               your own experiment
    """  # noqa: D301 - click reads the backspace
    from unrolled.experiments.signals import listening

    with listening() as request:
        from unrolled.experiments.experiment import Experiment
        from unrolled.experiments.progress import choose_progress

        check_backend()
        found = Experiment.find(experiment, settings=settings, name=name, seed=seed)
        progress = choose_progress(quiet=quiet)
        progress.announce(found)

        from unrolled.experiments.training import train_experiment

        click.echo(train_experiment(found, runs, progress, request).path)
