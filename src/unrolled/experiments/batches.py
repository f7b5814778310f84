"""The order in which a network sees its examples: a function of the seed and the epoch, and of nothing else."""

from functools import lru_cache
from typing import Any

from unrolled.data.dataset import Split

import keras
import numpy as np
from numpy.typing import NDArray


class Batches(keras.utils.PyDataset):
    """All epochs' batches in one row, each epoch in an order of its own.

    Batch k of the whole training is batch ``k % steps`` of epoch ``k // steps``, whoever asks for it and whenever:
    a backend that fetches ahead of the epoch's end gets what the others get.

    Args:
        split: The examples to learn from.
        batch_size: Examples per batch; the last batch of an epoch may be smaller.
        epochs: How many times each example is seen.
        seed: Decides the order.
    """

    def __init__(self, split: Split, *, batch_size: int, epochs: int, seed: int):
        super().__init__()
        self.split, self.batch_size, self.epochs, self.seed = split, batch_size, epochs, seed
        self.order = lru_cache(maxsize=2)(self._order)

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return -(-self.split.size // self.batch_size)

    @property
    def num_batches(self) -> int:
        """Batches in all epochs, as Keras asks for it."""
        return self.epochs * self.steps

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        epoch, step = divmod(index, self.steps)
        chosen = self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        return tuple(self.split.select(chosen))

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch]).permutation(self.split.size)
