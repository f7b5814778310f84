"""Searches whose best values are known beforehand, so that finding them can be asserted."""

import math
from pathlib import Path

from tests.conftest import write_tiny_data
from unrolled.config.document import Document, parse_yaml
from unrolled.searching.folder import Search
from unrolled.searching.search import find_search
from unrolled.training.processes import StopRequest

import optuna

# Two layers, of which one has a setting of its own, and a rate; the best are LSTM, 48 units and a rate of 0.01.
PLANTED = """\
name: planted
data: {file: tiny.npz}
network:
  - search: [{LSTM: {units: {search: {low: 8, high: 64, step: 8}}}}, {GRU: {units: 8}}]
  - Dense: {units: 3}
training:
  optimizer: {Adam: {learning_rate: {search: {low: 1.0e-5, high: 1.0, log: true}}}}
  validation: 0.1
"""
LAYER, UNITS, RATE = "network[0]", "network[0].LSTM.units", "training.optimizer.Adam.learning_rate"

# A search that trains in no time: a choice of rates of which one learns.
LEARNABLE = """\
data: {file: tiny.npz}
network:
  - Rescaling: {scale: 0.00392156862745098}
  - Flatten
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 3, activation: softmax}
training:
  epochs: 4
  batch_size: 16
  optimizer: {SGD: {learning_rate: {search: [1.0e-9, 1.0e-8, 0.1]}, momentum: 0.9}}
  validation: 0.2
"""


def planted_search(folder: Path, text: str = PLANTED, *, trials: int = 40, prunes: bool = True) -> Search:
    """A new search, checked in nothing."""
    document = Document(parse_yaml(text, "planted"), "planted")
    return Search.create(document, folder, trials=trials, metric="val_accuracy", prunes=prunes)


def planted_value(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
    """What stands for training: highest for the LSTM of 48 units at a rate of 0.01, and never above 1."""
    params = trial.params
    lost = 0.05 * abs(math.log10(float(params[RATE])) + 2)
    return 1 - lost - (abs(int(params[UNITS]) - 48) / 200 if params[LAYER] == "LSTM" else 0.4)


def learnable(folder: Path, *, trials: int, text: str = LEARNABLE) -> Search:
    """A new search that really trains, beside its data."""
    write_tiny_data(folder / "tiny.npz")
    (folder / "tiny.yaml").write_text(text)
    return find_search(
        folder / "tiny.yaml",
        trials=trials,
        metric=None,
        prunes=True,
        overrides=[],
        name=None,
        seed=None,
        runs=folder / "runs",
    )
