"""What LSTM, GRU and SimpleRNN are: the specification, in NumPy and float64, and the oracle of every kernel.

The equations of each cell are in `reference_cells`. Here is what all share: one loop over time, that knows of masks
and of reversed time, and the same loop walked back.

Example:
    >>> rng = np.random.default_rng(0)
    >>> lstm = Recurrence("lstm", return_sequences=True)
    >>> inputs = Inputs(
    ...     sequences=rng.normal(size=(2, 5, 3)),
    ...     kernel=rng.normal(size=(3, 4 * 6)),
    ...     recurrent_kernel=rng.normal(size=(6, 4 * 6)),
    ... )
    >>> results, tape = forward(lstm, inputs)
    >>> results.outputs.shape, results.h.shape, results.c.shape
    ((2, 5, 6), (2, 6), (2, 6))
    >>> backward(lstm, inputs, tape, Results(outputs=None, h=np.ones((2, 6)))).kernel.shape
    (3, 24)
"""

from collections.abc import Iterator
from typing import Any

from unrolled.kernels.recurrence import Inputs, Recurrence, Results
from unrolled.kernels.reference_activations import ACTIVATIONS, Array
from unrolled.kernels.reference_cells import (
    Layer,
    Memory,
    Projection,
    State,
    Weights,
    project,
    project_backward,
    steps_of,
)

import numpy as np

Tape = list[tuple[Array, Memory]]
"""The input and the memory of each step, in the order of the steps."""


def forward(recurrence: Recurrence, inputs: Inputs) -> tuple[Results, Tape]:
    """Read the sequences one step after another; step n reads time n, or T-1-n with `go_backwards`.

    A masked step changes nothing, and since it is not read it may hold anything:

        state[n]  = step(x[n], state[n-1])  if unmasked, else state[n-1]
        output[n] = h of that step          if unmasked, else output[n-1]; with `zero_output_for_mask`, else 0

    Before the first unmasked step the output is 0, even where the initial h is not. (Keras' backends disagree
    there: its loop on JAX shows the initial h, those on TensorFlow and torch show 0.)

    Returns:
        Results of float64, and the tape that `backward` needs.
    """
    layer, (step, _) = _take_apart(recurrence, inputs), steps_of(recurrence)
    sequences, state = _float64(inputs.sequences), _initial_state(recurrence, inputs)
    output = np.zeros_like(state[0])
    outputs: list[Array] = []
    tape: Tape = []
    for time, unmasked in _reading_order(recurrence, inputs):
        x = np.where(unmasked, sequences[:, time], 0)
        new_state, memory = step(layer, project(layer.from_input, x), *state)
        state = tuple(np.where(unmasked, new, old) for new, old in zip(new_state, state, strict=True))
        output = np.where(unmasked, new_state[0], 0 if recurrence.zero_output_for_mask else output)
        outputs.append(output)
        tape.append((x, memory))
    shown = outputs if recurrence.return_sequences else outputs[-1:]
    return Results(np.stack(shown, axis=1), *state), tape


def backward(recurrence: Recurrence, inputs: Inputs, tape: Tape, cotangents: Results) -> Inputs:
    """Walk the steps back, last one first, and pass on what each is to blame for.

    Args:
        recurrence: As given to `forward`.
        inputs: As given to `forward`.
        tape: What `forward` returned beside its results.
        cotangents: The gradients of a loss with respect to the results; None means zero.

    Returns:
        The gradients of the loss with respect to the inputs, in float64; None for the mask, for the dropout factors
        and for what was absent.
    """
    layer, (_, step_backward) = _take_apart(recurrence, inputs), steps_of(recurrence)
    state = _initial_state(recurrence, inputs)
    d_sequences = np.zeros(np.shape(inputs.sequences))
    d_from_input = np.zeros_like(layer.from_input.kernel), np.zeros_like(layer.from_input.bias)
    d_from_state = np.zeros_like(layer.from_state.kernel), np.zeros_like(layer.from_state.bias)
    d_state = tuple(
        np.zeros_like(old) if d is None else _float64(d) for old, d in zip(state, cotangents[1:], strict=False)
    )
    d_outputs = np.zeros((state[0].shape[0], len(tape), state[0].shape[1]))
    if cotangents.outputs is not None:
        d_outputs[:, slice(None) if recurrence.return_sequences else slice(-1, None)] = cotangents.outputs

    d_kept_output = np.zeros_like(state[0])  # of an output that later, masked steps repeated
    steps = zip(tape, _reading_order(recurrence, inputs), np.moveaxis(d_outputs, 1, 0), strict=True)
    for (x, memory), (time, unmasked), d_shown in reversed(list(steps)):
        d_output = d_shown + d_kept_output
        d_kept_output = np.where(unmasked | recurrence.zero_output_for_mask, 0, d_output)
        d_h, *d_c = (np.where(unmasked, d, 0) for d in d_state)
        d_passed = (np.where(unmasked, 0, d) for d in d_state)
        d_gates, d_old, d_weights = step_backward(layer, memory, d_h + np.where(unmasked, d_output, 0), *d_c)
        d_state = tuple(stepped + passed for stepped, passed in zip(d_old, d_passed, strict=True))
        _add(d_from_state, d_weights)
        d_sequences[:, time], d_weights = project_backward(layer.from_input, x, d_gates)
        _add(d_from_input, d_weights)
    return _put_together(inputs, d_sequences, d_from_input, d_from_state, d_state)


def _take_apart(recurrence: Recurrence, inputs: Inputs) -> Layer:
    """The weights by gate, [V, G*H] -> [G, V, H], and the dropout factors of each gate."""
    batch, gates = len(inputs.sequences), recurrence.gates
    biases = np.zeros((2, gates, 1, len(inputs.recurrent_kernel)))
    if inputs.bias is not None:
        given = _float64(inputs.bias).reshape(-1, *biases.shape[1:])  # one row, or a GRU's two
        biases[: len(given)] = given

    def projection(kernel: Any, bias: Array, dropout: Any) -> Projection:
        width = len(kernel)
        return Projection(
            kernel=np.moveaxis(_float64(kernel).reshape(width, gates, -1), 1, 0),
            bias=bias,
            dropout=np.broadcast_to(1.0 if dropout is None else _float64(dropout), (gates, batch, width)),
        )

    return Layer(
        s=ACTIVATIONS[recurrence.recurrent_activation],
        a=ACTIVATIONS[recurrence.activation],
        from_input=projection(inputs.kernel, biases[0], inputs.input_dropout),
        from_state=projection(inputs.recurrent_kernel, biases[1], inputs.recurrent_dropout),
    )


def _put_together(
    inputs: Inputs, d_sequences: Array, d_from_input: Weights, d_from_state: Weights, d_state: State
) -> Inputs:
    """The gradients in the shapes of the inputs: `_take_apart` reversed."""
    (d_kernel, d_b), (d_recurrent_kernel, d_e) = d_from_input, d_from_state
    initial = (inputs.initial_h, inputs.initial_c)
    d_initial = [None if given is None else d for given, d in zip(initial, d_state, strict=False)]
    return Inputs(
        d_sequences,
        np.moveaxis(d_kernel, 0, 1).reshape(np.shape(inputs.kernel)),
        np.moveaxis(d_recurrent_kernel, 0, 1).reshape(np.shape(inputs.recurrent_kernel)),
        # Of a bias of one row, resize keeps d_b alone.
        None if inputs.bias is None else np.resize([d_b, d_e], np.shape(inputs.bias)),
        *d_initial,
    )


def _reading_order(recurrence: Recurrence, inputs: Inputs) -> Iterator[tuple[int, Any]]:
    """For each step the time that it reads and which examples are unmasked there, [B, 1]."""
    batch, time, _ = np.shape(inputs.sequences)
    mask = np.ones((batch, time), bool) if inputs.mask is None else np.asarray(inputs.mask, bool)
    for t in reversed(range(time)) if recurrence.go_backwards else range(time):
        yield t, mask[:, t, None]


def _initial_state(recurrence: Recurrence, inputs: Inputs) -> State:
    zeros = np.zeros((len(inputs.sequences), len(inputs.recurrent_kernel)))
    given = (inputs.initial_h, inputs.initial_c) if recurrence.cell == "lstm" else (inputs.initial_h,)
    return tuple(zeros if array is None else _float64(array) for array in given)


def _float64(array: Any) -> Array:
    return np.asarray(array, np.float64)


def _add(totals: Weights, parts: Weights) -> None:
    for total, part in zip(totals, parts, strict=True):
        total += part
