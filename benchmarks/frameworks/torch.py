"""On torch: the layers of Keras and of unrolled, run eagerly by Keras, and the native kernels without Keras."""

from typing import Any

from benchmarks.arrays import layer_arrays
from benchmarks.cases import Arm
from benchmarks.frameworks import article, torch_nn
from benchmarks.frameworks.keras_layers import make_layer, named_results
from benchmarks.frameworks.program import Outputs, Program
from benchmarks.tasks import LayerTask, NetworkTask, StepTask
from unrolled.backends import torch as backend
from unrolled.kernels.spec import Inputs, RecurrenceSpec

import keras
import torch


def prepare(arm: Arm) -> Program:
    """Build the arm's program."""
    if isinstance(arm.task, StepTask):
        return torch_nn.Step(arm.task)
    if isinstance(arm.task, NetworkTask):
        return torch_nn.Fit(arm.task) if arm.program == "torch.nn" else article.KerasFit(arm, _network_gradients)
    if arm.program == "torch.nn":
        return torch_nn.Layer(arm.task)
    return _Kernels(arm.task) if arm.program == "kernels" else _Layer(arm, arm.task)


def make_sgemm(side: int) -> Any:
    """Return a function that multiplies two square matrices once."""
    matrix, product = torch.ones(side, side), torch.empty(side, side)
    return lambda: torch.mm(matrix, matrix, out=product)


def forget() -> None:
    """Do nothing: nothing outlives its program."""


class _Layer:
    """A Keras layer, called like in Keras' training loop."""

    def __init__(self, arm: Arm, task: LayerTask):
        layer, arrays = make_layer(arm)
        self.task = task
        self.layer = layer
        self.mask = {} if arrays.mask is None else {"mask": torch.from_numpy(arrays.mask)}
        self.sequences = torch.from_numpy(arrays.sequences).requires_grad_(task.training)
        self.cotangent = torch.from_numpy(arrays.cotangent)
        self.wanted = [*(variable.value for variable in layer.trainable_variables), self.sequences]

    def compute(self) -> tuple[Any, Any]:
        if not self.task.training:
            with torch.no_grad():
                return self.layer(self.sequences, training=False, **self.mask), []
        outputs = self.layer(self.sequences, training=True, **self.mask)
        return outputs, torch.autograd.grad(outputs, self.wanted, self.cotangent)

    def results(self) -> Outputs:
        outputs, gradients = self.compute()
        return named_results(self.task, outputs.detach(), gradients)

    def run(self, count: int) -> None:
        for _ in range(count):
            self.compute()


class _Kernels:
    """The native kernels as a torch function, twice if bidirectional: a replacement of ``torch.nn`` without Keras."""

    def __init__(self, task: LayerTask):
        arrays = layer_arrays(task)
        self.task = task
        self.recurrences = [
            RecurrenceSpec(task.cell, task.activation, go_backwards=backwards, return_sequences=True)
            for backwards in (False, True)[: task.directions]
        ]
        self.mask = None if arrays.mask is None else torch.from_numpy(arrays.mask)
        self.sequences = torch.from_numpy(arrays.sequences).requires_grad_(task.training)
        self.weights = [torch.from_numpy(array).requires_grad_(task.training) for array in arrays.weights]
        self.cotangent = torch.from_numpy(arrays.cotangent)

    def forward(self) -> Any:
        read = []
        for number, recurrence in enumerate(self.recurrences):
            kernel, recurrent_kernel, bias = self.weights[3 * number : 3 * number + 3]
            inputs = Inputs(self.sequences, kernel, recurrent_kernel, bias, mask=self.mask)
            outputs = backend.run_recurrence(recurrence, inputs).outputs
            read.append(outputs.flip(1) if recurrence.go_backwards else outputs)
        return read[0] if len(read) == 1 else torch.cat(read, dim=2)

    def compute(self) -> tuple[Any, Any]:
        if not self.task.training:
            with torch.no_grad():
                return self.forward(), []
        outputs = self.forward()
        return outputs, torch.autograd.grad(outputs, [*self.weights, self.sequences], self.cotangent)

    def results(self) -> Outputs:
        outputs, gradients = self.compute()
        return named_results(self.task, outputs.detach(), gradients)

    def run(self, count: int) -> None:
        for _ in range(count):
            self.compute()


def _network_gradients(model: Any, inputs: Any, targets: Any) -> list[Any]:
    outputs = model(torch.from_numpy(inputs), training=False)
    loss = keras.losses.sparse_categorical_crossentropy(torch.from_numpy(targets), outputs).mean()
    return list(torch.autograd.grad(loss, [variable.value for variable in model.trainable_variables]))
