"""The random numbers that are not drawn by a seed of their own."""

import random

import numpy as np


def seed_everything(seed: int) -> None:
    """Seed what layers and initializers without a seed of their own draw one from.

    ``keras.utils.set_random_seed`` does the same and imports TensorFlow wherever it is installed, which takes 5 s.
    """
    random.seed(seed)
    np.random.seed(seed)
