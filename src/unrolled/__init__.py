"""Recurrent networks for Keras 3: trained fast on the CPU, and opened up so that you can watch them read.

Importing this package decides the Keras backend (JAX where the user has chosen none) and loads nothing else; each
name below is imported when it is first used.

Example:
    >>> import unrolled
    >>> mnist = unrolled.load("mnist")
    >>> mnist.train.inputs.shape
    (60000, 28, 28)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unrolled.backend import choose_backend

if TYPE_CHECKING:
    from unrolled.data.catalogue import load
    from unrolled.data.dataset import Dataset
    from unrolled.estimators.recurrent import SequenceClassifier, SequenceRegressor
    from unrolled.experiments.comparing.comparison import compare
    from unrolled.experiments.comparing.repetition import repeat
    from unrolled.experiments.experiment import Experiment
    from unrolled.experiments.foretelling import forecast
    from unrolled.experiments.run import Run
    from unrolled.experiments.search.folder import Search
    from unrolled.experiments.search.procedure import search
    from unrolled.experiments.training.procedure import train
    from unrolled.experiments.training.resuming import resume
    from unrolled.experiments.writing import write
    from unrolled.insight.doctor import diagnose
    from unrolled.insight.findings import Finding
    from unrolled.kernels.extension import set_threads
    from unrolled.layers.conversion import accelerate, load_model, to_keras

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Experiment",
    "Finding",
    "Run",
    "Search",
    "SequenceClassifier",
    "SequenceRegressor",
    "__version__",
    "accelerate",
    "compare",
    "diagnose",
    "forecast",
    "load",
    "load_model",
    "repeat",
    "resume",
    "search",
    "set_threads",
    "to_keras",
    "train",
    "write",
]

_HOMES = {
    "Dataset": "unrolled.data.dataset",
    "Experiment": "unrolled.experiments.experiment",
    "Finding": "unrolled.insight.findings",
    "Run": "unrolled.experiments.run",
    "Search": "unrolled.experiments.search.folder",
    "SequenceClassifier": "unrolled.estimators.recurrent",
    "SequenceRegressor": "unrolled.estimators.recurrent",
    "accelerate": "unrolled.layers.conversion",
    "compare": "unrolled.experiments.comparing.comparison",
    "diagnose": "unrolled.insight.doctor",
    "forecast": "unrolled.experiments.foretelling",
    "load": "unrolled.data.catalogue",
    "load_model": "unrolled.layers.conversion",
    "repeat": "unrolled.experiments.comparing.repetition",
    "resume": "unrolled.experiments.training.resuming",
    "search": "unrolled.experiments.search.procedure",
    "set_threads": "unrolled.kernels.extension",
    "to_keras": "unrolled.layers.conversion",
    "train": "unrolled.experiments.training.procedure",
    "write": "unrolled.experiments.writing",
}

choose_backend()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
