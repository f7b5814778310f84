"""The random numbers that are not drawn by a seed of their own."""

import random
from importlib import import_module
from typing import Any

import keras
import numpy as np


def seed_everything(seed: int) -> None:
    """Seed what layers and initializers without a seed of their own draw one from, and torch where it computes.

    ``keras.utils.set_random_seed`` does the same and imports TensorFlow wherever it is installed, which takes 5 s.
    """
    random.seed(seed)
    np.random.seed(seed)
    if (torch := _torch()) is not None:
        torch.seed(seed)


def random_state() -> dict[str, Any]:
    """The states of those generators, as JSON."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    state = {"python": random.getstate(), "numpy": [kind, np.asarray(keys).tolist(), *rest]}
    return state if (torch := _torch()) is None else state | {"torch": torch.random_state()}


def restore_random_state(state: dict[str, Any]) -> None:
    """Give the generators the states that ``random_state`` gave."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    if (torch := _torch()) is not None:
        torch.restore_random_state(state["torch"])


def _torch() -> Any:
    """Torch's generator where torch computes, else None."""
    if keras.backend.backend() != "torch":
        return None
    return import_module("unrolled.experiments.training.torch")
