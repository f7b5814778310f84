"""The size of what the first weights see."""

from collections.abc import Sequence

from unrolled.insight.probe import Call, outermost

import keras
import numpy as np
from numpy.typing import NDArray

_SCALING = (
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.UnitNormalization,
)


def first_weighted(calls: Sequence[Call]) -> Call | None:
    """The first layer with weights to learn; None where what it reads was scaled by a layer or looked up by one."""
    for call in outermost(calls):
        layer = call.part.layer
        if isinstance(layer, (*_SCALING, keras.layers.Embedding)):
            return None
        if layer.trainable_weights:
            return call
    return None


def feature_sizes(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """The root mean square of each feature, the last axis, over examples and steps."""
    features = values.reshape(-1, values.shape[-1]).astype(np.float64)
    sizes: NDArray[np.float64] = np.sqrt((features**2).mean(axis=0))
    return sizes


def constant_share(values: NDArray[np.generic]) -> float:
    """The share of the features, the last axis, that are the same in all examples and steps, in per cent."""
    features = values.reshape(-1, values.shape[-1])
    return 100 * float((np.fmax.reduce(features) == np.fmin.reduce(features)).mean())


def non_finite_examples(values: NDArray[np.generic], *, may_be_missing: bool = False) -> int:
    """How many examples hold a NaN, where that does not stand for what is missing, or an infinity."""
    if values.dtype.kind != "f":
        return 0
    strange = np.isinf(values) if may_be_missing else ~np.isfinite(values)
    return int(strange.reshape(len(values), -1).any(axis=1).sum())
