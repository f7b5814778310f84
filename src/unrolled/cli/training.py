"""Commands that train."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, RUNS, SETTINGS

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
    from unrolled.experiments.training.signals import listening

    with listening() as request:
        from unrolled.experiments.experiment import Experiment
        from unrolled.experiments.training.progress import choose_progress

        check_backend()
        found = Experiment.find(experiment, settings=settings, name=name, seed=seed)
        progress = choose_progress(quiet=quiet)
        progress.announce(found)

        from unrolled.experiments.training.procedure import train_experiment

        click.echo(train_experiment(found, runs, progress, request).path)


@click.command()
@click.argument("run")
@click.option("--epochs", type=click.IntRange(min=1), help="The new total; the experiment's own unless told.")
@RUNS
@click.option("--quiet", is_flag=True, help="Print the run folder and nothing else.")
def resume(run: str, epochs: int | None, runs: Path, quiet: bool) -> None:
    """Go on with a training that was killed or interrupted, or is to take longer.

    RUN is a folder, the name of a run, or the word latest.

    \b
    unrolled resume latest                            as if it had never stopped
    unrolled resume latest --epochs 10                until there are ten in all
    """  # noqa: D301 - click reads the backspace
    from unrolled.experiments.training.signals import listening

    with listening() as request:
        from unrolled.experiments.run import Run
        from unrolled.experiments.training.progress import choose_progress

        check_backend()
        found = Run.find(run, runs)

        from unrolled.experiments.training.resuming import resume_run

        click.echo(resume_run(found, epochs, choose_progress(quiet=quiet), request).path)


@click.command("find-rate")
@click.argument("experiment", metavar="[RECIPE or FILE]", default="mnist-rows")
@SETTINGS
@click.option("--low", type=float, default=1e-5, show_default=True, help="The first learning rate.")
@click.option("--high", type=float, default=1.0, show_default=True, help="The last one.")
@click.option("--steps", type=click.IntRange(min=10), default=150, show_default=True, help="Batches to train.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the loss against the rate.")
@JSON
def find_rate(
    experiment: str, settings: Sequence[str], low: float, high: float, steps: int, html: Path | None, as_json: bool
) -> None:
    """Find a learning rate: train a few steps, each with a higher one, and plot the loss.

    Nothing is kept of that training.
    """
    from unrolled.experiments.experiment import Experiment
    from unrolled.tables.rates import print_sweep

    check_backend()
    found = Experiment.find(experiment, settings=settings)

    from unrolled.experiments.training.rate_sweep import sweep_rates
    from unrolled.experiments.training.rate_sweep_page import write_sweep

    sweep = sweep_rates(found, low=low, high=high, steps=steps)
    if html:
        write_sweep(sweep, found, html)
    print_sweep(sweep, as_json=as_json)
    if html and not as_json:
        click.echo(f"\n{html}")
