"""Keras' ``fit`` with everything around it that a run needs, from its beginning or from a checkpoint."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from unrolled.errors import Diverged, Interrupted
from unrolled.experiments.batches import steps_in
from unrolled.experiments.examples import Examples
from unrolled.experiments.run import Run
from unrolled.experiments.training.callbacks import Checkpoints, Interruption, Remembering, Watch
from unrolled.experiments.training.checkpoints import Checkpoint, restore
from unrolled.experiments.training.place import Place
from unrolled.experiments.training.progress import Progress
from unrolled.experiments.training.recorder import Recorder
from unrolled.experiments.training.selection import Averages, Selection
from unrolled.experiments.training.signals import StopRequest
from unrolled.storage import replacing

import keras

EVALUATION_BATCH_SIZE = 256


class Fitting:
    """One training of a model: its callbacks, in their order, and what becomes of the weights.

    Args:
        model: The network, built and compiled from the run's experiment.
        examples: What to learn from.
        run: Where everything is kept.
        progress: Who is told; what it raises ends the training.
        request: Where a signal shows.
        checkpoint: Where to go on; without it the training begins.

    Raises:
        RunError: The checkpoint is of another network.
    """

    def __init__(
        self,
        model: keras.Model,
        examples: Examples,
        run: Run,
        progress: Progress,
        request: StopRequest,
        checkpoint: Checkpoint | None = None,
    ):
        self.model, self.examples, self.run, self.progress = model, examples, run, progress
        self.training = run.experiment.training
        size, batch_size = examples.learned.size, self.training.batch_size
        self.steps = steps_in(examples.learned, batch_size)
        self.place = Place(checkpoint)
        self.watch = Watch(self.place, run)
        self.selection = Selection(run.path, self.training)
        self.averages = Averages(model.optimizer) if model.optimizer.use_ema else None
        self.recorder = Recorder(
            self.place, run, progress, examples=size, batch_size=batch_size, epochs=self.training.epochs
        )
        remembering: dict[str, Remembering] = {"recorder": self.recorder, "selection": self.selection}
        self.checkpoints = Checkpoints(self.place, request, run, progress, steps=self.steps, remembering=remembering)
        self.interruption = Interruption(self.place, request, run)
        for callback in self._callbacks():
            callback.set_model(model)
        if checkpoint is not None:
            restore(model, checkpoint, examples.batches(run.experiment, epochs=1)[0])
            for name, callback in remembering.items():
                callback.recall(checkpoint.notes[name])
            self.recorder.write()

    def run_to_end(self) -> None:
        """Train, and save the network whether the training reaches its end or is stopped on the way.

        Raises:
            TrainingStopped: It ended early.
            WriteError: The folder cannot be written.
        """
        self.recorder.begin()
        try:
            for epoch, epochs, first_step in self._stretches():
                if not self.selection.is_over:
                    self._fit(epoch, epochs, first_step)
        except Diverged:
            if self.watch.good is not None:
                self.model.set_weights(self.watch.good[0])
                self._save()
            raise
        except Interrupted:
            self._conclude()
            raise
        finally:
            self.progress.end()
        self._conclude()

    def _stretches(self) -> Iterator[tuple[int, int, int]]:
        """First epoch, end and first batch of what is left: the rest of a begun epoch, then all whole ones."""
        epoch, step = self.place.epoch, self.place.step
        if step:
            yield epoch, epoch + 1, step
            epoch += 1
        if epoch < self.training.epochs:
            yield epoch, self.training.epochs, 0

    def _fit(self, epoch: int, epochs: int, first_step: int) -> None:
        start = epoch * self.steps + first_step
        watched = self.examples.validation_data(EVALUATION_BATCH_SIZE)
        self.model.fit(
            self._fed(self.examples.batches(self.run.experiment, epochs=self.training.epochs, start=start)),
            initial_epoch=epoch,
            epochs=epochs,
            steps_per_epoch=self.steps - first_step,
            shuffle=False,  # Batches decides the order
            validation_data=None if watched is None else self._fed(watched),
            callbacks=self._callbacks(),
            verbose=0,
        )

    def _fed(self, batches: keras.utils.PyDataset) -> Any:
        """The batches as the backend takes them."""
        if keras.backend.backend() != "tensorflow" or self.examples.learned.inputs.dtype != object:
            return batches
        return import_module("unrolled.experiments.training.tensorflow").as_dataset(batches)

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        """In the order in which they are called, which matters."""
        averages = [self.averages] if self.averages else []
        return [
            self.place,
            self.watch,
            self.selection,
            *averages,
            self.recorder,
            self.checkpoints,
            self.interruption,
        ]

    def _conclude(self) -> None:
        """Put the weights that are to be kept into the network, and save it."""
        if self.averages:
            self.averages.finish()
        self.selection.choose()
        self._save()

    def _save(self) -> None:
        with replacing(self.run.path / "model.keras") as part:
            self.model.save(part)
