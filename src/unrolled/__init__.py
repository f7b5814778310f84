"""Recurrent networks for Keras 3: trained fast on the CPU, and opened up so that you can watch them read.

Importing this package decides the Keras backend (JAX where the user has chosen none) and loads nothing else; each
name below is imported when it is first used.

Example:
    >>> import unrolled
    >>> mnist = unrolled.load("mnist")
    >>> mnist.train.inputs.shape
    (60000, 28, 28)
"""

import signal
import sys

# The command imports this first: Ctrl-C ends its imports without a traceback, and then the command listens. What a
# shell runs in the background ignores Ctrl-C and goes on to; and nothing changes for a program that imports this.
if (
    "".join(sys.argv[:1]).rpartition("/")[2] in ("-m", "unrolled")
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unrolled.backends import choose_backend

if TYPE_CHECKING:
    from unrolled.api import backtest, forecast, forecast_table, generate, repeat, resume, search, train
    from unrolled.comparison.comparison import compare
    from unrolled.config.experiment import ExperimentConfig
    from unrolled.data.dataset import Dataset
    from unrolled.data.registry import load
    from unrolled.diagnostics.diagnose import diagnose
    from unrolled.diagnostics.diagnostic import Diagnostic
    from unrolled.kernels.native import set_threads
    from unrolled.layers.conversion import accelerate, load_model, to_keras
    from unrolled.runs.run import Run
    from unrolled.searching.folder import Search
    from unrolled.sklearn import Forecaster, SequenceClassifier, SequenceLabeler, SequenceRegressor

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Diagnostic",
    "ExperimentConfig",
    "Forecaster",
    "Run",
    "Search",
    "SequenceClassifier",
    "SequenceLabeler",
    "SequenceRegressor",
    "__version__",
    "accelerate",
    "backtest",
    "compare",
    "diagnose",
    "forecast",
    "forecast_table",
    "generate",
    "load",
    "load_model",
    "repeat",
    "resume",
    "search",
    "set_threads",
    "to_keras",
    "train",
]

_HOMES = {
    "Dataset": "unrolled.data.dataset",
    "ExperimentConfig": "unrolled.config.experiment",
    "Diagnostic": "unrolled.diagnostics.diagnostic",
    "Forecaster": "unrolled.sklearn",
    "Run": "unrolled.runs.run",
    "Search": "unrolled.searching.folder",
    "SequenceClassifier": "unrolled.sklearn",
    "SequenceLabeler": "unrolled.sklearn",
    "SequenceRegressor": "unrolled.sklearn",
    "accelerate": "unrolled.layers.conversion",
    "backtest": "unrolled.api",
    "compare": "unrolled.comparison.comparison",
    "diagnose": "unrolled.diagnostics.diagnose",
    "forecast": "unrolled.api",
    "forecast_table": "unrolled.api",
    "generate": "unrolled.api",
    "load": "unrolled.data.registry",
    "load_model": "unrolled.layers.conversion",
    "repeat": "unrolled.api",
    "resume": "unrolled.api",
    "search": "unrolled.api",
    "set_threads": "unrolled.kernels.native",
    "to_keras": "unrolled.layers.conversion",
    "train": "unrolled.api",
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
