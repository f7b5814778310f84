"""Small networks and data for the doctor's tests, healthy by default."""

from collections.abc import Iterable
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.layers import GRU, LSTM, SimpleRNN
from unrolled.model.build import build_model, resolve
from unrolled.tasks.registry import load_task

import keras
import numpy as np
from numpy.typing import NDArray

LAYERS = {"lstm": LSTM, "gru": GRU, "simple_rnn": SimpleRNN}


def bumps(seed: int = 0, *, examples: int = 240, time: int = 12, classes: int = 3) -> tuple[NDArray[Any], NDArray[Any]]:
    """Noise [B, T, 4] in which one stretch of the time is raised; which one is the class."""
    random = np.random.default_rng(seed)
    targets = random.permutation(np.arange(examples) % classes)
    inputs = random.normal(scale=0.3, size=(examples, time, 4))
    stretch = time // classes
    for example, target in zip(inputs, targets, strict=True):
        example[stretch * target : stretch * (target + 1)] += 1
    return inputs.astype(np.float32), targets


def sentences(seed: int = 0, *, examples: int = 240, time: int = 12) -> tuple[NDArray[Any], NDArray[Any]]:
    """Tokens [B, T] from 1 to 19, padded with 0 at the end to half as much again; the class is the more frequent."""
    random = np.random.default_rng(seed)
    targets = random.permutation(np.arange(examples) % 2)
    tokens = random.integers(1, 10, (examples, time)) + 10 * (
        random.random((examples, time)) < 0.2 + 0.6 * targets[:, None]
    )
    lengths = random.integers(time // 3, time + 1, examples)
    return np.where(np.arange(time) < lengths[:, None], tokens, 0), targets


def compiled(
    *layers: Any,
    seed: int = 0,
    shape: tuple[int, ...] = (12, 4),
    loss: Any = None,
    optimizer: Any = None,
) -> keras.Model:
    """A model of these layers, by default with Adam(0.01) and logits."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input(shape), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss is None else loss
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss)
    return model


def reader(*, cell: str = "lstm", classes: int = 3, seed: int = 0, **arguments: Any) -> keras.Model:
    """One recurrent layer and the classes."""
    keras.utils.set_random_seed(seed)
    return compiled(LAYERS[cell](**{"units": 8, **arguments}), keras.layers.Dense(classes), seed=seed)


def codes(diagnostics: Iterable[Diagnostic]) -> set[str]:
    return {diagnostic.code for diagnostic in diagnostics}


def network_for(config: ExperimentConfig, data: Dataset) -> keras.Model:
    """The network of an experiment for a data set that is not its own."""
    task = load_task(config)
    task.data = data
    return build_model(resolve(config, task), task)
