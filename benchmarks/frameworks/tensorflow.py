"""The layers of Keras and of unrolled on TensorFlow, inside ``tf.function``, with and without XLA."""

from typing import Any

from benchmarks.cases import Arm
from benchmarks.frameworks import article
from benchmarks.frameworks.keras_layers import make_layer, named_results
from benchmarks.frameworks.program import Outputs, Program
from benchmarks.tasks import LayerTask, NetworkTask

import keras
import tensorflow as tf


def prepare(arm: Arm) -> Program:
    """Build the arm's program."""
    if isinstance(arm.task, NetworkTask):
        return article.KerasFit(arm, _network_gradients)
    assert isinstance(arm.task, LayerTask)
    return _Layer(arm, arm.task)


def make_sgemm(side: int) -> Any:
    """Return a function that multiplies two square matrices once."""
    matrix = tf.ones((side, side))
    return lambda: tf.matmul(matrix, matrix)


def forget() -> None:
    """Drop Keras' global state; compiled functions go with their programs."""
    keras.backend.clear_session()


class _Layer:
    def __init__(self, arm: Arm, task: LayerTask):
        layer, arrays = make_layer(arm)
        self.task = task
        mask = {} if arrays.mask is None else {"mask": tf.constant(arrays.mask)}
        self.arguments = (tf.constant(arrays.sequences), tf.constant(arrays.cotangent), mask)

        def step(sequences: Any, cotangent: Any, mask: Any) -> Any:
            variables = [variable.value for variable in layer.trainable_variables]
            with tf.GradientTape() as tape:
                tape.watch(sequences)
                outputs = layer(sequences, training=True, **mask)
                loss = tf.reduce_sum(outputs * cotangent)
            return outputs, tape.gradient(loss, [*variables, sequences])

        def read(sequences: Any, cotangent: Any, mask: Any) -> Any:
            return layer(sequences, training=False, **mask), []

        self.compute = tf.function(step if task.training else read, jit_compile=arm.compiled == "xla")

    def results(self) -> Outputs:
        outputs, gradients = self.compute(*self.arguments)
        return named_results(self.task, outputs, gradients)

    def run(self, count: int) -> None:
        for _ in range(count):
            outputs, gradients = self.compute(*self.arguments)
            # Waits for the tensors, should the function return before they are computed.
            (gradients[-1] if gradients else outputs)[0, 0, 0].numpy()


def _network_gradients(model: Any, inputs: Any, targets: Any) -> list[Any]:
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function(jit_compile=False)  # type: ignore[untyped-decorator]
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            outputs = model(tf.constant(inputs), training=False)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(targets, outputs))
        return tape.gradient(loss, variables)

    computed: list[Any] = gradients()
    return computed
