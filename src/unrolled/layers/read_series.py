"""A series with gaps, of its own scale and length, as a recurrent layer takes it."""

from collections.abc import Sequence
from typing import Any

from unrolled.errors import InvalidSetting

import keras
from keras import ops


@keras.saving.register_keras_serializable("unrolled")
class ReadSeries(keras.layers.Layer):
    """Scales each channel of a series [B, T, F], fills its gaps, and masks the steps that have no value at all.

    ::

        y = (x - mean) / scale          0 where x is NaN: as if it were the mean
        y = (x / level - mean) / scale  where relative: level is the mean of the series' own values

    A step whose channels are all NaN is masked, as the padding behind a shorter series is.

    Args:
        mean: [F].
        scale: [F], none of them 0.
        relative: Whether a series is divided by its own level first, for swings that grow with the level.

    Raises:
        InvalidSetting: The two differ in length, or a scale is 0.
    """

    def __init__(self, mean: Sequence[float], scale: Sequence[float], *, relative: bool = False, **arguments: Any):
        super().__init__(**arguments)
        if len(mean) != len(scale) or not all(scale):
            raise InvalidSetting(
                f"ReadSeries: expected a mean and a scale other than 0 for each channel, got {len(mean)} and "
                f"{[float(value) for value in scale]}. Change them."
            )
        self.mean, self.scale = [float(value) for value in mean], [float(value) for value in scale]
        self.relative = relative
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Scale and fill.

        Args:
            inputs: [B, T, F], NaN where there is no value.
        """
        mean = ops.convert_to_tensor(self.mean, self.compute_dtype)
        scale = ops.convert_to_tensor(self.scale, self.compute_dtype)
        inputs = ops.cast(inputs, self.compute_dtype)
        missing = ops.isnan(inputs)
        if self.relative:
            inputs = inputs / level(ops.where(missing, 0.0, inputs), ops.logical_not(missing))
        return ops.where(missing, 0.0, (inputs - mean) / scale)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """[B, T] where a step has a value."""
        present = ops.any(ops.logical_not(ops.isnan(inputs)), axis=-1)
        return present if previous_mask is None else ops.logical_and(present, previous_mask)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """As it came."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), "mean": self.mean, "scale": self.scale, "relative": self.relative}


def level(values: Any, present: Any) -> Any:
    """[B, 1, F] the mean over the steps that have a value; 1 where that is 0."""
    count = ops.maximum(ops.sum(ops.cast(present, values.dtype), axis=1, keepdims=True), 1.0)
    mean = ops.sum(values, axis=1, keepdims=True) / count
    return ops.where(mean == 0, ops.ones_like(mean), mean)
