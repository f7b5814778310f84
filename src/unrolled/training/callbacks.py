"""Where in the training we are."""

import json
import math
import time
import zipfile
from pathlib import Path
from typing import Any, Protocol

from unrolled.config.sections import TrainingConfig
from unrolled.errors import Diverged, RunError, WriteError
from unrolled.runs.run import Run
from unrolled.storage import cannot_write, replacing, write_text
from unrolled.training.checkpoints import (
    FOLDER,
    Checkpoint,
    random_state,
    restore_metrics,
    restore_random_state,
    resumable_settings,
    write_checkpoint,
)
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress, rank

import keras
import numpy as np
from numpy.typing import NDArray


class TrainingPosition(keras.callbacks.Callback):
    """Counts epochs and batches for the other callbacks; comes first among them.

    The generators of random numbers go on where the last batch left them, whatever a new ``fit`` draws before its
    first: torch's loader of batches draws a seed.

    Args:
        checkpoint: Where the training goes on, or None at its beginning.

    Attributes:
        epoch: How many epochs are finished.
        step: How many batches of the next one are.
    """

    def __init__(self, checkpoint: Checkpoint | None):
        super().__init__()
        self.checkpoint = checkpoint
        self.epoch, self.step = (checkpoint.epoch, checkpoint.step) if checkpoint else (0, 0)
        self.random = checkpoint.notes["random"] if checkpoint else None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        if self.checkpoint and self.step:
            restore_metrics(self.model, self.checkpoint)
        else:
            self.step = 0
        self.checkpoint = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.random is not None:
            restore_random_state(self.random)
            self.random = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1

    def on_train_end(self, logs: Any = None) -> None:
        self.random = random_state()


# Copying the article's weights takes 0.3 ms, a step 20 ms: every 50th step costs nothing that one can see.
STEPS_BETWEEN_COPIES = 50

# Weights, and the epoch and the step after which they were copied.
Copy = tuple[list[NDArray[Any]], int, int]


class TerminateOnNaN(keras.callbacks.Callback):
    """Ends the training when the loss is no longer a number.

    Copies of the weights are taken every few steps. A copy counts as good once a later step has found a finite loss
    with weights that descend from it.

    Args:
        place: Where in the training we are.
        run: Where the weights are kept when the training ends early.
    """

    def __init__(self, place: TrainingPosition, run: Run):
        super().__init__()
        self.place, self.run = place, run
        self.steps = 0
        self.good: Copy | None = None
        self.latest: Copy | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        if self.good is None:
            self._copy()
            self.good = self.latest

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        self._check(logs["loss"], "loss")
        self.good = self.latest
        if self.steps % STEPS_BETWEEN_COPIES == 0:
            self._copy()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check(logs.get("val_loss", 0.0), "validation loss")
        self._check_weights()

    def _check_weights(self) -> None:
        """Refuse what the last step made of the weights, which no loss has seen yet.

        Raises:
            Diverged: One of them is NaN or infinite.
        """
        if not is_finite(self.model):
            raise Diverged(self._divergence(math.nan, "loss after the last step"))

    def _check(self, loss: float, name: str) -> None:
        if not math.isfinite(loss):
            raise Diverged(self._divergence(loss, name))

    def _copy(self) -> None:
        synchronize(self.model)
        if is_finite(self.model):
            self.latest = (self.model.get_weights(), self.place.epoch + 1, self.place.step)

    def _divergence(self, loss: float, name: str) -> str:
        synchronize(self.model)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        kept = f"kept the weights of epoch {self.good[1]}, step {self.good[2]} in" if self.good else "kept nothing in"
        optimizer = type(self.model.optimizer).__name__
        return (
            f"train: {self.run.experiment.name}: expected a finite {name}, got {loss} in epoch "
            f"{self.place.epoch + 1} at step {self.place.step}; {kept} {self.run.path}. Lower the learning rate (--set "
            f"training.optimizer.{optimizer}.learning_rate={rate / 10:g}), clip the gradients (clipnorm: 1), or use "
            "activation tanh."
        )


def synchronize(model: keras.Model) -> None:
    """Bring the model's variables up to date; on JAX they live outside it while an epoch runs."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def is_finite(model: keras.Model) -> bool:
    """Whether all weights are numbers."""
    return all(bool(np.isfinite(array).all()) for array in model.get_weights())


class StopOnSignal(keras.callbacks.Callback):
    """Ends the training when a signal has asked for it; comes last, when all others have seen the batch.

    Args:
        place: Where in the training we are.
        request: Where a signal shows.
        run: What to name in the message.
    """

    def __init__(self, place: TrainingPosition, request: StopRequest, run: Run):
        super().__init__()
        self.place, self.request, self.run = place, request, run

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.request.answer(
            f"train: {self.run.experiment.name}: interrupted in epoch {self.place.epoch + 1}, after step "
            f"{self.place.step}; kept what was learned in {self.run.path}. "
            f"Go on with: unrolled resume {self.run.path}"
        )

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_train_batch_end(batch)


class StatefulCallback(Protocol):
    """A callback with something to keep in a checkpoint."""

    def notes(self) -> dict[str, Any]:
        """What it remembers, as JSON."""

    def recall(self, notes: dict[str, Any]) -> None:
        """Remember what ``notes`` gave."""


class CheckpointWriter(keras.callbacks.Callback):
    """Writes the state of the training every few seconds, at the end of each epoch, and before it is interrupted.

    Comes after the callbacks that it asks for their notes, and before those that end the training.

    A disk that has no room for one does not end the training: that is said, and the next one is tried.

    Args:
        place: Where in the training we are.
        request: Where a signal shows.
        run: Where the checkpoints are kept.
        progress: Who is told.
        steps: How many batches an epoch has.
        remembering: Who has something to note, by names.
    """

    def __init__(
        self,
        place: TrainingPosition,
        request: StopRequest,
        run: Run,
        progress: Progress,
        *,
        steps: int,
        remembering: dict[str, StatefulCallback],
    ):
        super().__init__()
        self.place, self.request, self.run, self.progress = place, request, run, progress
        self.steps, self.remembering = steps, remembering
        self.seconds = run.experiment.training.checkpoint_seconds
        self.written = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        late = time.monotonic() - self.written >= self.seconds
        # After an epoch's last batch comes its validation; a training cannot go on between the two.
        if (late or self.request.signal_number is not None) and self.place.step < self.steps:
            synchronize(self.model)
            if is_finite(self.model):
                self._write(self.place.epoch, self.place.step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._write(epoch + 1, 0)

    def _write(self, epoch: int, step: int) -> None:
        notes = {name: callback.notes() for name, callback in self.remembering.items()}
        notes["settings"] = resumable_settings(self.run.experiment)
        try:
            write_checkpoint(self.run.path, self.model, epoch, step, notes)
        except WriteError as error:
            self.progress.say(f"no checkpoint: {error}")
        self.written = time.monotonic()


class BestWeights(keras.callbacks.Callback):
    """Stops when the validation loss has not improved for a while, and keeps the weights of the best epoch.

    The best weights are a file of the run, which only better ones replace, whichever process finds them.

    Args:
        run: The run's folder.
        training: ``early_stopping`` and ``keep``.
    """

    def __init__(self, run: Path, training: TrainingConfig):
        super().__init__()
        self.path = run / FOLDER / "best.npz"
        self.patience = training.early_stopping.patience if training.early_stopping else None
        self.keeps_best = training.keep == "best"
        self.best: float | None = None
        self.waited = 0

    def notes(self) -> dict[str, Any]:
        """What it remembers, for a checkpoint."""
        return {"best": self.best, "waited": self.waited}

    def recall(self, notes: dict[str, Any]) -> None:
        """Remember what ``notes`` gave."""
        self.best, self.waited = notes["best"], notes["waited"]

    @property
    def is_over(self) -> bool:
        """Whether the training has waited long enough."""
        return self.patience is not None and self.waited >= self.patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if "val_loss" not in logs:
            return
        if self.best is not None and not logs["val_loss"] < self.best:
            self.waited += 1
            self.model.stop_training = self.model.stop_training or self.is_over
            return
        self.best, self.waited = float(logs["val_loss"]), 0
        if self.keeps_best:
            self._write()

    def choose(self) -> None:
        """Give the model the weights that are to be kept; the last ones are in it already."""
        if not self.keeps_best or self.best is None:
            return
        try:
            with self.path.open("rb") as stream, np.load(stream) as stored:
                self.model.set_weights([stored[f"weight-{index}"] for index in range(len(stored.files))])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise RunError(f"{self.path}: expected the best weights, got none that can be read. Train again.") from None

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path.parent, error) from None
        weights = {f"weight-{index}": value for index, value in enumerate(self.model.get_weights())}
        with replacing(self.path) as part, part.open("wb") as stream:
            np.savez(stream, **weights)


class SwapEMAWeights(keras.callbacks.Callback):
    """Validates, chooses and ends with the moving averages of the weights, where the optimizer keeps some.

    Keras puts them into the network whenever ``fit`` ends, also where the training is to go on; that is left to
    ``finish``. Comes before the callback that writes checkpoints, after the ones that choose.
    """

    def __init__(self, optimizer: keras.Optimizer):
        super().__init__()
        self.optimizer = optimizer
        self.current: list[NDArray[Any]] | None = None
        optimizer.finalize_variable_values = lambda variables: None

    def on_test_begin(self, logs: Any = None) -> None:
        variables = self.model.trainable_variables
        self.current = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
        self.finish()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.current is None:
            return
        for variable, value in zip(self.model.trainable_variables, self.current, strict=True):
            variable.assign(value)
        self.current = None

    def finish(self) -> None:
        """Put the averages into the network, if any step was taken."""
        if not int(keras.ops.convert_to_numpy(self.optimizer.iterations)):
            return
        type(self.optimizer).finalize_variable_values(self.optimizer, self.model.trainable_variables)
        # What Keras assigned are the averages themselves, and JAX reuses the memory of both.
        for variable in self.model.trainable_variables:
            variable.assign(np.array(keras.ops.convert_to_numpy(variable)))


class MetricsLogger(keras.callbacks.Callback):
    """Writes a line of ``metrics.jsonl`` an epoch, and keeps the progress display moving.

    Args:
        place: Where in the training we are.
        run: Whose metrics.
        progress: Who shows them.
        examples: How many an epoch has.
        batch_size: How many a step has.
        epochs: How many there are.
    """

    def __init__(
        self, place: TrainingPosition, run: Run, progress: Progress, *, examples: int, batch_size: int, epochs: int
    ):
        super().__init__()
        self.place, self.run, self.progress, self.examples = place, run, progress, examples
        self.batch_size, self.epochs = batch_size, epochs
        self.records: list[dict[str, Any]] = []
        self.compiled: set[int] = set()
        self.began: tuple[float, float] | None = None
        self.seconds, self.cpu_seconds, self.training_seconds, self.counted = 0.0, 0.0, 0.0, 0

    def notes(self) -> dict[str, Any]:
        """What it remembers, for a checkpoint."""
        seconds, cpu_seconds = self._elapsed()
        return {
            "records": self.records,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "training_seconds": self.training_seconds,
            "counted": self.counted,
        }

    def recall(self, notes: dict[str, Any]) -> None:
        """Remember what ``notes`` gave."""
        self.records, self.seconds, self.cpu_seconds = notes["records"], notes["seconds"], notes["cpu_seconds"]
        self.training_seconds, self.counted = notes["training_seconds"], notes["counted"]

    def begin(self) -> None:
        """Show the display; before the first batch."""
        steps = -(-self.examples // self.batch_size)
        self.progress.begin(self.epochs, steps, self.batch_size, first_epoch=self.place.epoch + 1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = (time.perf_counter(), time.process_time())

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        size = min(self.batch_size, self.examples - (self.place.step - 1) * self.batch_size)
        if size in self.compiled or self.examples <= 2 * self.batch_size:
            self.training_seconds += time.perf_counter() - self.batch_began
            self.counted += size
        # The first batch of either size compiles, which is not training; of one or two batches that is all there is.
        self.compiled.add(size)
        self.progress.step(self.place.epoch + 1, self.place.step - 1, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds, cpu_seconds = self._elapsed()
        record = {
            "epoch": epoch + 1,
            **{name: float(logs[name]) for name in sorted(logs, key=rank)},
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "training_seconds": self.training_seconds,
            "examples_per_second": self.counted / self.training_seconds if self.training_seconds else 0.0,
        }
        self.records.append(record)
        self.began = None
        self.seconds, self.cpu_seconds, self.training_seconds, self.counted = 0.0, 0.0, 0.0, 0
        self.write()
        self.progress.epoch(record)

    def _elapsed(self) -> tuple[float, float]:
        """Seconds of the epoch under way, and those of the processor; between two epochs there are none."""
        if self.began is None:
            return self.seconds, self.cpu_seconds
        began, processor_began = self.began
        return self.seconds + time.perf_counter() - began, self.cpu_seconds + time.process_time() - processor_began

    def write(self) -> None:
        """Write all lines anew, so that the file is whole whenever it is read."""
        lines = "".join(json.dumps(record) + "\n" for record in self.records)
        write_text(self.run.path / "metrics.jsonl", lines)
