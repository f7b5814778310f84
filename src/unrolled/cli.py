"""The ``unrolled`` command: one short function per command, which says what it takes and passes it on."""

import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from unrolled import __version__
from unrolled.backend import check_backend, leave_out_tensorflow
from unrolled.errors import TrainingStopped, UnrolledError

import click

RUNS = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="unrolled", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Recurrent networks for Keras 3, trained fast on the CPU and opened up.

    Start with: unrolled train
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command()
@click.argument("experiment", metavar="[RECIPE or FILE]", default="mnist-rows")
@click.option("--seed", type=int, help="Replaces the experiment's seed.")
@click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a setting; may be repeated.")
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


@cli.command()
@click.argument("data", metavar="NAME or FILE", default="mnist")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write a PNG to look at.")
@JSON
def show(data: str, picture: Path | None, as_json: bool) -> None:
    """Look at a data set: its shapes, range and classes, and a few examples.

    \b
    unrolled show mnist --picture mnist.png
    unrolled show digits.npz
    """  # noqa: D301 - click reads the backspace
    from unrolled.data.catalogue import load
    from unrolled.data.look import save_picture
    from unrolled.tables import print_dataset

    loaded = load(data)
    if picture:
        save_picture(loaded, picture)
    print_dataset(loaded, as_json=as_json)
    if picture and not as_json:
        click.echo(f"\n{picture}")


@cli.command()
@click.argument("run")
@click.option("--data", metavar="NAME or FILE", help="Measure on this instead of the run's own test set.")
@RUNS
@JSON
def evaluate(run: str, data: str | None, runs: Path, as_json: bool) -> None:
    """Measure a trained network, class by class.

    RUN is a folder, the name of a run, or the word latest.
    """
    from unrolled.experiments.run import Run
    from unrolled.tables import print_evaluation

    check_backend()
    print_evaluation(Run.find(run, runs).evaluate(data), as_json=as_json)


@cli.command()
@click.argument("run")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to print per file.")
@click.option("--explain-input", type=click.Path(path_type=Path, dir_okay=False), help="Write what the network saw.")
@RUNS
@JSON
def predict(run: str, files: Sequence[Path], top: int, explain_input: Path | None, runs: Path, as_json: bool) -> None:
    """Read pictures of digits (PNG, JPEG), or batches of images (NPZ, IDX).

    RUN is a folder, the name of a run, or the word latest.
    """
    from unrolled.experiments.prediction import predict_files
    from unrolled.experiments.run import Run
    from unrolled.tables import print_predictions

    check_backend()
    predictions = predict_files(Run.find(run, runs), files, explain_input)
    print_predictions(predictions, top, as_json=as_json)


@cli.command()
def recipes() -> None:
    """List the experiments that come with unrolled."""
    from unrolled.experiments.sources import recipes as find_recipes
    from unrolled.tables import print_recipes

    print_recipes(find_recipes())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 when it did what it was asked, 2 on bad input, 1 on a failure while running."""
    leave_out_tensorflow()
    debug = "--debug" in (sys.argv if arguments is None else arguments)
    try:
        cli.main(arguments, prog_name="unrolled", standalone_mode=False)
    except click.ClickException as error:
        _fail(error, error.format_message(), error.exit_code, debug=debug)
    except TrainingStopped as stopped:
        if stopped.run:
            click.echo(stopped.run)
        _fail(stopped, str(stopped), stopped.exit_code, debug=debug)
    except UnrolledError as error:
        _fail(error, str(error), error.exit_code, debug=debug)
    except (KeyboardInterrupt, click.Abort) as error:
        _fail(error, "interrupted", 128 + signal.SIGINT, debug=debug)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except ModuleNotFoundError as error:
        _fail(error, _missing_module(error), 1, debug=debug)
    except Exception as error:
        message = f"expected no failure here, got {type(error).__name__}: {error}. Report it with: unrolled --debug ..."
        _fail(error, message, 1, debug=debug)
    sys.exit(0)


def _fail(error: BaseException, message: str, exit_code: int, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    click.echo(" ".join(message.split()), err=True)
    sys.exit(exit_code)


def _missing_module(error: ModuleNotFoundError) -> str:
    remedy = "" if error.name == "jax" else ", or set KERAS_BACKEND=jax"
    return (
        f"unrolled: expected the module {error.name} to be installed, got none of that name. "
        f"Install it with: pip install {error.name}{remedy if error.name in ('tensorflow', 'torch') else ''}"
    )
