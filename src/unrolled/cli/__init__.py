"""The ``unrolled`` command: one short function per command."""

import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from unrolled import __version__
from unrolled.backends import leave_out_tensorflow
from unrolled.cli import infer, inspect, train
from unrolled.errors import TrainingStopped, UnrolledError

import click


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


for command in (
    inspect.recipes,
    inspect.init,
    inspect.check,
    inspect.schema,
    inspect.show,
    inspect.doctor,
    train.train,
    train.resume,
    train.find_lr,
    train.repeat,
    train.compare,
    infer.list_all,
    train.search,
    infer.evaluate,
    infer.predict,
    infer.generate,
    infer.forecast,
    infer.backtest,
    infer.report,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 on success, 2 on bad input, 1 on a failure while running.

    The doctor exits with 1 if it has found something.
    """
    leave_out_tensorflow()
    debug = "--debug" in (sys.argv if arguments is None else arguments)
    try:
        code = cli.main(arguments, prog_name="unrolled", standalone_mode=False)
    except click.NoSuchOption as error:
        _fail(error, _missing_option(error), error.exit_code, debug=debug)
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
        message = (
            f"internal error: {type(error).__name__}: {error}. Please report it with the output of: "
            f"unrolled --debug {' '.join(sys.argv[1:] if arguments is None else arguments)}"
        )
        _fail(error, message, 1, debug=debug)
    sys.exit(code)


def _fail(error: BaseException, message: str, exit_code: int, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    click.echo(" ".join(message.split()), err=True)
    sys.exit(exit_code)


# The extras that bring modules.
_EXTRAS = {"optuna": "'unrolled[search]'", "sklearn": "'unrolled[sklearn]'", "fastexcel": "'unrolled[excel]'"}


def _missing_module(error: ModuleNotFoundError) -> str:
    remedy = ", or set KERAS_BACKEND=jax" if error.name in ("tensorflow", "torch") else ""
    package = _EXTRAS.get(error.name or "", error.name)
    return f"unrolled: the module {error.name} is not installed. Install it with: pip install {package}{remedy}"


def _missing_option(error: click.NoSuchOption) -> str:
    """Return the message for an unknown option, which may be the name of a setting."""
    from unrolled.config.document import setting_paths
    from unrolled.config.experiment import ExperimentConfig

    name = error.option_name.lstrip("-").replace("-", "_")
    paths = setting_paths(name, ExperimentConfig)
    takes_settings = error.ctx is not None and any("--set" in option.opts for option in error.ctx.command.params)
    if paths and takes_settings:
        return f"No such option '{error.option_name}'. Set it with: --set {'.'.join(paths[0])}=VALUE"
    return error.format_message()
