"""The records of a run, and the display that moves while it trains."""

import json
import time
from typing import Any

from unrolled.experiments.run import Run
from unrolled.experiments.training.place import Place
from unrolled.experiments.training.progress import Progress, rank
from unrolled.storage import write_text

import keras


class Recorder(keras.callbacks.Callback):
    """Writes a line of ``metrics.jsonl`` an epoch, and keeps the progress display moving.

    Args:
        place: Where in the training we are.
        run: Whose metrics.
        progress: Who shows them.
        examples: How many an epoch has.
        batch_size: How many a step has.
        epochs: How many there are.
    """

    def __init__(self, place: Place, run: Run, progress: Progress, *, examples: int, batch_size: int, epochs: int):
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
