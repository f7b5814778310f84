"""Whether what the last layer gives is what the loss takes it for."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3
"""How far a sum of probabilities may be from one."""
_CLASSIFYING = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")


def takes_logits(loss: Any) -> bool | None:
    """Whether a loss takes outputs for logits; None for a loss to which it makes no difference.

    Args:
        loss: A ``keras.Loss``, a function of ``keras.losses``, or its name, as a model was compiled with it.
    """
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        answer = loss.get_config().get("from_logits")
        return None if answer is None else bool(answer)
    return False if getattr(loss, "__name__", None) in _CLASSIFYING else None


def probability_share(outputs: NDArray[np.floating]) -> float:
    """The share of the examples whose outputs are none below 0 and add up to one, in per cent.

    Of a single output for two classes, which need not add up to anything, it is those from 0 to 1.

    Args:
        outputs: [B, ..., classes].
    """
    rows = outputs.reshape(-1, outputs.shape[-1]).astype(np.float64)
    in_range = ((rows >= 0) & (rows <= 1 + TOLERANCE)).all(axis=1)
    adds_up = np.ones(len(rows), bool) if rows.shape[1] == 1 else np.abs(rows.sum(axis=1) - 1) <= TOLERANCE
    return 100 * float((in_range & adds_up).mean())
