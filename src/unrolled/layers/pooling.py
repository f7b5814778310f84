"""Pooling over the steps of a sequence."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("unrolled")
class GlobalMaxPooling1D(keras.layers.GlobalMaxPooling1D):
    """Layer that takes the largest value of each feature over all steps, and leaves masked steps out.

    ::

        y[b, f] = max x[b, t, f] over the steps t with mask[b, t]          0 if there is none

    Keras' layer of that name drops the mask, so that the result for a sequence depends on its padding. The arguments
    are Keras': ``data_format`` and ``keepdims``.
    """

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Take the largest values.

        Args:
            inputs: [B, T, F], or [B, F, T] with ``data_format="channels_first"``.
            mask: [B, T], True at the steps that count; without it all do.
        """
        if mask is None:
            return super().call(inputs)
        steps = 1 if self.data_format == "channels_last" else 2
        counts = ops.expand_dims(mask, 3 - steps)
        largest = super().call(ops.where(counts, inputs, -float("inf")))
        return ops.where(ops.any(counts, axis=steps, keepdims=self.keepdims), largest, 0.0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: there are no steps left to mask."""
