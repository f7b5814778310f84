"""What happens after each batch and epoch besides learning: keeping watch, keeping checkpoints, listening."""

import math
import time
from typing import Any, Protocol

from unrolled.errors import Diverged, WriteError
from unrolled.experiments.run import Run
from unrolled.experiments.training.checkpoints import lasting_settings, write_checkpoint
from unrolled.experiments.training.place import Place
from unrolled.experiments.training.progress import Progress
from unrolled.experiments.training.signals import StopRequest

import keras
import numpy as np
from numpy.typing import NDArray

# Copying the article's weights takes 0.3 ms, a step 20 ms: every 50th step costs nothing that one can see.
STEPS_BETWEEN_COPIES = 50

# Weights, and the epoch and the step after which they were copied.
Copy = tuple[list[NDArray[Any]], int, int]


class Watch(keras.callbacks.Callback):
    """Ends the training when the loss is no longer a number.

    Copies of the weights are taken every few steps. A copy counts as good once a later step has found a finite loss
    with weights that descend from it.

    Args:
        place: Where in the training we are.
        run: Where the weights are kept when the training ends early.
    """

    def __init__(self, place: Place, run: Run):
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


class Interruption(keras.callbacks.Callback):
    """Ends the training when a signal has asked for it; comes last, when all others have seen the batch.

    Args:
        place: Where in the training we are.
        request: Where a signal shows.
        run: What to name in the message.
    """

    def __init__(self, place: Place, request: StopRequest, run: Run):
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


class Remembering(Protocol):
    """A callback with something to keep in a checkpoint."""

    def notes(self) -> dict[str, Any]:
        """What it remembers, as JSON."""

    def recall(self, notes: dict[str, Any]) -> None:
        """Remember what ``notes`` gave."""


class Checkpoints(keras.callbacks.Callback):
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
        place: Place,
        request: StopRequest,
        run: Run,
        progress: Progress,
        *,
        steps: int,
        remembering: dict[str, Remembering],
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
        notes["settings"] = lasting_settings(self.run.experiment)
        try:
            write_checkpoint(self.run.path, self.model, epoch, step, notes)
        except WriteError as error:
            self.progress.say(f"no checkpoint: {error}")
        self.written = time.monotonic()
