"""An image as a sequence."""

from collections.abc import Sequence
from typing import Any

from unrolled.errors import InvalidSetting, did_you_mean

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

ORDERS = ("rows", "columns", "pixels", "snake", "permuted")


def permutation(pixels: int) -> NDArray[np.int64]:
    """The one random order in which ``permuted`` reads: the index of the pixel that is read at each step.

    NumPy keeps the numbers that its legacy generator gives the same for ever, so that this order is, too.

    Args:
        pixels: Height times width.

    Example:
        >>> permutation(784)[:6].tolist()
        [693, 85, 647, 392, 765, 14]
    """
    return np.random.RandomState(0).permutation(pixels)


@keras.saving.register_keras_serializable("unrolled")
class ReadImage(keras.layers.Layer):
    """The order in which a recurrent layer reads an image [B, height, width].

    ::

        rows       [B, height, width]       row by row, from the top
        columns    [B, width, height]       column by column, from the left
        pixels     [B, height * width, 1]   pixel by pixel, row by row
        snake      [B, height * width, 1]   the same with every other row from right to left: neighbours in the
                                            sequence are neighbours in the image
        permuted   [B, height * width, 1]   pixel by pixel in the order of ``permutation``

    Args:
        order: One of the above.

    Raises:
        InvalidSetting: There is no such order.

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
        """Put the pixels in order.

        Args:
            inputs: [B, height, width].
        """
        _, height, width = inputs.shape
        if self.order == "rows":
            return inputs
        if self.order == "columns":
            return ops.transpose(inputs, (0, 2, 1))
        if self.order == "snake":
            turned = (np.arange(height) % 2 == 1)[:, None]
            inputs = ops.where(turned, ops.flip(inputs, axis=2), inputs)
        pixels = ops.reshape(inputs, (-1, height * width, 1))
        return ops.take(pixels, permutation(height * width), axis=1) if self.order == "permuted" else pixels

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """[B, T, F]."""
        batch, height, width = input_shape
        if self.order == "rows" or height is None or width is None:
            return input_shape
        return (batch, width, height) if self.order == "columns" else (batch, height * width, 1)

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), "order": self.order}


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
