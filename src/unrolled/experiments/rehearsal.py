"""What Keras would find wrong only in the first step, found before it: shapes go through, no number is computed."""

from typing import Any

import keras
from keras.src.backend import compute_output_spec

# Stands for any number of classes.
_CLASSES = 3
_EXAMPLES = 2


def rehearse_optimizer(optimizer: keras.Optimizer) -> None:
    """Take one step with an optimizer that is used for nothing else.

    Raises:
        Exception: Whatever Keras raises for its arguments.
    """
    variable = keras.Variable([[0.0] * _CLASSES] * _EXAMPLES)
    optimizer.build([variable])

    def step(gradient: Any) -> Any:
        optimizer.apply([gradient], [variable])
        return gradient

    compute_output_spec(step, keras.KerasTensor(variable.shape))


def rehearse_network(model: keras.Model) -> None:
    """Pass a batch through a network.

    Raises:
        Exception: Whatever Keras raises for its layers.
    """
    compute_output_spec(model, keras.KerasTensor((_EXAMPLES, *model.input_shape[1:])))


def rehearse_loss(loss: keras.losses.Loss, *, one_hot: bool) -> None:
    """Compare targets with outputs.

    Raises:
        Exception: Whatever Keras raises for its arguments.
    """
    compute_output_spec(loss, _targets(one_hot=one_hot), _outputs())


def rehearse_metric(metric: keras.metrics.Metric, *, one_hot: bool) -> None:
    """Take targets and outputs in.

    Raises:
        Exception: Whatever Keras raises for its arguments.
    """

    def update(targets: Any, outputs: Any) -> Any:
        metric.update_state(targets, outputs)
        return metric.result()

    compute_output_spec(update, _targets(one_hot=one_hot), _outputs())


def _targets(*, one_hot: bool) -> keras.KerasTensor:
    shape, dtype = ((_EXAMPLES, _CLASSES), "float32") if one_hot else ((_EXAMPLES,), "int64")
    return keras.KerasTensor(shape, dtype=dtype)


def _outputs() -> keras.KerasTensor:
    return keras.KerasTensor((_EXAMPLES, _CLASSES))
