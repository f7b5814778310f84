"""Where in the training we are."""

from typing import Any

from unrolled.experiments.training.checkpoints import Checkpoint, restore_metrics
from unrolled.experiments.training.seeding import random_state, restore_random_state

import keras


class Place(keras.callbacks.Callback):
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
