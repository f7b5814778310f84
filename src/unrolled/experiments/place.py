"""Where in the training we are."""

from typing import Any

from unrolled.experiments.checkpoints import Checkpoint, restore_metrics

import keras


class Place(keras.callbacks.Callback):
    """Counts epochs and batches for the other callbacks; comes first among them.

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

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        if self.checkpoint and self.step:
            restore_metrics(self.model, self.checkpoint)
        else:
            self.step = 0
        self.checkpoint = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1
