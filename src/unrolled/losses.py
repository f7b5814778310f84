"""Losses that experiments can name beside those of Keras."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="unrolled")
class PinballLoss(keras.losses.Loss):  # type: ignore[misc]
    """The pinball loss of quantiles, which is least when a share ``q`` of the values lies below the output for ``q``.

    ::

        loss = mean max(q (y - f), (q - 1) (y - f))

    Args:
        quantiles: The quantiles ``q`` of the outputs, which follow each other in the last axis and repeat.
        reduction: As of any loss of Keras.
        name: Its name.
        dtype: As of any loss of Keras.

    Raises:
        ValueError: There is no quantile, or one is not between 0 and 1.

    Reference:
        Koenker and Bassett, "Regression Quantiles", 1978.
    """

    def __init__(
        self,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        reduction: str = "sum_over_batch_size",
        name: str = "pinball_loss",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantiles = tuple(float(quantile) for quantile in quantiles)
        if not self.quantiles or not all(0 < quantile < 1 for quantile in self.quantiles):
            raise ValueError(f"quantiles must be between 0 and 1, got {list(quantiles)}")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return [B] the mean over the outputs [B, outputs] of each example."""
        count = len(self.quantiles)
        of_outputs = np.resize(np.array(self.quantiles, np.float32), -(-y_pred.shape[-1] // count) * count)
        shares = ops.convert_to_tensor(of_outputs[: y_pred.shape[-1]], y_pred.dtype)
        errors = ops.cast(y_true, y_pred.dtype) - y_pred
        return ops.mean(ops.maximum(shares * errors, (shares - 1) * errors), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "quantiles": list(self.quantiles)}
