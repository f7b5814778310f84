"""What happens after each batch and epoch besides learning: keeping watch, keeping records."""

import json
import math
import time
from typing import Any

from unrolled.errors import Diverged
from unrolled.experiments.progress import Progress
from unrolled.experiments.run import Run
from unrolled.experiments.signals import StopRequest
from unrolled.storage import write_text

import keras
import numpy as np
from numpy.typing import NDArray

# Copying the article's weights takes 0.3 ms, a step 20 ms: every 50th step costs nothing that one can see.
STEPS_BETWEEN_COPIES = 50


class Watch(keras.callbacks.Callback):
    """Ends the training when the loss is no longer a number, or when a signal asks for it.

    Copies of the weights are taken every few steps. A copy counts as good once a later step has found a finite loss
    with weights that descend from it.

    Args:
        request: Where a signal shows.
        run: Where the weights are kept when the training ends early.
    """

    def __init__(self, request: StopRequest, run: Run):
        super().__init__()
        self.request, self.run = request, run
        self.where = f"train: {run.experiment.name}"

    def on_train_begin(self, logs: Any = None) -> None:
        self.good = self.latest = (self.model.get_weights(), 1, 0)
        self.epoch, self.step, self.steps = 1, 0, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch, self.step = epoch + 1, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step, self.steps = batch + 1, self.steps + 1
        self._check(logs["loss"], "loss")
        self._answer()
        self.good = self.latest
        if self.steps % STEPS_BETWEEN_COPIES == 0:
            self._copy()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._answer()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check(logs.get("val_loss", 0.0), "validation loss")

    def check_weights(self) -> None:
        """Refuse what the last step made of the weights, which no loss has seen yet.

        Raises:
            Diverged: One of them is NaN or infinite.
        """
        if not _finite(self.model.get_weights()):
            raise Diverged(self._divergence(math.nan, "loss after the last step"))

    def _check(self, loss: float, name: str) -> None:
        if not math.isfinite(loss):
            raise Diverged(self._divergence(loss, name))

    def _synchronize(self) -> None:
        """Bring the model's variables up to date; on JAX they live outside it while an epoch runs."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()

    def _copy(self) -> None:
        self._synchronize()
        weights: list[NDArray[Any]] = self.model.get_weights()
        if _finite(weights):
            self.latest = (weights, self.epoch, self.step)

    def _answer(self) -> None:
        self.request.answer(
            f"{self.where}: interrupted in epoch {self.epoch}, after step {self.step}; "
            f"kept what was learned in {self.run.path}"
        )

    def _divergence(self, loss: float, name: str) -> str:
        self._synchronize()
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        _, epoch, step = self.good
        return (
            f"{self.where}: expected a finite {name}, got {loss} in epoch {self.epoch} at step {self.step}; kept the "
            f"weights of epoch {epoch}, step {step} in {self.run.path}. Lower the learning rate (--set "
            f"training.optimizer.{type(self.model.optimizer).__name__}.learning_rate={rate / 10:g}), clip the "
            "gradients (clipnorm: 1), or use activation tanh."
        )


def _finite(weights: list[NDArray[Any]]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in weights)


class Recorder(keras.callbacks.Callback):
    """Writes a line of ``metrics.jsonl`` an epoch, and keeps the progress display moving.

    Args:
        run: Whose metrics.
        progress: Who shows them.
        examples: How many an epoch has.
        batch_size: How many a step has.
        epochs: How many there are.
    """

    def __init__(self, run: Run, progress: Progress, *, examples: int, batch_size: int, epochs: int):
        super().__init__()
        self.run, self.progress, self.examples = run, progress, examples
        self.batch_size, self.epochs = batch_size, epochs
        self.records: list[dict[str, Any]] = []
        self.compiled: set[int] = set()

    def on_train_begin(self, logs: Any = None) -> None:
        self.progress.begin(self.epochs, -(-self.examples // self.batch_size), self.batch_size)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch_began, self.processor_began = time.perf_counter(), time.process_time()
        self.training_seconds, self.counted = 0.0, 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        size = min(self.batch_size, self.examples - batch * self.batch_size)
        if size in self.compiled or self.examples <= 2 * self.batch_size:
            self.training_seconds += time.perf_counter() - self.batch_began
            self.counted += size
        # The first batch of either size compiles, which is not training; of one or two batches that is all there is.
        self.compiled.add(size)
        self.progress.step(len(self.records) + 1, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        record = {
            "epoch": epoch + 1,
            **{name: float(logs[name]) for name in names if name in logs},
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": time.perf_counter() - self.epoch_began,
            "cpu_seconds": time.process_time() - self.processor_began,
            "training_seconds": self.training_seconds,
            "examples_per_second": self.counted / self.training_seconds if self.training_seconds else 0.0,
        }
        self.records.append(record)
        lines = "".join(json.dumps(record) + "\n" for record in self.records)
        write_text(self.run.path / "metrics.jsonl", lines)
        self.progress.epoch(record)
