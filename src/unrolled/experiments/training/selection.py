"""Choosing among the epochs by their validation loss, and averages of weights."""

import zipfile
from pathlib import Path
from typing import Any

from unrolled.errors import RunError
from unrolled.experiments.settings import Training
from unrolled.experiments.training.checkpoints import FOLDER
from unrolled.storage import cannot_write, replacing

import keras
import numpy as np
from numpy.typing import NDArray


class Selection(keras.callbacks.Callback):
    """Stops when the validation loss has not improved for a while, and keeps the weights of the best epoch.

    The best weights are a file of the run, which only better ones replace, whichever process finds them.

    Args:
        run: The run's folder.
        training: ``early_stopping`` and ``keep``.
    """

    def __init__(self, run: Path, training: Training):
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


class Averages(keras.callbacks.Callback):
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
