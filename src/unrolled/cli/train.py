"""Commands that train."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backends import check_backend
from unrolled.cli.options import JSON, OVERRIDES, RUNS, Finite, chosen_start, start_options
from unrolled.terminal import say, say_folder

import click


@click.command()
@click.argument("experiment", metavar="[RECIPE or FILE]", default="mnist-rows")
@start_options
@click.option("--seed", type=int, help="Replaces the experiment's seed.")
@OVERRIDES
@RUNS
@click.option("--name", help="Names the run folder.")
@click.option("--quiet", is_flag=True, help="Print the run folder and nothing else.")
def train(
    experiment: str,
    data: Path | None,
    test: Path | None,
    targets: Sequence[str],
    task: str | None,
    seed: int | None,
    overrides: Sequence[str],
    runs: Path,
    name: str | None,
    quiet: bool,
) -> None:
    """Train a network; the last line printed is the run folder.

    \b
    unrolled train                                    the article's network on MNIST
    unrolled train --set training.epochs=5            with one setting changed
    unrolled train --set network.1.LSTM.units=64      in the layer at index 1
    unrolled train digits.yaml --seed 1               your own experiment
    unrolled train --data reviews.csv                 one that suits your file, written to reviews.yaml first
    """  # noqa: D301 - click reads the backspace
    from unrolled.training.processes import stop_on_signals

    with stop_on_signals() as request:
        from unrolled.config.experiment import ExperimentConfig
        from unrolled.training.progress import choose_progress

        check_backend()
        progress = choose_progress(quiet=quiet)
        if written := chosen_start("experiment", data, test, targets, task, overrides):
            experiment, overrides = str(written), ()
            progress.log(f"experiment {written}")
        found = ExperimentConfig.load(experiment, overrides=overrides, name=name, seed=seed)
        progress.announce(found)

        from unrolled.reports.run import write_report
        from unrolled.training.trainer import train_experiment

        trained = train_experiment(found, runs, progress, request)
        progress.log(f"report {write_report(trained)}")
        say_folder(trained.path)


@click.command()
@click.argument("run")
@click.option("--epochs", type=click.IntRange(min=1), help="Number of epochs in total.  [default: the experiment's]")
@RUNS
@click.option("--quiet", is_flag=True, help="Print the run folder and nothing else.")
def resume(run: str, epochs: int | None, runs: Path, quiet: bool) -> None:
    """Continue a training that was killed or interrupted, or that is to take longer.

    RUN is a folder, the name of a run, or a handle such as latest.

    \b
    unrolled resume latest                            as if it had never been stopped
    unrolled resume latest --epochs 10                until there are ten in total
    """  # noqa: D301 - click reads the backspace
    from unrolled.training.processes import stop_on_signals

    with stop_on_signals() as request:
        from unrolled.runs.run import Run
        from unrolled.training.progress import choose_progress

        check_backend()
        found = Run.find(run, runs)

        from unrolled.reports.run import write_missing_report
        from unrolled.training.trainer import resume_run

        progress = choose_progress(quiet=quiet)
        resumed = resume_run(found, epochs, progress, request)
        if report := write_missing_report(resumed):
            progress.log(f"report {report}")
        say_folder(resumed.path)


@click.command("find-lr")
@click.argument("experiment", metavar="[RECIPE or FILE]", default="mnist-rows")
@OVERRIDES
@click.option("--low", type=Finite(), default=1e-5, show_default=True, help="The first learning rate.")
@click.option("--high", type=Finite(), default=1.0, show_default=True, help="The last one.")
@click.option("--steps", type=click.IntRange(min=10), default=150, show_default=True, help="Number of steps.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with the losses.")
@JSON
def find_lr(
    experiment: str, overrides: Sequence[str], low: float, high: float, steps: int, html: Path | None, as_json: bool
) -> None:
    """Find a learning rate: train a few steps, each with a higher rate, and plot the loss.

    Nothing of that training is kept.
    """
    from unrolled.cli.output import print_lr_sweep
    from unrolled.config.experiment import ExperimentConfig

    check_backend()
    found = ExperimentConfig.load(experiment, overrides=overrides)

    from unrolled.reports.learning_rates import write_lr_report
    from unrolled.training.lr_finder import find_learning_rate

    sweep = find_learning_rate(found, low=low, high=high, steps=steps)
    if html:
        write_lr_report(sweep, found, html)
    print_lr_sweep(sweep, as_json=as_json)
    if html and not as_json:
        say()
        say(html)


@click.command()
@click.argument("experiment", metavar="[RECIPE, FILE or GROUP]", default="mnist-rows")
@click.option("--seeds", metavar="SEEDS", help="A count (5), a list (3,7,11) or a range (5-9).  [default: 5]")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings at a time.")
@OVERRIDES
@RUNS
@click.option("--name", help="Name of the group and of its runs.")
@click.option("--quiet", is_flag=True, help="Print the group's folder and nothing else.")
def repeat(
    experiment: str, seeds: str | None, jobs: int, overrides: Sequence[str], runs: Path, name: str | None, quiet: bool
) -> None:
    """Train with several seeds; the last line printed is the folder of the group of runs.

    A group that was interrupted can be continued: only the missing seeds are trained.

    \b
    unrolled repeat mnist-rows --seeds 5              seeds 0 to 4
    unrolled repeat digits.yaml --seeds 3,7 --jobs 2  two at a time, each on cores of its own
    unrolled repeat runs/20260102T030405Z-digits      the missing seeds of a group
    """  # noqa: D301 - click reads the backspace
    from unrolled.training.processes import stop_on_signals

    with stop_on_signals() as request:
        from unrolled.comparison.replicate import repeat_experiment
        from unrolled.reports.run import write_report

        check_backend()
        group = repeat_experiment(
            experiment,
            request,
            seeds=seeds,
            jobs=jobs,
            overrides=overrides,
            runs=runs,
            name=name,
            quiet=quiet,
            on_trained=write_report,
        )
        say_folder(group.path)


@click.command()
@click.argument("arms", nargs=-1, required=True, metavar="RUN or GROUP...")
@click.option("--metric", metavar="NAME", help="Metric on the test set to compare.  [default: the first]")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a report to this file.")
@RUNS
@JSON
def compare(arms: Sequence[str], metric: str | None, html: Path | None, runs: Path, as_json: bool) -> None:
    """Compare runs with the first one: metrics with 95 % intervals, significance, and the settings that differ.

    Each RUN or GROUP is a folder, the first characters of its name, the name of an experiment, or latest; latest:2 is
    the second newest. Runs of the same experiment with different seeds are pooled.

    \b
    unrolled compare mnist-rows mnist-gru --html comparison.html
    unrolled compare latest latest:2
    """  # noqa: D301 - click reads the backspace
    from unrolled.cli.output import print_comparison
    from unrolled.comparison.comparison import compare as compare_runs

    comparison = compare_runs(*arms, metric=metric, runs=runs)
    if html:
        from unrolled.reports.comparison import write_comparison

        write_comparison(comparison, html)
    print_comparison(comparison, as_json=as_json)
    if html and not as_json:
        say()
        say(html)


@click.command()
@click.argument("experiment", metavar="FILE or FOLDER")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials in all.  [default: 40]")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Trials at a time.")
@click.option(
    "--metric",
    type=click.Choice(["val_accuracy", "val_loss"]),
    help="Metric to compare trials by.  [default: val_accuracy of a classification, else val_loss]",
)
@click.option("--no-pruning", is_flag=True, help="Train also trials to their end that are behind the others.")
@click.option("--seed", type=int, help="Replaces the experiment's seed.")
@OVERRIDES
@RUNS
@click.option("--name", help="Name of the search folder.")
@click.option("--quiet", is_flag=True, help="Print the search folder and nothing else.")
@JSON
@click.option("--worker", is_flag=True, hidden=True)
def search(
    experiment: str,
    trials: int | None,
    jobs: int,
    metric: str | None,
    no_pruning: bool,
    seed: int | None,
    overrides: Sequence[str],
    runs: Path,
    name: str | None,
    quiet: bool,
    as_json: bool,
    worker: bool,
) -> None:
    """Search hyperparameters; the last line printed is the search folder.

    In the experiment, a value may be {search: [32, 64, 128]} or {search: {low: 1e-4, high: 1e-2, log: true}}.

    \b
    unrolled search digits.yaml --trials 40 --jobs 2
    unrolled search runs/20260102T030405Z-digits-search        continue it, or join it from another process
    """  # noqa: D301 - click reads the backspace
    from unrolled.training.processes import stop_on_signals

    with stop_on_signals() as request:
        from unrolled.cli.output import print_search
        from unrolled.reports.search import write_search_report
        from unrolled.searching.folder import Search
        from unrolled.searching.search import find_search, run_search
        from unrolled.searching.worker import run_worker, train_trial
        from unrolled.training.progress import choose_progress

        check_backend()
        found = find_search(
            experiment,
            trials=None if worker else trials,
            metric=metric,
            prunes=not no_pruning,
            overrides=overrides,
            name=name,
            seed=seed,
            runs=runs,
        )
        if worker:
            run_worker(found, trials or 0, request, train_trial)
            return
        progress = choose_progress(quiet=quiet or as_json)

        def write_report(search: Search) -> None:
            write_search_report(search)
            progress.log(f"report {search.path / 'search.html'}")

        run_search(found, jobs, progress, request, write_report)
        if as_json or not quiet:
            print_search(found, as_json=as_json)
        if not as_json:
            say_folder(found.path)
