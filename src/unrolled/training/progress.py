"""Progress of a training: a live bar on a terminal, plain lines elsewhere, or nothing."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import WriteError
from unrolled.terminal import say, visible, warn, writing_output

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

_REDRAWS_PER_SECOND = 8
# The keys of an epoch's record besides the loss and the metrics.
OTHER_FIGURES = ("epoch", "learning_rate", "seconds", "training_seconds", "cpu_seconds", "examples_per_second")


class Progress:
    """Silent progress, and the interface of the others."""

    def announce(self, config: ExperimentConfig) -> None:
        """Announce a training before anything slow begins."""

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        """Start, before the first batch."""

    def step(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        """Show a batch, with the epoch's means so far."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Show a finished epoch, with its line of ``metrics.jsonl``."""

    def log(self, message: str) -> None:
        """Show a line."""

    def end(self) -> None:
        """Stop, after the last batch, however the training ended."""


class PlainProgress(Progress):
    """One line per epoch, for files and pipes."""

    def announce(self, config: ExperimentConfig) -> None:
        training = config.training
        epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
        self.log(f"{config.name}: {epochs} in batches of {training.batch_size}, seed {config.seed}")

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        self.epochs, self.started, self.first = epochs, time.perf_counter(), True

    def step(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        if self.first:
            self.first = False
            self.log(f"first batch compiled and trained in {time.perf_counter() - self.started:.1f} s")

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.log(f"epoch {record['epoch']}/{self.epochs}  {format_record(record)}")

    def log(self, message: str) -> None:
        try:
            self._print(message)
        except BrokenPipeError:  # The reader of the pipe has gone; that is no reason to lose a training.
            pass
        except WriteError as error:
            warn(f"{error} The training goes on.")

    def _print(self, message: str) -> None:
        say(message)


class LiveProgress(PlainProgress):
    """A bar per epoch that moves with the batches, replaced by the epoch's line when it is finished."""

    def __init__(self, console: Console):
        self.console = console
        self.bar = RichProgress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=_REDRAWS_PER_SECOND,
        )

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        super().begin(epochs, steps, batch_size, first_epoch=first_epoch)
        self.steps, self.batch_size = steps, batch_size
        self.bar.start()
        self._start_epoch(first_epoch)

    def _start_epoch(self, epoch: int) -> None:
        self.task = self.bar.add_task("", total=self.steps, epoch=f"{epoch}/{self.epochs}", figures="compiling")

    def step(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        speed = self.bar.tasks[-1].speed
        figures = "  ".join(f"{name} {logs[name]:.4f}" for name in sorted(logs, key=rank))
        if speed:
            figures += f"  {speed * self.batch_size:,.0f} examples/s"
        self.bar.update(self.task, completed=step + 1, figures=visible(figures))

    def epoch(self, record: Mapping[str, Any]) -> None:
        super().epoch(record)
        self.bar.remove_task(self.task)
        self._start_epoch(min(record["epoch"] + 1, self.epochs))

    def _print(self, message: str) -> None:
        with writing_output():
            self.console.print(visible(message), highlight=False, markup=False, emoji=False, soft_wrap=True)

    def end(self) -> None:
        self.bar.stop()


def choose_progress(*, quiet: bool) -> Progress:
    """Return a live bar if stdout is a terminal, lines if it is not, silence if quiet."""
    if quiet:
        return Progress()
    return LiveProgress(Console()) if sys.stdout.isatty() else PlainProgress()


def format_record(record: Mapping[str, Any]) -> str:
    """Return an epoch's metrics in one line.

    Example:
        >>> format_record({"epoch": 1, "loss": 0.5, "accuracy": 0.8, "seconds": 41.0, "examples_per_second": 1500.0})
        'loss 0.5000  accuracy 0.8000  1,500 examples/s  41.0 s'
    """
    figures = [f"{name} {value:.4f}" for name, value in record.items() if name not in OTHER_FIGURES]
    return "  ".join([*figures, f"{record['examples_per_second']:,.0f} examples/s", f"{record['seconds']:.1f} s"])


def rank(name: str) -> tuple[bool, bool, str]:
    """Return a sort key for names of metrics: training before validation, the loss before the others.

    Example:
        >>> sorted(["val_loss", "accuracy", "loss"], key=rank)
        ['loss', 'accuracy', 'val_loss']
    """
    return name.startswith("val_"), not name.endswith("loss"), name
