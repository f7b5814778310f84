"""Recurrent networks as scikit-learn estimators, for pipelines, grid searches and cross-validation."""

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ModuleNotFoundError(
        "unrolled.sklearn: scikit-learn is not installed. Install it with: pip install 'unrolled[sklearn]'",
        name="sklearn",
    )

from unrolled.sklearn.classifier import SequenceClassifier
from unrolled.sklearn.forecaster import Forecaster
from unrolled.sklearn.labeler import SequenceLabeler
from unrolled.sklearn.regressor import SequenceRegressor
from unrolled.sklearn.sequences import as_sequences

__all__ = ["Forecaster", "SequenceClassifier", "SequenceLabeler", "SequenceRegressor", "as_sequences"]
