"""torch's own recurrent layers in their fastest setup: oneDNN, time first, a fused optimizer.

torch has transposed weights, another order of gates and two biases. Gradients are converted to Keras' layout.
"""

from typing import Any

from benchmarks.arrays import images, layer_arrays, network_weights, step_arrays
from benchmarks.frameworks.keras_layers import named_results
from benchmarks.frameworks.program import Outputs
from benchmarks.tasks import GATES, Cell, LayerTask, NetworkTask, StepTask

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

_GATE_ORDER: dict[Cell, list[int]] = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2], "simple_rnn": [0]}
"""The index of each of torch's gates among Keras': a GRU has r, z, n in torch and z, r, h in Keras."""
_CLASSES: dict[Cell, Any] = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}


def to_torch(cell: Cell, weights: list[Any]) -> list[torch.Tensor]:
    """Convert Keras' kernel, recurrent_kernel, bias to weight_ih, weight_hh, bias_ih, bias_hh of one direction."""
    kernel, recurrent_kernel, bias = weights
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    arrays = [_reorder(cell, kernel).T, _reorder(cell, recurrent_kernel).T, *_reorder(cell, both)]
    return [torch.tensor(np.ascontiguousarray(array)) for array in arrays]


def from_torch(cell: Cell, gradients: list[Any]) -> list[Any]:
    """Convert the gradients of one direction to Keras' layout."""
    weight_ih, weight_hh, bias_ih, bias_hh = (np.asarray(gradient) for gradient in gradients)
    both = _reorder(cell, np.stack([bias_ih, bias_hh]))
    bias = both if cell == "gru" else both[0]
    return [_reorder(cell, weight_ih.T), _reorder(cell, weight_hh.T), bias]


def _reorder(cell: Cell, columns: Any) -> Any:
    """Exchange the gates in the last axis; doing so twice changes nothing."""
    parts = np.split(columns, GATES[cell], axis=-1)
    return np.concatenate([parts[number] for number in _GATE_ORDER[cell]], axis=-1)


class Layer:
    """One layer. Padded sequences are packed; packing and unpacking are part of a run."""

    def __init__(self, task: LayerTask):
        arrays = layer_arrays(task)
        self.task = task
        shape = task.shape
        nonlinearity = {"nonlinearity": task.activation} if task.cell == "simple_rnn" else {}
        self.layer = _CLASSES[task.cell](shape.features, shape.units, bidirectional=task.bidirectional, **nonlinearity)
        parts = (to_torch(task.cell, arrays.weights[at : at + 3]) for at in range(0, 3 * task.directions, 3))
        _load(self.layer, [tensor for part in parts for tensor in part])
        self.lengths = torch.tensor(task.lengths()) if task.padded else None
        self.sequences = _time_first(arrays.sequences).requires_grad_(task.training)
        self.cotangent = _time_first(arrays.cotangent)
        self.wanted = [*self.layer.parameters(), self.sequences]

    def _forward(self) -> Any:
        if self.lengths is None:
            return self.layer(self.sequences)[0]
        packed = pack_padded_sequence(self.sequences, self.lengths, enforce_sorted=False)
        return pad_packed_sequence(self.layer(packed)[0], total_length=self.task.shape.time)[0]

    def _compute(self) -> tuple[Any, Any]:
        if not self.task.training:
            with torch.inference_mode():
                return self._forward(), []
        outputs = self._forward()
        return outputs, torch.autograd.grad(outputs, self.wanted, self.cotangent)

    def results(self) -> Outputs:
        """Return outputs and gradients in Keras' layout."""
        outputs, gradients = self._compute()
        outputs = outputs.detach().transpose(0, 1)
        if not gradients:
            return named_results(self.task, outputs, [])
        *weights, sequences = gradients
        parts = (from_torch(self.task.cell, weights[at : at + 4]) for at in range(0, len(weights), 4))
        ours = [gradient for part in parts for gradient in part]
        return named_results(self.task, outputs, [*ours, sequences.transpose(0, 1)])

    def run(self, count: int) -> None:
        """Compute the task ``count`` times."""
        for _ in range(count):
            self._compute()


class Step:
    """One step of ``torch.nn.LSTMCell``."""

    def __init__(self, task: StepTask):
        steps, weights = step_arrays(task)
        self.steps = [torch.from_numpy(step) for step in steps]
        self.cell = torch.nn.LSTMCell(task.shape.features, task.shape.units)
        _load(self.cell, to_torch("lstm", weights))
        self.zeros = (torch.zeros(task.shape.batch, task.shape.units),) * 2

    def results(self) -> Outputs:
        """Return outputs and gradients in Keras' layout."""
        states, outputs = self.zeros, []
        with torch.inference_mode():
            for step in self.steps:
                states = self.cell(step, states)
                outputs.append(states[0].numpy())
        return {"outputs": np.stack(outputs)}

    def run(self, count: int) -> None:
        """Compute the task ``count`` times."""
        states = self.zeros
        with torch.inference_mode():
            for _ in range(count):
                states = self.cell(self.steps[0], states)


class Fit:
    """The article's network in a plain training loop."""

    def __init__(self, task: NetworkTask):
        inputs, targets = images(task)
        self.batch = task.batch
        self.inputs = _time_first(inputs)
        self.targets = torch.from_numpy(targets)
        units = task.units
        self.first, self.second = torch.nn.LSTM(28, units), torch.nn.LSTM(units, units)
        self.hidden, self.last = torch.nn.Linear(units, 32), torch.nn.Linear(32, 10)
        self.layers = torch.nn.ModuleList([self.first, self.second, self.hidden, self.last])
        weights = network_weights(task)
        _load(self.first, to_torch("lstm", weights[0:3]))
        _load(self.second, to_torch("lstm", weights[3:6]))
        _load(self.hidden, [torch.tensor(weights[6].T), torch.tensor(weights[7])])
        _load(self.last, [torch.tensor(weights[8].T), torch.tensor(weights[9])])
        self.parameters = list(self.layers.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-3, eps=1e-7, fused=True)
        self.loss = torch.nn.CrossEntropyLoss()

    def _forward(self, inputs: Any, *, training: bool) -> Any:
        dropout = torch.nn.functional.dropout
        outputs = dropout(self.first(inputs)[0], 0.2, training=training)
        outputs = dropout(self.second(outputs)[0][-1], 0.1, training=training)
        return self.last(dropout(torch.relu(self.hidden(outputs)), 0.2, training=training))

    def results(self) -> Outputs:
        """Return outputs and gradients in Keras' layout."""
        count = 8
        logits = self._forward(self.inputs[:, :count], training=False)
        gradients = [
            np.asarray(gradient)
            for gradient in torch.autograd.grad(self.loss(logits, self.targets[:count]), self.parameters)
        ]
        ours = [*from_torch("lstm", gradients[0:4]), *from_torch("lstm", gradients[4:8])]
        ours += [gradients[8].T, gradients[9], gradients[10].T, gradients[11]]
        named = {f"weights[{number}]": gradient for number, gradient in enumerate(ours)}
        return {"outputs": torch.softmax(logits.detach(), dim=-1).numpy(), **named}

    def run(self, count: int) -> None:
        """Compute the task ``count`` times."""
        for _ in range(count):
            for at in range(0, len(self.targets), self.batch):
                self.optimizer.zero_grad()
                logits = self._forward(self.inputs[:, at : at + self.batch], training=True)
                self.loss(logits, self.targets[at : at + self.batch]).backward()
                self.optimizer.step()


def _load(module: Any, tensors: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, tensor in zip(module.parameters(), tensors, strict=True):
            parameter.copy_(tensor)


def _time_first(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.swapaxes(array, 0, 1)))
