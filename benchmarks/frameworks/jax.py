"""The layers of Keras and of unrolled on JAX: forward and backward compiled together, like in ``fit``."""

from typing import Any

from benchmarks.arrays import step_arrays
from benchmarks.cases import Arm
from benchmarks.frameworks import article
from benchmarks.frameworks.keras_layers import make_layer, named_results
from benchmarks.frameworks.program import Outputs, Program
from benchmarks.tasks import LayerTask, NetworkTask, StepTask

import jax
import jax.numpy as jnp
import keras
import numpy as np


def prepare(arm: Arm) -> Program:
    """Build the arm's program."""
    if isinstance(arm.task, NetworkTask):
        return article.KerasFit(arm, _network_gradients)
    return _Step(arm.task) if isinstance(arm.task, StepTask) else _Layer(arm, arm.task)


def make_sgemm(side: int) -> Any:
    """Return a function that multiplies two square matrices once."""
    matrix = jnp.ones((side, side), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    return lambda: multiply(matrix, matrix).block_until_ready()


def forget() -> None:
    """Drop compiled functions."""
    jax.clear_caches()  # type: ignore[no-untyped-call]


class _Layer:
    """A Keras layer. Weights, inputs and mask are arguments, so that nothing is folded into constants."""

    def __init__(self, arm: Arm, task: LayerTask):
        layer, arrays = make_layer(arm)
        self.task = task

        def call(weights: Any, sequences: Any, constants: Any, mask: Any) -> Any:
            if task.in_sequence:
                return _in_sequence(task, layer, weights, constants, sequences, mask)
            arguments = {} if mask is None else {"mask": mask}
            return layer.stateless_call(weights, constants, sequences, training=task.training, **arguments)[0]

        def loss(weights: Any, sequences: Any, constants: Any, mask: Any, cotangent: Any) -> Any:
            outputs = call(weights, sequences, constants, mask)
            return jnp.sum(outputs * cotangent), outputs

        arguments = (
            [variable.value for variable in layer.trainable_variables],
            jnp.asarray(arrays.sequences),
            [variable.value for variable in layer.non_trainable_variables],
            None if arrays.mask is None else jnp.asarray(arrays.mask),
        )
        if task.training:
            self.compute = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
            self.arguments: tuple[Any, ...] = (*arguments, jnp.asarray(arrays.cotangent))
        else:
            self.compute = jax.jit(call)
            self.arguments = arguments

    def results(self) -> Outputs:
        computed = self.compute(*self.arguments)
        if not self.task.training:
            return named_results(self.task, computed, [])
        (_, outputs), (weights, sequences) = computed
        return named_results(self.task, outputs, [*weights, sequences])

    def run(self, count: int) -> None:
        for _ in range(count):
            jax.block_until_ready(self.compute(*self.arguments))  # type: ignore[no-untyped-call]


def _in_sequence(task: LayerTask, layer: Any, weights: Any, constants: Any, sequences: Any, mask: Any) -> Any:
    """Run the two layers of a bidirectional layer one after the other, in the forward and in the backward pass.

    The second one starts from a state of zeros that XLA must compute from the last output of the first. XLA would drop
    a barrier.
    """
    variables = zip([*layer.trainable_variables, *layer.non_trainable_variables], [*weights, *constants], strict=True)
    with keras.StatelessScope(state_mapping=list(variables)):
        forwards = layer.forward_layer(sequences, mask=mask, training=task.training)
        zeros = [0 * forwards[:, -1]] * (2 if task.cell == "lstm" else 1)
        backwards = layer.backward_layer(sequences, initial_state=zeros, mask=mask, training=task.training)
    return jnp.concatenate([forwards, jnp.flip(backwards, 1)], -1)


class _Step:
    """Keras' LSTM cell, compiled; all arrays are JAX's."""

    def __init__(self, task: StepTask):
        steps, weights = step_arrays(task)
        cell = keras.layers.LSTMCell(task.shape.units)
        cell.build((task.shape.batch, task.shape.features))
        for variable, array in zip(cell.trainable_variables, weights, strict=True):
            variable.assign(array)
        self.weights = [variable.value for variable in cell.trainable_variables]
        constants = [variable.value for variable in cell.non_trainable_variables]
        self.steps = [jnp.asarray(step) for step in steps]
        self.zeros = [jnp.zeros((task.shape.batch, task.shape.units))] * 2
        self.compute = jax.jit(lambda weights, x, states: cell.stateless_call(weights, constants, x, states)[0])

    def results(self) -> Outputs:
        states, outputs = self.zeros, []
        for step in self.steps:
            h, states = self.compute(self.weights, step, states)
            outputs.append(np.asarray(h))
        return {"outputs": np.stack(outputs)}

    def run(self, count: int) -> None:
        states = self.zeros
        for _ in range(count):
            h, states = self.compute(self.weights, self.steps[0], states)
            h.block_until_ready()


def _network_gradients(model: Any, inputs: Any, targets: Any) -> list[Any]:
    def loss(weights: Any) -> Any:
        constants = [variable.value for variable in model.non_trainable_variables]
        outputs, _ = model.stateless_call(weights, constants, inputs, training=False)
        return jnp.mean(keras.losses.sparse_categorical_crossentropy(targets, outputs))

    gradients: list[Any] = jax.jit(jax.grad(loss))([variable.value for variable in model.trainable_variables])
    return gradients
