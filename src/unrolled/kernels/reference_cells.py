"""One step of LSTM, GRU and SimpleRNN, and its way back by hand: the equations.

The letters, here as in the code:

    x    [B, F]  the input of this step                  h    [B, H]  the state before this step
    c    [B, H]  the memory of an LSTM before this step  h'   c'      both after it (h_new, c_new in the code)
    i f o z r    [B, H]  gates                           g    [B, H]  the candidate: what could become the state
    s    recurrent_activation, makes gates               a    activation, makes candidates
    d_y  the gradient of the loss with respect to y      *    elementwise

What gate k hears from the input and from the state are two linear maps, of the same form. W is `kernel`, U
`recurrent_kernel`, b `bias`; a GRU with `reset_after` has a second row of bias, e, elsewhere zero; p and q are the
dropout factors, one where there is no dropout:

    x_k = (x * p_k) W_k + b_k
    h_k = (h * q_k) U_k + e_k

The gates are in the order of `GATES`. An LSTM's candidate is its gate "c", a GRU's and a SimpleRNN's the gate "h".
A step takes x [G, B, H], every x_k, and gives the new state and the memory for its way back. The way back takes
the gradients of the new state and gives those of x, of the state and of (U, e).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from unrolled.kernels.recurrence import Recurrence
from unrolled.kernels.reference_activations import Activation, Array

import numpy as np

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


def steps_of(recurrence: Recurrence) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The step of a recurrence and its way back."""
    if recurrence.cell == "lstm":
        return lstm_step, lstm_step_backward
    if recurrence.cell == "simple_rnn":
        return simple_rnn_step, simple_rnn_step_backward
    if recurrence.reset_after:
        return gru_step, gru_step_backward
    return gru_reset_before_step, gru_reset_before_step_backward
