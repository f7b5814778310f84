"""Layers that take some of the steps of a sequence, or join them."""

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


@keras.saving.register_keras_serializable("unrolled")
class LastSteps(keras.Layer):
    """Layer that takes the last steps of a sequence.

    ::

        y[b, k] = x[b, T - steps + k]          k = 0 ... steps - 1

    Behind a recurrent layer that returns all steps, a forecast is made at each step of the horizon, from the state that
    has just read what is known of that step. A state after the horizon would have to remember what it read at each.

    Args:
        steps: Their number; in an experiment that forecasts, the horizon if left out.
        **arguments: Those of every Keras layer.
    """

    def __init__(self, steps: int, **arguments: Any):
        super().__init__(**arguments)
        self.steps = steps
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Take the last steps of inputs [B, T, F]: [B, steps, F]."""
        return inputs[:, -self.steps :]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return [B, steps, F], of a shorter sequence all its steps."""
        batch, time, *features = input_shape
        return batch, self.steps if time is None else min(time, self.steps), *features

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: each of the steps counts."""

    def get_config(self) -> dict[str, Any]:
        """Return Keras' configuration and the number of steps."""
        return {**super().get_config(), "steps": self.steps}
