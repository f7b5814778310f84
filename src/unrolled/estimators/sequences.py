"""From what scikit-learn passes to sequences."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.dataset import objects

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array


def as_sequences(inputs: Any, features: int | None = None) -> NDArray[Any]:
    """[B] of float32 [T, F].

    Args:
        inputs: A list of arrays [T, F] (or [T] of one channel) of unequal length, one array [B, T, F], or a table
            [B, T], each row of which is a series of one channel.
        features: F, where it is known.

    Raises:
        ValueError: Something is no sequence of numbers, or has another number of channels.
    """
    if _is_list_of_arrays(inputs):
        items = [np.asarray(item, np.float32) for item in inputs]
        items = [item[:, None] if item.ndim == 1 else item for item in items]
    else:
        table = check_array(inputs, dtype=np.float32, allow_nd=True, ensure_all_finite="allow-nan")
        if table.ndim > 3:
            raise ValueError(f"expected sequences [B, T, F] or [B, T], got {list(table.shape)}. Reshape them.")
        items = list(table[:, :, None] if table.ndim == 2 else table)
    channels = {item.shape[1] for item in items if item.ndim == 2}
    if any(item.ndim != 2 or not len(item) for item in items) or len(channels) != 1:
        raise ValueError("expected sequences [T, F] with as many channels each and a step or more. Check them.")
    if features is not None and channels != {features}:
        raise ValueError(f"expected {features} channels as in fit, got {channels.pop()}. Give the same ones.")
    return objects(items)


def _is_list_of_arrays(inputs: Any) -> bool:
    if isinstance(inputs, np.ndarray):
        return inputs.dtype == object and inputs.ndim == 1 and len(inputs) > 0 and np.ndim(inputs[0]) > 0
    return isinstance(inputs, Sequence) and len(inputs) > 0 and isinstance(inputs[0], np.ndarray)
