"""Preprocessing layers: an image or a time series as a sequence for a recurrent layer."""

from collections.abc import Sequence
from typing import Any

from unrolled.errors import InvalidSetting, did_you_mean

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

ORDERS = ("rows", "columns", "pixels", "snake", "permuted")


def permutation(pixels: int) -> NDArray[np.int64]:
    """Return the fixed random order of ``permuted``: the index of the pixel at each step.

    It is drawn from NumPy's legacy generator, whose numbers never change between releases.

    Args:
        pixels: Height times width.

    Example:
        >>> permutation(784)[:6].tolist()
        [693, 85, 647, 392, 765, 14]
    """
    return np.random.RandomState(0).permutation(pixels)


@keras.saving.register_keras_serializable("unrolled")
class ReadImage(keras.layers.Layer):
    """Layer that turns an image [B, height, width] or [B, height, width, C] into a sequence, in a chosen order.

    ::

        rows       [B, height, width * C]   row by row, from the top
        columns    [B, width, height * C]   column by column, from the left
        pixels     [B, height * width, C]   pixel by pixel, row by row
        snake      [B, height * width, C]   pixel by pixel, every other row from right to left: neighbours in the
                                            sequence are neighbours in the image
        permuted   [B, height * width, C]   pixel by pixel in the order of ``permutation``

    C is the number of channels, such as 3 for red, green and blue, and 1 without a last axis. The channels of a pixel
    stand side by side.

    Args:
        order: One of these names.

    Raises:
        InvalidSetting: The order is unknown.

    Reference:
        Le, Jaitly and Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015
        (pixels, and permuted with another permutation).
    """

    def __init__(self, order: str, **arguments: Any):
        super().__init__(**arguments)
        if order not in ORDERS:
            raise InvalidSetting(
                f'ReadImage: unknown order "{order}".{did_you_mean(str(order), ORDERS)} '
                f"Choose among: {', '.join(ORDERS)}."
            )
        self.order = order

    def call(self, inputs: Any) -> Any:
        """Reorder the pixels.

        Args:
            inputs: [B, height, width] or [B, height, width, C].
        """
        _, height, width, *channels = inputs.shape
        if self.order == "rows":
            return ops.reshape(inputs, (-1, height, width * channels[0])) if channels else inputs
        if self.order == "columns":
            turned = ops.transpose(inputs, (0, 2, 1, 3)[: len(inputs.shape)])
            return ops.reshape(turned, (-1, width, height * channels[0])) if channels else turned
        if self.order == "snake":
            is_reversed = (np.arange(height) % 2 == 1).reshape(-1, 1, *(1 for _ in channels))
            inputs = ops.where(is_reversed, ops.flip(inputs, axis=2), inputs)
        pixels = ops.reshape(inputs, (-1, height * width, *(channels or (1,))))
        return ops.take(pixels, permutation(height * width), axis=1) if self.order == "permuted" else pixels

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape [B, T, F] of the sequence."""
        batch, height, width, *channels = input_shape
        depth = channels[0] if channels else 1
        if height is None or width is None or depth is None:
            return input_shape
        shapes = {"rows": (batch, height, width * depth), "columns": (batch, width, height * depth)}
        return shapes.get(self.order, (batch, height * width, depth))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that recreate the layer."""
        return {**super().get_config(), "order": self.order}


@keras.saving.register_keras_serializable("unrolled")
class ReadSeries(keras.layers.Layer):
    """Layer that scales each channel of a series [B, T, F], fills gaps, and masks steps without any value.

    ::

        y = (x - mean) / scale          0 where x is NaN, as if it were the mean
        y = (x / level - mean) / scale  with relative=True; level is the mean of the channel's values in this series

    A step whose channels are all NaN is masked, such as the padding after a shorter series.

    Args:
        mean: [F], the mean of each channel.
        scale: [F], the standard deviation of each channel; not 0.
        relative: Divide each series by its own level first, for series whose variation grows with their level; or [F],
            True for the channels that are divided.

    Raises:
        InvalidSetting: The lengths of mean and scale differ, or a scale is 0.
    """

    def __init__(
        self,
        mean: Sequence[float],
        scale: Sequence[float],
        *,
        relative: bool | Sequence[bool] = False,
        **arguments: Any,
    ):
        super().__init__(**arguments)
        if len(mean) != len(scale) or not all(scale):
            raise InvalidSetting(
                f"ReadSeries: expected a mean and a scale other than 0 for each channel, got {len(mean)} means and the "
                f"scales {[float(value) for value in scale]}. Use a scale of 1 for a constant channel."
            )
        self.mean, self.scale = [float(value) for value in mean], [float(value) for value in scale]
        self.relative = relative if isinstance(relative, bool) else [bool(value) for value in relative]
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Scale the channels and fill the gaps.

        Args:
            inputs: [B, T, F], NaN where a value is missing.
        """
        mean = ops.convert_to_tensor(self.mean, self.compute_dtype)
        scale = ops.convert_to_tensor(self.scale, self.compute_dtype)
        inputs = ops.cast(inputs, self.compute_dtype)
        missing = ops.isnan(inputs)
        if self.relative:
            level = _level(ops.where(missing, 0.0, inputs), ops.logical_not(missing))
            if isinstance(self.relative, list):
                level = ops.where(ops.convert_to_tensor(self.relative, "bool"), level, ops.ones_like(level))
            inputs = inputs / level
        return ops.where(missing, 0.0, (inputs - mean) / scale)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask [B, T], True at steps that have a value."""
        present = ops.any(ops.logical_not(ops.isnan(inputs)), axis=-1)
        return present if previous_mask is None else ops.logical_and(present, previous_mask)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that recreate the layer."""
        return {**super().get_config(), "mean": self.mean, "scale": self.scale, "relative": self.relative}


def _level(values: Any, present: Any) -> Any:
    """Return the mean over the steps that have a value, [B, 1, F]; 1 where it is 0."""
    count = ops.maximum(ops.sum(ops.cast(present, values.dtype), axis=1, keepdims=True), 1.0)
    mean = ops.sum(values, axis=1, keepdims=True) / count
    return ops.where(mean == 0, ops.ones_like(mean), mean)
