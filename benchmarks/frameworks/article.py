"""The article's network in Keras, trained with ``fit`` like in the article."""

from collections.abc import Callable
from typing import Any

import unrolled.layers
from benchmarks.arrays import images, network_weights
from benchmarks.cases import Arm
from benchmarks.frameworks.program import Outputs
from benchmarks.tasks import NetworkTask

import keras
import numpy as np

CHECKED_IMAGES = 8
"""Few, so that no unit is so close to the kink of relu that rounding decides its gradient."""

Gradients = Callable[[Any, Any, Any], list[Any]]
"""The gradients of the loss without dropout with respect to a model's weights: (model, images, digits) -> list."""


class KerasFit:
    """The network in ``fit``; one run is one epoch."""

    def __init__(self, arm: Arm, gradients: Gradients):
        task = arm.task
        assert isinstance(task, NetworkTask)
        self.gradients = gradients
        self.batch = task.batch
        self.inputs, self.targets = images(task)
        self.model = _make_network(arm, task)

    def results(self) -> Outputs:
        """Return predictions before any training, and gradients."""
        inputs, targets = self.inputs[:CHECKED_IMAGES], self.targets[:CHECKED_IMAGES]
        gradients = self.gradients(self.model, inputs, targets)
        named = {
            f"weights[{number}]": np.array(keras.ops.convert_to_numpy(gradient))
            for number, gradient in enumerate(gradients)
        }
        return {"outputs": np.array(self.model.predict(inputs, verbose=0)), **named}

    def run(self, count: int) -> None:
        """Train for ``count`` epochs."""
        self.model.fit(self.inputs, self.targets, batch_size=self.batch, epochs=count, shuffle=False, verbose=0)


def _make_network(arm: Arm, task: NetworkTask) -> Any:
    keras.utils.set_random_seed(0)
    layers: Any = unrolled.layers if arm.program == "unrolled" else keras.layers
    # Raises instead of timing Keras' own loop.
    arguments = {"kernel": "native"} if arm.program == "unrolled" else {}
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.LSTM(task.units, activation=task.activation, return_sequences=True, **arguments),
            keras.layers.Dropout(0.2),
            layers.LSTM(task.units, activation=task.activation, **arguments),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    for variable, array in zip(model.trainable_variables, network_weights(task), strict=True):
        variable.assign(array)
    jit_compile: Any = {"": "auto", "auto": "auto", "xla": True, "graph": False}[arm.compiled]
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=jit_compile)
    return model
