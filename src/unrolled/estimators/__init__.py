"""Recurrent networks as scikit-learn's estimators: for pipelines, grids and cross-validation."""

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ModuleNotFoundError(
        "unrolled.estimators: expected scikit-learn, got none. Install it: pip install 'unrolled[sklearn]'",
        name="sklearn",
    )
