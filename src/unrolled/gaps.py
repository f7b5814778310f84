"""Losses and metrics that pass over missing targets."""

from typing import Any, Self

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="unrolled")
class LossOverGaps(keras.losses.Loss):  # type: ignore[misc]
    """Another loss over the targets that are there; those that are NaN count neither in it nor in its gradient.

    ::

        loss = sum of the losses of the known targets / number of known targets         over the batch

    At a gap the other loss is given 0 as target and output, so that it and its gradient are finite: it has to be 0
    there, as is every loss of differences. Without gaps it is unchanged.

    Args:
        loss: The other loss, which takes the mean over the last axis.
        name: Its name if left out.
        reduction: That of the other loss if left out.
        dtype: As of any loss of Keras.
    """

    def __init__(
        self, loss: keras.losses.Loss, name: str | None = None, reduction: str | None = None, dtype: Any = None
    ):
        super().__init__(name=name or loss.name, reduction=reduction or loss.reduction, dtype=dtype)
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return [B] the loss of each example: targets and outputs are [B, outputs]."""
        known, zero = ops.logical_not(ops.isnan(y_true)), ops.zeros_like(y_pred)
        losses = self.loss.call(ops.where(known, y_true, zero), ops.where(known, y_pred, zero))
        share = ops.mean(ops.cast(known, losses.dtype))
        return losses / ops.where(share > 0, share, ops.ones_like(share))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "loss": keras.losses.serialize(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the loss of these arguments."""
        return cls(**{**config, "loss": keras.losses.deserialize(config["loss"])})


@keras.saving.register_keras_serializable(package="unrolled")
class MetricOverGaps(keras.metrics.Metric):  # type: ignore[misc]
    """Another metric over the targets that are there, each an example of its own; those that are NaN have no weight.

    Args:
        metric: The other metric.
        name: Its name if left out.
        dtype: As of any metric of Keras.
    """

    def __init__(self, metric: keras.metrics.Metric, name: str | None = None, dtype: Any = None):
        super().__init__(name=name or metric.name, dtype=dtype)
        self.metric = metric

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add targets and outputs [B, outputs]."""
        targets, outputs = ops.reshape(ops.cast(y_true, y_pred.dtype), (-1, 1)), ops.reshape(y_pred, (-1, 1))
        known, zero = ops.logical_not(ops.isnan(targets)), ops.zeros_like(outputs)
        weights = ops.cast(known[:, 0], outputs.dtype)
        return self.metric.update_state(
            ops.where(known, targets, zero), ops.where(known, outputs, zero), sample_weight=weights
        )

    def result(self) -> Any:
        """Return the value of the other metric."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Begin anew."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "metric": keras.metrics.serialize(self.metric)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the metric of these arguments."""
        return cls(**{**config, "metric": keras.metrics.deserialize(config["metric"])})
