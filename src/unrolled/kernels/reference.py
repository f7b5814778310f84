"""The specification of every recurrent kernel: slow, plain NumPy in float64.

It is three things at once. It is the specification: the compiled kernels compute these equations and never define
their own. It is the oracle: every test of a kernel compares with it. And it is the documentation: each equation of a
recurrent layer, and of its gradients, stands here once.

It reads in the order of the computation:

1. Activations: v -> (y, dy/dv).
2. Projections: the linear maps of the input and of the state to the gates.
3. Cells: one step of a SimpleRNN, an LSTM and a GRU, each followed by its reverse.
4. Sequences: `forward` runs the steps in turn, `backward` walks them back (backpropagation through time).
5. Layout: from Keras' arrays to one matrix per gate, and back.

Notation: x is the input of a step and h, c the state before it; h', c' the state after it. x_k and h_k are the
projections of x and of h for gate k. s is the activation of the gates (`recurrent_activation`), a that of the candidate
(`activation`); s'(v) and a'(v) are their slopes. d_y is the gradient of a loss with respect to y. All products but
those with a kernel are elementwise. Axes: B batch, T time, F features, H units, G gates.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, expit

Array = NDArray[np.float64]

# 1. Activations.

Activation = Callable[[Array], tuple[Array, Array]]
"""An elementwise function v -> (y, dy/dv), as Keras defines it. At a kink, the slope is that of the flat side, as on
every Keras backend: relu'(0) = 0."""


def linear(v: Array) -> tuple[Array, Array]:
    """Identity: y = v."""
    return v, np.ones_like(v)


def tanh(v: Array) -> tuple[Array, Array]:
    """Hyperbolic tangent, from -1 to 1: y = (e^v - e^-v) / (e^v + e^-v), y' = 1 - y^2."""
    y = np.tanh(v)
    return y, 1 - y * y


def sigmoid(v: Array) -> tuple[Array, Array]:
    """Logistic function, from 0 (a closed gate) to 1 (an open gate): y = 1 / (1 + e^-v), y' = y (1 - y)."""
    y = expit(v)
    return y, y * (1 - y)


def hard_sigmoid(v: Array) -> tuple[Array, Array]:
    """Sigmoid made of three straight lines: y = min(max(v + 3, 0), 6) / 6."""
    return np.clip(v + 3, 0, 6) / 6, np.where(np.abs(v) < 3, 1 / 6, 0)


def relu(v: Array) -> tuple[Array, Array]:
    """Rectified linear unit: y = max(v, 0)."""
    return np.maximum(v, 0), np.where(v > 0, 1.0, 0)


def elu(v: Array) -> tuple[Array, Array]:
    """Exponential linear unit: y = v above zero, e^v - 1 below."""
    below = np.minimum(v, 0)
    return np.where(v > 0, v, np.expm1(below)), np.exp(below)


def softsign(v: Array) -> tuple[Array, Array]:
    """Rational alternative to tanh, slower to saturate: y = v / (1 + |v|), y' = 1 / (1 + |v|)^2."""
    scale = 1 + np.abs(v)
    return v / scale, 1 / scale**2


def softplus(v: Array) -> tuple[Array, Array]:
    """Smooth relu: y = log(1 + e^v) = max(v, 0) + log(1 + e^-|v|), y' = sigmoid(v)."""
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v))), expit(v)


def silu(v: Array) -> tuple[Array, Array]:
    """Value gated by its own sigmoid: y = v s with s = sigmoid(v), y' = s + v s (1 - s)."""
    s = expit(v)
    return v * s, s + v * s * (1 - s)


def gelu(v: Array) -> tuple[Array, Array]:
    """Value gated by the normal distribution: y = v P, P = (1 + erf(v / sqrt 2)) / 2, y' = v P' + P."""
    p = erfc(-v / np.sqrt(2)) / 2
    density = np.exp(-v * v / 2) / np.sqrt(2 * np.pi)
    return v * p, v * density + p


ACTIVATIONS: dict[str, Activation] = {
    activation.__name__: activation
    for activation in (linear, tanh, sigmoid, hard_sigmoid, relu, elu, softsign, softplus, silu, gelu)
}
"""The activations by their Keras names."""

# 2. Projections.

State = tuple[Array, ...]
"""(h, c) of an LSTM, (h,) of the other cells; each [B, H]."""
Residuals = tuple[Array, ...]
"""The values that a step saves for its reverse."""
ProjectionGradients = tuple[Array, Array]
"""The gradients of a projection's kernel and bias."""


class Projection(NamedTuple):
    """A linear map to each gate k, from vectors v of V numbers: v_k = (v * dropout_k) kernel_k + bias_k."""

    kernel: Array  # [G, V, H]
    bias: Array  # [G, 1, H]
    dropout: Array  # [G, B, V]


class Layer(NamedTuple):
    """The activations and the projections of a recurrence; absent biases are zeros, absent dropout factors are ones."""

    s: Activation
    a: Activation
    from_input: Projection
    from_state: Projection


def project(projection: Projection, v: Array) -> Array:
    """Map v [B, V] to every gate: v_k = (v * dropout_k) kernel_k + bias_k, as [G, B, H]."""
    return (v * projection.dropout) @ projection.kernel + projection.bias


def project_backward(projection: Projection, v: Array, d: Array) -> tuple[Array, ProjectionGradients]:
    """Return the gradients of v and of (kernel, bias), from d [G, B, H], the gradient of each v_k.

    d_v      = sum over k of (d_k kernel_k^T) * dropout_k       v goes to every gate
    d_kernel = (v * dropout_k)^T d_k
    d_bias   = sum over B of d_k                                the bias goes to every example
    """
    d_v = ((d @ projection.kernel.mT) * projection.dropout).sum(axis=0)
    return d_v, ((v * projection.dropout).mT @ d, d.sum(axis=1, keepdims=True))


# 3. Cells. A step takes the projected input x_k [G, B, H] and the state, and returns the new state and the residuals.
# Its reverse takes the residuals and the gradients of the new state, and returns the gradients of x_k, of the state,
# and of the kernel and bias of the state's projection.


def simple_rnn_step(layer: Layer, x: Array, h: Array) -> tuple[State, Residuals]:
    """Run one step of a SimpleRNN, which rewrites its whole state.

    h' = a(x_h + h_h)
    """
    (x_h,), (h_h,) = x, project(layer.from_state, h)
    h_new, slope = layer.a(x_h + h_h)
    return (h_new,), (h, slope)


def simple_rnn_step_backward(
    layer: Layer, residuals: Residuals, d_h: Array
) -> tuple[Array, State, ProjectionGradients]:
    """Reverse `simple_rnn_step`: from the gradient of h' to those of x_k, (h,) and (recurrent_kernel, bias).

    d_x_h = d_h_h = d_h' * a'(x_h + h_h)
    """
    h, slope = residuals
    d = np.stack([d_h * slope])
    d_h, d_weights = project_backward(layer.from_state, h, d)
    return d, (d_h,), d_weights


def lstm_step(layer: Layer, x: Array, h: Array, c: Array) -> tuple[State, Residuals]:
    """Run one step of an LSTM: gates decide what enters the cell state c, what stays in it and what it shows.

    i = s(x_i + h_i)        input gate
    f = s(x_f + h_f)        forget gate
    g = a(x_c + h_c)        candidate
    o = s(x_o + h_o)        output gate
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
    a_c, slope_c = layer.a(c_new)
    return (o * a_c, c_new), (h, c, i, f, g, o, a_c, slope_i, slope_f, slope_g, slope_o, slope_c)


def lstm_step_backward(
    layer: Layer, residuals: Residuals, d_h: Array, d_c: Array
) -> tuple[Array, State, ProjectionGradients]:
    """Reverse `lstm_step`: from the gradients of h', c' to those of x_k, (h, c) and (recurrent_kernel, bias).

    h' = o * a(c')          d_o = d_h' * a(c')      d_c' += d_h' * o * a'(c')
    c' = f * c + i * g      d_i = d_c' * g          d_f = d_c' * c      d_g = d_c' * i      d_c = d_c' * f
    i = s(x_i + h_i)        d_x_i = d_h_i = d_i * s'(x_i + h_i), and so for f, g and o

    d_c is d_c' times f, with no weights in between: where f is near 1, the gradient does not vanish on its way back
    through time. That is why an LSTM learns long-range dependencies.
    """
    h, c, i, f, g, o, a_c, slope_i, slope_f, slope_g, slope_o, slope_c = residuals
    d_c = d_c + d_h * o * slope_c
    d = np.stack([d_c * g * slope_i, d_c * c * slope_f, d_c * i * slope_g, d_h * a_c * slope_o])
    d_h, d_weights = project_backward(layer.from_state, h, d)
    return d, (d_h, d_c * f), d_weights


def gru_step(layer: Layer, x: Array, h: Array) -> tuple[State, Residuals]:
    """Run one step of a GRU (`reset_after`): the update gate mixes the state with a candidate.

    z = s(x_z + h_z)        update gate
    r = s(x_r + h_r)        reset gate
    g = a(x_h + r * h_h)    candidate
    h' = z * h + (1 - z) * g
    """
    x_z, x_r, x_h = x
    h_z, h_r, h_h = project(layer.from_state, h)
    z, slope_z = layer.s(x_z + h_z)
    r, slope_r = layer.s(x_r + h_r)
    g, slope_g = layer.a(x_h + r * h_h)
    return (z * h + (1 - z) * g,), (h, h_h, z, r, g, slope_z, slope_r, slope_g)


def gru_step_backward(layer: Layer, residuals: Residuals, d_h: Array) -> tuple[Array, State, ProjectionGradients]:
    """Reverse `gru_step`: from the gradient of h' to those of x_k, (h,) and (recurrent_kernel, second row of bias).

    h' = z * h + (1 - z) * g    d_z = d_h' * (h - g)    d_g = d_h' * (1 - z)    d_h = d_h' * z
    g = a(x_h + r * h_h)        d_x_h = d_g * a'(...)   d_r = d_x_h * h_h       d_h_h = d_x_h * r
    """
    h, h_h, z, r, g, slope_z, slope_r, slope_g = residuals
    d_z = d_h * (h - g) * slope_z
    d_g = d_h * (1 - z) * slope_g
    d_r = d_g * h_h * slope_r
    d_projected, d_weights = project_backward(layer.from_state, h, np.stack([d_z, d_r, d_g * r]))
    return np.stack([d_z, d_r, d_g]), (d_h * z + d_projected,), d_weights


def gru_reset_before_step(layer: Layer, x: Array, h: Array) -> tuple[State, Residuals]:
    """Run one step of the GRU of Cho et al. (arXiv 1406.1078v3), which resets the state before its projection.

    z = s(x_z + h_z)
    r = s(x_r + h_r)
    g = a(x_h + (r * h)_h)      (r * h)_h is the projection of r * h for gate h
    h' = z * h + (1 - z) * g
    """
    x_z, x_r, x_h = x
    h_z, h_r, _ = project(layer.from_state, h)
    z, slope_z = layer.s(x_z + h_z)
    r, slope_r = layer.s(x_r + h_r)
    _, _, reset_h = project(layer.from_state, r * h)
    g, slope_g = layer.a(x_h + reset_h)
    return (z * h + (1 - z) * g,), (h, z, r, g, slope_z, slope_r, slope_g)


def gru_reset_before_step_backward(
    layer: Layer, residuals: Residuals, d_h: Array
) -> tuple[Array, State, ProjectionGradients]:
    """Reverse `gru_reset_before_step`: from the gradient of h' to those of x_k, (h,) and (recurrent_kernel, bias).

    The state is projected twice, as r * h for the candidate and as h for the gates, so its gradient has two parts.
    """
    h, z, r, g, slope_z, slope_r, slope_g = residuals
    d_z = d_h * (h - g) * slope_z
    d_g = d_h * (1 - z) * slope_g
    zeros = np.zeros_like(h)
    d_reset, by_candidate = project_backward(layer.from_state, r * h, np.stack([zeros, zeros, d_g]))
    d_r = d_reset * h * slope_r
    d_projected, by_gates = project_backward(layer.from_state, h, np.stack([d_z, d_r, zeros]))
    d_weights = (by_candidate[0] + by_gates[0], by_candidate[1] + by_gates[1])
    return np.stack([d_z, d_r, d_g]), (d_h * z + d_reset * r + d_projected,), d_weights


def get_step(recurrence: RecurrenceSpec) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the step of the recurrence's cell and its reverse."""
    if recurrence.cell == "lstm":
        return lstm_step, lstm_step_backward
    if recurrence.cell == "simple_rnn":
        return simple_rnn_step, simple_rnn_step_backward
    if recurrence.reset_after:
        return gru_step, gru_step_backward
    return gru_reset_before_step, gru_reset_before_step_backward


# 4. Sequences.

Tape = list[tuple[Array, Residuals]]
"""The input and the residuals of each step, in the order of the steps."""


def forward(recurrence: RecurrenceSpec, inputs: Inputs) -> tuple[Outputs, Tape]:
    """Run the recurrence over the sequences, one step after another.

    Step n reads time n, or T-1-n with `go_backwards`. A masked step leaves the state unchanged; since its input is not
    read, it may hold anything::

        state[n]  = step(x[n], state[n-1])  if unmasked, else state[n-1]
        output[n] = h of that step          if unmasked, else output[n-1]; with `zero_output_for_mask`, else 0

    Before the first unmasked step the output is 0, even where the initial h is not. (Keras' backends disagree here: its
    loop on JAX outputs the initial h, those on TensorFlow and torch output 0.)

    Where ``resets`` marks the first step of a sequence, state[n-1] and output[n-1] are 0: what is read before it has no
    influence on it. A layer that goes backwards reads that step last, so that its state is 0 after it.

    Args:
        recurrence: The computation.
        inputs: Arrays that NumPy can convert to float64, the mask to booleans.

    Returns:
        The outputs in float64, and the tape that `backward` needs.

    Example:
        >>> inputs = Inputs(sequences=[[[1.0], [2.0]]], kernel=[[1.0]], recurrent_kernel=[[0.5]])
        >>> outputs, tape = forward(RecurrenceSpec("simple_rnn", activation="relu"), inputs)
        >>> outputs.h
        array([[2.5]])
    """
    layer, (step, _) = _split_gates(recurrence, inputs), get_step(recurrence)
    sequences, state = _float64(inputs.sequences), _initial_state(recurrence, inputs)
    output = np.zeros_like(state[0])
    outputs: list[Array] = []
    tape: Tape = []
    for time, unmasked, begins in _steps(recurrence, inputs):
        state, output = tuple(np.where(begins, 0, old) for old in state), np.where(begins, 0, output)
        x = np.where(unmasked, sequences[:, time], 0)
        new_state, residuals = step(layer, project(layer.from_input, x), *state)
        state = tuple(np.where(unmasked, new, old) for new, old in zip(new_state, state, strict=True))
        output = np.where(unmasked, new_state[0], 0 if recurrence.zero_output_for_mask else output)
        outputs.append(output)
        tape.append((x, residuals))
    returned = outputs if recurrence.return_sequences else outputs[-1:]
    return Outputs(np.stack(returned, axis=1), *state), tape


def backward(recurrence: RecurrenceSpec, inputs: Inputs, tape: Tape, cotangents: Outputs) -> Inputs:
    """Backpropagate through time: run the steps in reverse, from the last to the first.

    Args:
        recurrence: The computation passed to `forward`.
        inputs: The inputs passed to `forward`.
        tape: The tape that `forward` returned.
        cotangents: The gradients of a loss with respect to the outputs; None means zero.

    Returns:
        The gradients of the loss with respect to the inputs, in float64; None for the mask, for the resets, for the
        dropout factors and for absent inputs.
    """
    layer, (_, step_backward) = _split_gates(recurrence, inputs), get_step(recurrence)
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

    d_repeated = np.zeros_like(state[0])  # from later, masked steps, which repeat this step's output
    steps = zip(tape, _steps(recurrence, inputs), np.moveaxis(d_outputs, 1, 0), strict=True)
    for (x, residuals), (time, unmasked, begins), d_step in reversed(list(steps)):
        d_output = d_step + d_repeated
        d_repeated = np.where(unmasked | recurrence.zero_output_for_mask, 0, d_output)
        d_h, *d_c = (np.where(unmasked, d, 0) for d in d_state)
        d_skipped = (np.where(unmasked, 0, d) for d in d_state)
        d_gates, d_old, d_weights = step_backward(layer, residuals, d_h + np.where(unmasked, d_output, 0), *d_c)
        d_state = tuple(
            np.where(begins, 0, stepped + skipped) for stepped, skipped in zip(d_old, d_skipped, strict=True)
        )
        d_repeated = np.where(begins, 0, d_repeated)
        _accumulate(d_from_state, d_weights)
        d_sequences[:, time], d_weights = project_backward(layer.from_input, x, d_gates)
        _accumulate(d_from_input, d_weights)
    return _join_gates(inputs, d_sequences, d_from_input, d_from_state, d_state)


def _steps(recurrence: RecurrenceSpec, inputs: Inputs) -> Iterator[tuple[int, Any, Any]]:
    """Yield the time that each step reads, and the examples that are unmasked and that begin there, each [B, 1]."""
    batch, time, _ = np.shape(inputs.sequences)
    mask = np.ones((batch, time), bool) if inputs.mask is None else np.asarray(inputs.mask, bool)
    begins = np.zeros((batch, time + 1), bool)
    if inputs.resets is not None:
        begins[:, :time] = inputs.resets
    for t in reversed(range(time)) if recurrence.go_backwards else range(time):
        yield t, mask[:, t, None], begins[:, t + 1 if recurrence.go_backwards else t, None]


def _initial_state(recurrence: RecurrenceSpec, inputs: Inputs) -> State:
    zeros = np.zeros((len(inputs.sequences), len(inputs.recurrent_kernel)))
    arrays = (inputs.initial_h, inputs.initial_c) if recurrence.cell == "lstm" else (inputs.initial_h,)
    return tuple(zeros if array is None else _float64(array) for array in arrays)


def _accumulate(totals: ProjectionGradients, parts: ProjectionGradients) -> None:
    for total, part in zip(totals, parts, strict=True):
        total += part


# 5. Layout.


def _split_gates(recurrence: RecurrenceSpec, inputs: Inputs) -> Layer:
    """Split the weights by gate, [V, G*H] -> [G, V, H], and repeat shared dropout factors for each gate."""
    batch, gates = len(inputs.sequences), recurrence.gates
    biases = np.zeros((2, gates, 1, len(inputs.recurrent_kernel)))
    if inputs.bias is not None:
        rows = _float64(inputs.bias).reshape(-1, *biases.shape[1:])  # one, or a GRU's two
        biases[: len(rows)] = rows

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


def _join_gates(
    inputs: Inputs,
    d_sequences: Array,
    d_from_input: ProjectionGradients,
    d_from_state: ProjectionGradients,
    d_state: State,
) -> Inputs:
    """Join the gradients of the gates, [G, V, H] -> [V, G*H], so that each has the shape of its input."""
    (d_kernel, d_b), (d_recurrent_kernel, d_e) = d_from_input, d_from_state
    initial = (inputs.initial_h, inputs.initial_c)
    d_initial = [None if array is None else d for array, d in zip(initial, d_state, strict=False)]
    return Inputs(
        d_sequences,
        np.moveaxis(d_kernel, 0, 1).reshape(np.shape(inputs.kernel)),
        np.moveaxis(d_recurrent_kernel, 0, 1).reshape(np.shape(inputs.recurrent_kernel)),
        # Of a bias of one row, resize keeps d_b alone.
        None if inputs.bias is None else np.resize([d_b, d_e], np.shape(inputs.bias)),
        *d_initial,
    )


def _float64(array: Any) -> Array:
    return np.asarray(array, np.float64)
