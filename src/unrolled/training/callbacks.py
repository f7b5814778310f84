"""Callbacks of a training: position, metrics, checkpoints, selection of weights, and early ends."""

import json
import math
import time
from pathlib import Path
from typing import Any, Protocol

from unrolled.config.sections import TrainingConfig
from unrolled.errors import Diverged, RunError, WriteError
from unrolled.runs.run import Run
from unrolled.storage import write_text
from unrolled.training.checkpoints import (
    Checkpoint,
    random_state,
    read_best_weights,
    restore_metrics,
    restore_random_state,
    resumable_settings,
    write_best_weights,
    write_checkpoint,
)
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress, rank

import keras
import numpy as np
from numpy.typing import NDArray


class TrainingPosition(keras.callbacks.Callback):
    """Counter of epochs and batches for the other callbacks; comes first among them.

    The random generators continue where the last batch left them, whatever a new ``fit`` draws before its first batch:
    torch's data loader draws a seed.

    Args:
        checkpoint: The checkpoint to continue from, or None.

    Attributes:
        epoch: Number of finished epochs.
        step: Number of finished batches of the next epoch.
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
    """End of the training when the loss becomes NaN or infinite.

    Weights are copied every few steps. A copy counts as good once a later step has a finite loss with weights that
    descend from it.

    Args:
        position: The position in the training.
        run: The run, for the message.

    Attributes:
        last_good: The newest good copy of the weights.
    """

    def __init__(self, position: TrainingPosition, run: Run):
        super().__init__()
        self.position, self.run = position, run
        self.steps = 0
        self.last_good: Copy | None = None
        self.latest: Copy | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        if self.last_good is None:
            self._copy()
            self.last_good = self.latest

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        self._check(logs["loss"], "loss")
        self.last_good = self.latest
        if self.steps % STEPS_BETWEEN_COPIES == 0:
            self._copy()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check(logs.get("val_loss", 0.0), "validation loss")
        self._check_weights()

    def _check_weights(self) -> None:
        """Check the weights after the last step, with which no loss has been computed yet.

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
            self.latest = (self.model.get_weights(), self.position.epoch + 1, self.position.step)

    def _divergence(self, loss: float, name: str) -> str:
        synchronize(self.model)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        kept = (
            f"kept the weights of epoch {self.last_good[1]}, step {self.last_good[2]} in"
            if self.last_good
            else "kept nothing in"
        )
        optimizer = type(self.model.optimizer).__name__
        position = f"epoch {self.position.epoch + 1} at step {self.position.step}"
        remedy = f"--set training.optimizer.{optimizer}.learning_rate={rate / 10:g}"
        return (
            f"train: {self.run.config.name}: the {name} became {loss} in {position}; {kept} {self.run.path}. "
            f"Lower the learning rate ({remedy}), clip the gradients (clipnorm: 1), or use activation tanh."
        )


def synchronize(model: keras.Model) -> None:
    """Bring the model's variables up to date; on JAX they are kept outside the model during an epoch."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def is_finite(model: keras.Model) -> bool:
    """Return True if all weights are finite."""
    return all(bool(np.isfinite(array).all()) for array in model.get_weights())


class StopOnSignal(keras.callbacks.Callback):
    """End of the training after a signal; comes last, when all other callbacks have seen the batch.

    Args:
        position: The position in the training.
        request: Carries the signal.
        run: The run, for the message.
    """

    def __init__(self, position: TrainingPosition, request: StopRequest, run: Run):
        super().__init__()
        self.position, self.request, self.run = position, request, run

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.request.raise_if_requested(
            f"train: {self.run.config.name}: interrupted in epoch {self.position.epoch + 1}, after step "
            f"{self.position.step}; the network is kept in {self.run.path}. "
            f"Continue with: unrolled resume {self.run.path}"
        )

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_train_batch_end(batch)


class StatefulCallback(Protocol):
    """A callback with a state that checkpoints keep."""

    def get_state(self) -> dict[str, Any]:
        """Return the state as JSON."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state that ``get_state`` returned."""


class CheckpointWriter(keras.callbacks.Callback):
    """Writer of checkpoints: every few seconds, at the end of each epoch, and before an interruption.

    Comes after the stateful callbacks, and before those that end the training. A full disk does not end the training:
    the failure is logged, and the next checkpoint is tried.

    Args:
        position: The position in the training.
        request: Carries a signal that stops the training.
        run: The run; checkpoints are kept in its folder.
        progress: Logs failures.
        steps: Number of batches in an epoch.
        stateful: The callbacks whose states are kept, by names.
    """

    def __init__(
        self,
        position: TrainingPosition,
        request: StopRequest,
        run: Run,
        progress: Progress,
        *,
        steps: int,
        stateful: dict[str, StatefulCallback],
    ):
        super().__init__()
        self.position, self.request, self.run, self.progress = position, request, run, progress
        self.steps, self.stateful = steps, stateful
        self.seconds = run.config.training.checkpoint_seconds
        self.written = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        late = time.monotonic() - self.written >= self.seconds
        # After an epoch's last batch comes its validation; a training cannot continue between the two.
        if (late or self.request.signal_number is not None) and self.position.step < self.steps:
            synchronize(self.model)
            if is_finite(self.model):
                self._write(self.position.epoch, self.position.step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._write(epoch + 1, 0)

    def _write(self, epoch: int, step: int) -> None:
        notes = {name: callback.get_state() for name, callback in self.stateful.items()}
        notes["settings"] = resumable_settings(self.run.config)
        try:
            write_checkpoint(self.run.path, self.model, epoch, step, notes)
        except WriteError as error:
            self.progress.log(f"no checkpoint: {error}")
        self.written = time.monotonic()


class BestWeights(keras.callbacks.Callback):
    """Early stopping, and the weights of the epoch with the lowest validation loss.

    The best weights are a file in the run folder. The one before stays too: a training that continues at a checkpoint
    from before the newest may end before it finds the newest again.

    Args:
        run: The run's folder.
        training: ``early_stopping`` and ``keep``.
    """

    def __init__(self, run: Path, training: TrainingConfig):
        super().__init__()
        self.run = run
        self.patience = training.early_stopping.patience if training.early_stopping else None
        self.keeps_best = training.keep == "best"
        self.best: float | None = None
        self.epoch, self.waited = 0, 0

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "epoch": self.epoch, "waited": self.waited}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self.epoch, self.waited = state["best"], state["epoch"], state["waited"]

    @property
    def is_patience_exhausted(self) -> bool:
        """True if as many epochs as ``patience`` have passed without improvement."""
        return self.patience is not None and self.waited >= self.patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if "val_loss" not in logs:
            return
        if self.best is not None and not logs["val_loss"] < self.best:
            self.waited += 1
            self.model.stop_training = self.model.stop_training or self.is_patience_exhausted
            return
        self.best, self.epoch, self.waited = float(logs["val_loss"]), epoch + 1, 0
        if self.keeps_best:
            write_best_weights(self.run, self.epoch, self.model.get_weights())

    def restore(self) -> None:
        """Give the model the weights that are kept; the last ones are in it already."""
        if not self.keeps_best or self.best is None:
            return
        weights = read_best_weights(self.run, self.epoch)
        try:
            self.model.set_weights(weights)
        except ValueError:
            raise RunError(f"{self.run}: the best weights are those of another network. Train again.") from None


class SwapEMAWeights(keras.callbacks.Callback):
    """Swap of the weights and their exponential moving averages, for optimizers with ``use_ema``.

    Validation, selection and the saved network use the averages. Keras puts them into the network whenever ``fit``
    ends, even if the training continues; here ``finalize`` does. Comes before the callback that writes checkpoints,
    and after the one that selects weights.
    """

    def __init__(self, optimizer: keras.Optimizer):
        super().__init__()
        self.optimizer = optimizer
        self.current: list[NDArray[Any]] | None = None
        optimizer.finalize_variable_values = lambda variables: None

    def on_test_begin(self, logs: Any = None) -> None:
        variables = self.model.trainable_variables
        self.current = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
        self.finalize()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.current is None:
            return
        for variable, value in zip(self.model.trainable_variables, self.current, strict=True):
            variable.assign(value)
        self.current = None

    def finalize(self) -> None:
        """Put the averages into the network, if there was a step."""
        if not int(keras.ops.convert_to_numpy(self.optimizer.iterations)):
            return
        type(self.optimizer).finalize_variable_values(self.optimizer, self.model.trainable_variables)
        # Keras assigns the averages themselves, not copies, and JAX reuses the memory of both.
        for variable in self.model.trainable_variables:
            variable.assign(np.array(keras.ops.convert_to_numpy(variable)))


class MetricsLogger(keras.callbacks.Callback):
    """Writer of ``metrics.jsonl``, one line per epoch; also updates the progress display.

    Args:
        position: The position in the training.
        run: The run; the file is in its folder.
        progress: The display.
        examples: Number of examples in an epoch.
        batch_size: Number of examples in a step.
        epochs: Number of epochs.
    """

    def __init__(
        self, position: TrainingPosition, run: Run, progress: Progress, *, examples: int, batch_size: int, epochs: int
    ):
        super().__init__()
        self.position, self.run, self.progress, self.examples = position, run, progress, examples
        self.batch_size, self.epochs = batch_size, epochs
        self.records: list[dict[str, Any]] = []
        self.compiled: set[int] = set()
        self.began: tuple[float, float] | None = None
        self.seconds, self.cpu_seconds, self.training_seconds, self.counted = 0.0, 0.0, 0.0, 0

    def get_state(self) -> dict[str, Any]:
        seconds, cpu_seconds = self._elapsed()
        return {
            "records": self.records,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "training_seconds": self.training_seconds,
            "counted": self.counted,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self.records, self.seconds, self.cpu_seconds = state["records"], state["seconds"], state["cpu_seconds"]
        self.training_seconds, self.counted = state["training_seconds"], state["counted"]

    def begin(self) -> None:
        """Start the display, before the first batch."""
        steps = -(-self.examples // self.batch_size)
        self.progress.begin(self.epochs, steps, self.batch_size, first_epoch=self.position.epoch + 1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = (time.perf_counter(), time.process_time())

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        size = min(self.batch_size, self.examples - (self.position.step - 1) * self.batch_size)
        if size in self.compiled or self.examples <= 2 * self.batch_size:
            self.training_seconds += time.perf_counter() - self.batch_began
            self.counted += size
        # The first batch of either size compiles, which is not training; of one or two batches that is all there is.
        self.compiled.add(size)
        self.progress.step(self.position.epoch + 1, self.position.step - 1, logs)

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
        """Return the seconds and the CPU seconds of the current epoch; between two epochs they are 0."""
        if self.began is None:
            return self.seconds, self.cpu_seconds
        began, processor_began = self.began
        return self.seconds + time.perf_counter() - began, self.cpu_seconds + time.process_time() - processor_began

    def write(self) -> None:
        """Write all lines again, so that the file is whole whenever it is read."""
        lines = "".join(json.dumps(record) + "\n" for record in self.records)
        write_text(self.run.path / "metrics.jsonl", lines)
