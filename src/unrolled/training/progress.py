"""What a person sees while a network trains: a live bar on a terminal, plain lines elsewhere, or nothing."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from unrolled.config.experiment import ExperimentConfig

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

_REDRAWS_PER_SECOND = 8
# What an epoch's record holds besides the loss and the metrics.
OTHER_FIGURES = ("epoch", "learning_rate", "seconds", "training_seconds", "cpu_seconds", "examples_per_second")


class Progress:
    """Says nothing; the others say what they are told."""

    def announce(self, experiment: ExperimentConfig) -> None:
        """Before anything slow: what is going to happen."""

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        """Before the first batch."""

    def step(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        """After each batch, with the epoch's means so far."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """After each epoch, with its line of ``metrics.jsonl``."""

    def say(self, message: str) -> None:
        """Anything else worth a line."""

    def end(self) -> None:
        """After the last batch, however the training ended."""


class PlainProgress(Progress):
    """A line an epoch, for files and pipes."""

    def announce(self, experiment: ExperimentConfig) -> None:
        training = experiment.training
        epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
        self.say(f"{experiment.name}: {epochs} in batches of {training.batch_size}, seed {experiment.seed}")

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        self.epochs, self.started, self.first = epochs, time.perf_counter(), True

    def step(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        if self.first:
            self.first = False
            self.say(f"first batch compiled and trained in {time.perf_counter() - self.started:.1f} s")

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.say(f"epoch {record['epoch']}/{self.epochs}  {format_record(record)}")

    def say(self, message: str) -> None:
        try:
            print(message, flush=True)  # noqa: T201 - this is what a terminal program is for
        except BrokenPipeError:
            # Whoever read along has left; that is no reason to lose a training.
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the rest of the process


class LiveProgress(PlainProgress):
    """A bar an epoch that moves with the batches, and the epoch's line in its place when it is done."""

    def __init__(self, console: Console):
        self.console = console
        self.bar = RichProgress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
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
        self.bar.update(self.task, completed=step + 1, figures=figures)

    def epoch(self, record: Mapping[str, Any]) -> None:
        super().epoch(record)
        self.bar.remove_task(self.task)
        self._start_epoch(min(record["epoch"] + 1, self.epochs))

    def say(self, message: str) -> None:
        self.console.print(message, highlight=False, markup=False, soft_wrap=True)

    def end(self) -> None:
        self.bar.stop()


def choose_progress(*, quiet: bool) -> Progress:
    """A live bar where stdout is a terminal, lines where it is not, nothing where quiet is asked for."""
    if quiet:
        return Progress()
    return LiveProgress(Console()) if sys.stdout.isatty() else PlainProgress()


def format_record(record: Mapping[str, Any]) -> str:
    """An epoch's figures in one line.

    Example:
        >>> format_record({"epoch": 1, "loss": 0.5, "accuracy": 0.8, "seconds": 41.0, "examples_per_second": 1500.0})
        'loss 0.5000  accuracy 0.8000  1,500 examples/s  41.0 s'
    """
    figures = [f"{name} {value:.4f}" for name, value in record.items() if name not in OTHER_FIGURES]
    return "  ".join([*figures, f"{record['examples_per_second']:,.0f} examples/s", f"{record['seconds']:.1f} s"])


def rank(name: str) -> tuple[bool, bool, str]:
    """The order of figures: training before validation, the loss before the metrics.

    Example:
        >>> sorted(["val_loss", "accuracy", "loss"], key=rank)
        ['loss', 'accuracy', 'val_loss']
    """
    return name.startswith("val_"), not name.endswith("loss"), name
