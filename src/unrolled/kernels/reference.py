"""Every activation with its slope: v -> (y, dy/dv), elementwise in float64, as Keras defines them.

At a kink the slope is the one from the flat side, as on every Keras backend: relu'(0) = 0.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, expit

Array = NDArray[np.float64]
Activation = Callable[[Array], tuple[Array, Array]]


def linear(v: Array) -> tuple[Array, Array]:
    """No bound and no bend: y = v."""
    return v, np.ones_like(v)


def tanh(v: Array) -> tuple[Array, Array]:
    """From -1 to 1: y = (e^v - e^-v) / (e^v + e^-v), y' = 1 - y^2."""
    y = np.tanh(v)
    return y, 1 - y * y


def sigmoid(v: Array) -> tuple[Array, Array]:
    """A gate, from 0 (closed) to 1 (open): y = 1 / (1 + e^-v), y' = y (1 - y)."""
    y = expit(v)
    return y, y * (1 - y)


def hard_sigmoid(v: Array) -> tuple[Array, Array]:
    """A gate made of three straight lines: y = min(max(v + 3, 0), 6) / 6."""
    return np.clip(v + 3, 0, 6) / 6, np.where(np.abs(v) < 3, 1 / 6, 0)


def relu(v: Array) -> tuple[Array, Array]:
    """Nothing below zero: y = max(v, 0)."""
    return np.maximum(v, 0), np.where(v > 0, 1.0, 0)


def elu(v: Array) -> tuple[Array, Array]:
    """As relu, but falling smoothly to -1: y = v above zero, e^v - 1 below."""
    below = np.minimum(v, 0)
    return np.where(v > 0, v, np.expm1(below)), np.exp(below)


def softsign(v: Array) -> tuple[Array, Array]:
    """As tanh, but slower to saturate: y = v / (1 + |v|), y' = 1 / (1 + |v|)^2."""
    scale = 1 + np.abs(v)
    return v / scale, 1 / scale**2


def softplus(v: Array) -> tuple[Array, Array]:
    """As relu with the kink rounded: y = log(1 + e^v) = max(v, 0) + log(1 + e^-|v|), y' = sigmoid(v)."""
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v))), expit(v)


def silu(v: Array) -> tuple[Array, Array]:
    """A value that is its own gate: y = v s with s = sigmoid(v), y' = s + v s (1 - s)."""
    s = expit(v)
    return v * s, s + v * s * (1 - s)


def gelu(v: Array) -> tuple[Array, Array]:
    """A value gated by the normal distribution: y = v P, P = (1 + erf(v / sqrt 2)) / 2, y' = v P' + P."""
    p = erfc(-v / np.sqrt(2)) / 2
    density = np.exp(-v * v / 2) / np.sqrt(2 * np.pi)
    return v * p, v * density + p


ACTIVATIONS: dict[str, Activation] = {
    activation.__name__: activation
    for activation in (linear, tanh, sigmoid, hard_sigmoid, relu, elu, softsign, softplus, silu, gelu)
}
"""By the names that Keras gives them."""


State = tuple[Array, ...]
"""(h, c) of an LSTM, (h,) of the others."""
Memory = tuple[Array, ...]
"""What a step leaves for its way back."""
Weights = tuple[Array, Array]
"""The gradients of the kernel and of the bias of a projection."""


class Projection(NamedTuple):
    """A linear map for each gate, from vectors v of V numbers: v_k = (v * dropout_k) kernel_k + bias_k."""

    kernel: Array  # [G, V, H]
    bias: Array  # [G, 1, H]
    dropout: Array  # [G, B, V]


class Layer(NamedTuple):
    """A recurrence with its weights taken apart by gate; what was absent has become zeros or ones."""

    s: Activation
    a: Activation
    from_input: Projection
    from_state: Projection


def project(projection: Projection, v: Array) -> Array:
    """What each gate hears of v [B, V]: v_k = (v * dropout_k) kernel_k + bias_k, as [G, B, H]."""
    return (v * projection.dropout) @ projection.kernel + projection.bias


def project_backward(projection: Projection, v: Array, d: Array) -> tuple[Array, Weights]:
    """The way back, from d [G, B, H] to the gradients of v and of (kernel, bias).

    d_v      = sum over k of (d_k kernel_k^T) * dropout_k       v was heard by every gate
    d_kernel = (v * dropout_k)^T d_k
    d_bias   = sum over B of d_k                                a bias was added to every example
    """
    d_v = ((d @ projection.kernel.mT) * projection.dropout).sum(axis=0)
    return d_v, ((v * projection.dropout).mT @ d, d.sum(axis=1, keepdims=True))


def simple_rnn_step(layer: Layer, x: Array, h: Array) -> tuple[State, Memory]:
    """A state rewritten in full at every step.

    h' = a(x_h + h_h)
    """
    (x_h,), (h_h,) = x, project(layer.from_state, h)
    h_new, slope = layer.a(x_h + h_h)
    return (h_new,), (h, slope)


def simple_rnn_step_backward(layer: Layer, memory: Memory, d_h: Array) -> tuple[Array, State, Weights]:
    """From the gradient of h' to those of x_k, of (h,) and of (recurrent_kernel, bias).

    d_x_h = d_h_h = d_h' * a'(x_h + h_h)
    """
    h, slope = memory
    d = np.stack([d_h * slope])
    d_h, d_weights = project_backward(layer.from_state, h, d)
    return d, (d_h,), d_weights


def lstm_step(layer: Layer, x: Array, h: Array, c: Array) -> tuple[State, Memory]:
    """A memory c that gates decide to keep, to write and to show.

    i = s(x_i + h_i)        what to write
    f = s(x_f + h_f)        what to keep
    g = a(x_c + h_c)        what could be written
    o = s(x_o + h_o)        what to show
    c' = f * c + i * g
    h' = o * a(c')
    """
    x_i, x_f, x_c, x_o = x
    h_i, h_f, h_c, h_o = project(layer.from_state, h)
    i, slope_i = layer.s(x_i + h_i)
    f, slope_f = layer.s(x_f + h_f)
    g, slope_g = layer.a(x_c + h_c)
    o, slope_o = layer.s(x_o + h_o)
    c_new = f * c + i * g
    shown, slope_shown = layer.a(c_new)
    return (o * shown, c_new), (h, c, i, f, g, o, shown, slope_i, slope_f, slope_g, slope_o, slope_shown)


def lstm_step_backward(layer: Layer, memory: Memory, d_h: Array, d_c: Array) -> tuple[Array, State, Weights]:
    """From the gradients of h', c' to those of x_k, of (h, c) and of (recurrent_kernel, bias).

    h' = o * a(c')          d_o = d_h' * a(c')      d_c' += d_h' * o * a'(c')
    c' = f * c + i * g      d_i = d_c' * g          d_f = d_c' * c      d_g = d_c' * i      d_c = d_c' * f
    i = s(x_i + h_i)        d_x_i = d_h_i = d_i * s'(x_i + h_i), and so for f, g and o

    d_c is d_c' times f, with no weights in between: where f is near 1 it does not fade on its way through time.
    That is why an LSTM remembers for long.
    """
    h, c, i, f, g, o, shown, slope_i, slope_f, slope_g, slope_o, slope_shown = memory
    d_c = d_c + d_h * o * slope_shown
    d = np.stack([d_c * g * slope_i, d_c * c * slope_f, d_c * i * slope_g, d_h * shown * slope_o])
    d_h, d_weights = project_backward(layer.from_state, h, d)
    return d, (d_h, d_c * f), d_weights


def gru_step(layer: Layer, x: Array, h: Array) -> tuple[State, Memory]:
    """A state that one gate mixes with a candidate; the other gate resets what the candidate hears (`reset_after`).

    z = s(x_z + h_z)        what to keep
    r = s(x_r + h_r)        how much of the state the candidate hears
    g = a(x_h + r * h_h)    what could take the place of what is not kept
    h' = z * h + (1 - z) * g
    """
    x_z, x_r, x_h = x
    h_z, h_r, h_h = project(layer.from_state, h)
    z, slope_z = layer.s(x_z + h_z)
    r, slope_r = layer.s(x_r + h_r)
    g, slope_g = layer.a(x_h + r * h_h)
    return (z * h + (1 - z) * g,), (h, h_h, z, r, g, slope_z, slope_r, slope_g)


def gru_step_backward(layer: Layer, memory: Memory, d_h: Array) -> tuple[Array, State, Weights]:
    """From the gradient of h' to those of x_k, of (h,) and of (recurrent_kernel, second row of bias).

    h' = z * h + (1 - z) * g    d_z = d_h' * (h - g)    d_g = d_h' * (1 - z)    d_h = d_h' * z
    g = a(x_h + r * h_h)        d_x_h = d_g * a'(...)   d_r = d_x_h * h_h       d_h_h = d_x_h * r
    """
    h, h_h, z, r, g, slope_z, slope_r, slope_g = memory
    d_z = d_h * (h - g) * slope_z
    d_g = d_h * (1 - z) * slope_g
    d_r = d_g * h_h * slope_r
    d_heard, d_weights = project_backward(layer.from_state, h, np.stack([d_z, d_r, d_g * r]))
    return np.stack([d_z, d_r, d_g]), (d_h * z + d_heard,), d_weights


def gru_reset_before_step(layer: Layer, x: Array, h: Array) -> tuple[State, Memory]:
    """The GRU of Cho et al. (arXiv 1406.1078v3): the state is reset before the candidate's matrix product.

    z = s(x_z + h_z)
    r = s(x_r + h_r)
    g = a(x_h + (r * h)_h)      (r * h)_h = (r * h * q_h) U_h
    h' = z * h + (1 - z) * g
    """
    x_z, x_r, x_h = x
    h_z, h_r, _ = project(layer.from_state, h)
    z, slope_z = layer.s(x_z + h_z)
    r, slope_r = layer.s(x_r + h_r)
    _, _, reset_h = project(layer.from_state, r * h)
    g, slope_g = layer.a(x_h + reset_h)
    return (z * h + (1 - z) * g,), (h, z, r, g, slope_z, slope_r, slope_g)


def gru_reset_before_step_backward(layer: Layer, memory: Memory, d_h: Array) -> tuple[Array, State, Weights]:
    """From the gradient of h' to those of x_k, of (h,) and of (recurrent_kernel, bias).

    The state was heard twice, by the candidate as r * h and by the gates as h, so the way back has two parts.
    """
    h, z, r, g, slope_z, slope_r, slope_g = memory
    d_z = d_h * (h - g) * slope_z
    d_g = d_h * (1 - z) * slope_g
    none = np.zeros_like(h)
    d_reset, by_candidate = project_backward(layer.from_state, r * h, np.stack([none, none, d_g]))
    d_r = d_reset * h * slope_r
    d_heard, by_gates = project_backward(layer.from_state, h, np.stack([d_z, d_r, none]))
    d_weights = (by_candidate[0] + by_gates[0], by_candidate[1] + by_gates[1])
    return np.stack([d_z, d_r, d_g]), (d_h * z + d_reset * r + d_heard,), d_weights


def steps_of(recurrence: RecurrenceSpec) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The step of a recurrence and its way back."""
    if recurrence.cell == "lstm":
        return lstm_step, lstm_step_backward
    if recurrence.cell == "simple_rnn":
        return simple_rnn_step, simple_rnn_step_backward
    if recurrence.reset_after:
        return gru_step, gru_step_backward
    return gru_reset_before_step, gru_reset_before_step_backward


Tape = list[tuple[Array, Memory]]
"""The input and the memory of each step, in the order of the steps."""


def forward(recurrence: RecurrenceSpec, inputs: Inputs) -> tuple[Outputs, Tape]:
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
    return Outputs(np.stack(shown, axis=1), *state), tape


def backward(recurrence: RecurrenceSpec, inputs: Inputs, tape: Tape, cotangents: Outputs) -> Inputs:
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


def _take_apart(recurrence: RecurrenceSpec, inputs: Inputs) -> Layer:
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


def _reading_order(recurrence: RecurrenceSpec, inputs: Inputs) -> Iterator[tuple[int, Any]]:
    """For each step the time that it reads and which examples are unmasked there, [B, 1]."""
    batch, time, _ = np.shape(inputs.sequences)
    mask = np.ones((batch, time), bool) if inputs.mask is None else np.asarray(inputs.mask, bool)
    for t in reversed(range(time)) if recurrence.go_backwards else range(time):
        yield t, mask[:, t, None]


def _initial_state(recurrence: RecurrenceSpec, inputs: Inputs) -> State:
    zeros = np.zeros((len(inputs.sequences), len(inputs.recurrent_kernel)))
    given = (inputs.initial_h, inputs.initial_c) if recurrence.cell == "lstm" else (inputs.initial_h,)
    return tuple(zeros if array is None else _float64(array) for array in given)


def _float64(array: Any) -> Array:
    return np.asarray(array, np.float64)


def _add(totals: Weights, parts: Weights) -> None:
    for total, part in zip(totals, parts, strict=True):
        total += part
