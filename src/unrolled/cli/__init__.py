"""The ``unrolled`` command: one short function per command."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from unrolled import __version__
from unrolled.backends import leave_out_tensorflow
from unrolled.cli import infer, inspect, train
from unrolled.cli.interrupts import ctrl_c_interrupts
from unrolled.errors import TrainingStopped, UnrolledError, WriteError
from unrolled.terminal import prepare_streams, say_folder, warn, writing_output

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

    The doctor exits with 1 if it has found something; a command that Ctrl-C ends exits with 130.
    """
    debug = "--debug" in (sys.argv if arguments is None else arguments)
    prepare_streams()
    with ctrl_c_interrupts() as interrupts:
        try:
            code, error, message = 0, None, ""
            try:
                leave_out_tensorflow()
                code = _run(arguments)
            except BaseException as raised:
                error = raised
                code, message = _ending(raised, arguments, is_interrupted=interrupts.arrived)
            interrupts.end()
            if debug and error is not None and not isinstance(error, SystemExit):
                warn("".join(traceback.format_exception(error)), keep="\n")
        except KeyboardInterrupt:  # while the error was put into words
            code, message = _INTERRUPTED, "interrupted"
        interrupts.end()
        if message:
            warn(" ".join(message.split()))
    sys.exit(code)


_INTERRUPTED = 128 + signal.SIGINT


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code, once all that it printed is written."""
    code = cli.main(arguments, prog_name="unrolled", standalone_mode=False)
    with writing_output():
        pass
    return code or 0


def _ending(error: BaseException, arguments: Sequence[str] | None, *, is_interrupted: bool) -> tuple[int, str]:
    """Return the exit code of a command that ended with an error, and the line to print; empty for none."""
    if isinstance(error, SystemExit):
        return (error.code if isinstance(error.code, int) else bool(error.code)), ""
    # A library may have made another error of it.
    if is_interrupted or isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED, "interrupted"
    if isinstance(error, click.Abort) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # a file that ends too early, of which Click thinks as of an answer to a question
    if isinstance(error, click.ClickException):
        return error.exit_code, _missing_option(error) if isinstance(
            error, click.NoSuchOption
        ) else error.format_message()
    if isinstance(error, TrainingStopped) and error.run:
        say_folder(error.run)
    if isinstance(error, UnrolledError):
        return error.exit_code, str(error)
    if isinstance(error, BrokenPipeError):
        return 1, ""
    if isinstance(error, ModuleNotFoundError):
        return 1, _missing_module(error)
    if isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
        return 1, "unrolled: there is not enough memory. Take a smaller batch_size or network, or end other programs."
    return 1, (isinstance(error, OSError) and _system_error(error)) or (
        f"internal error: {type(error).__name__}: {error}. Please report it with the output of: "
        f"unrolled --debug {' '.join(sys.argv[1:] if arguments is None else arguments)}"
    )


_LONGEST_PATH = 80
# How JAX, torch and TensorFlow say so.
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "DefaultCPUAllocator: can't allocate memory", "OOM when allocating")


def _system_error(error: OSError) -> str:
    """Return the message for what the system refuses: a path, or to print Click's own texts; empty for others."""
    if error.errno and isinstance(error.filename, str | bytes):
        path = os.fsdecode(error.filename)
        shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
        return f"{shown}: {os.strerror(error.errno)}. Check the path."
    if traceback.extract_tb(error.__traceback__)[-1].filename == click.utils.__file__:
        try:
            with writing_output():
                raise error
        except WriteError as lost:
            return str(lost)
    return ""


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
