"""Masks that get lost, and padding that nothing masks."""

from collections.abc import Sequence

from unrolled.insight.probe import RECURRENT, Call, outermost

import keras
import numpy as np
from numpy.typing import NDArray

_POOLING = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.AveragePooling1D,
    keras.layers.MaxPooling1D,
)


def lost_masks(calls: Sequence[Call]) -> list[tuple[Call, int]]:
    """The layers at which a mask ends that somebody further on, or nobody at all, would have needed.

    A mask is used up by a recurrent layer that gives its last state alone, and by a pooling that heeds it. It is lost
    where another layer does not pass it on, and then a recurrent layer or a pooling reads without one, or where that
    layer is itself a pooling that does not heed it, or where nobody has heeded it so far.

    Args:
        calls: In the order in which they were made; layers within a Bidirectional are not looked at.

    Returns:
        Each such layer's call, and how many layers read without the mask because of it.
    """
    outer = outermost(calls)
    lost = []
    for index, call in enumerate(outer):
        if call.mask is None or call.mask_after is not None or _uses_up(call):
            continue
        readers = sum(isinstance(later.part.layer, (*RECURRENT, *_POOLING)) for later in _unmasked(outer[index + 1 :]))
        is_unheeded = not any(isinstance(earlier.part.layer, RECURRENT) for earlier in outer[:index])
        readers += isinstance(call.part.layer, _POOLING) or (not readers and is_unheeded)
        if readers:
            lost.append((call, int(readers)))
    return lost


def padding(inputs: NDArray[np.generic]) -> tuple[float, float]:
    """The shares of the steps at the front and at the end of sequences that hold nothing but zeros, in per cent.

    An example that is blank altogether does not count.

    Args:
        inputs: Numbers [B, T, F] or tokens [B, T].
    """
    is_blank = ~(inputs.reshape(*inputs.shape[:2], -1) != 0).any(axis=2)
    is_blank = is_blank[~is_blank.all(axis=1)]
    if not is_blank.size:
        return 0.0, 0.0
    front, end = is_blank.argmin(axis=1), is_blank[:, ::-1].argmin(axis=1)
    before, after = (100 * float(blank.mean()) / inputs.shape[1] for blank in (front, end))
    return before, after


def _uses_up(call: Call) -> bool:
    layer = call.part.layer
    if isinstance(layer, RECURRENT):
        return not layer.return_sequences
    return isinstance(layer, _POOLING) and layer.supports_masking


def _unmasked(calls: Sequence[Call]) -> list[Call]:
    """The calls without a mask up to the first that has one again."""
    masked = next((index for index, call in enumerate(calls) if call.mask is not None), len(calls))
    return list(calls[:masked])
