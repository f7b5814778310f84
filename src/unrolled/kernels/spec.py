"""The interface of every kernel, in NumPy, in C++ or behind a framework: a recurrence, its inputs and its outputs.

Axes: B batch, T time, F features, H units, G gates, M dropout masks (1, shared by all gates, or G, one for each).
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

GATES: dict[str, tuple[str, ...]] = {"lstm": ("i", "f", "c", "o"), "gru": ("z", "r", "h"), "simple_rnn": ("h",)}
"""The gates of each cell, in the order of their columns in Keras' weights."""


@dataclass(frozen=True)
class RecurrenceSpec:
    """The computation of a recurrent layer, apart from its arrays.

    It is hashable, so that it can be a constant under ``jit``.

    Example:
        >>> RecurrenceSpec("gru", activation="relu").gates
        3
    """

    cell: Literal["lstm", "gru", "simple_rnn"]
    activation: str = "tanh"
    """The activation of the candidate and, in an LSTM, of the cell state: a name in `reference.ACTIVATIONS`."""
    recurrent_activation: str = "sigmoid"
    """The activation of the gates; unused by a SimpleRNN."""
    reset_after: bool = True
    """GRU only: apply the reset gate after the matrix product, or to the state before it."""
    go_backwards: bool = False
    """Step n reads time T-1-n; outputs are in the order of the steps."""
    return_sequences: bool = False
    """Return the output of every step, or of the last one only."""
    zero_output_for_mask: bool = False
    """Output 0 at a masked step, or repeat the output before it."""

    @property
    def gates(self) -> int:
        """G, the number of gates: the weights have G * H columns."""
        return len(GATES[self.cell])


class Inputs(NamedTuple):
    """The arrays that a kernel reads, or their gradients.

    None means absent; among gradients, not computed. The arrays belong to the framework at hand.
    """

    sequences: Any
    """[B, T, F]"""
    kernel: Any
    """[F, G*H]"""
    recurrent_kernel: Any
    """[H, G*H]"""
    bias: Any = None
    """[G*H]; in a GRU with `reset_after` [2, G*H]: row 0 belongs to `kernel`, row 1 to `recurrent_kernel`"""
    initial_h: Any = None
    """[B, H]; zeros if absent"""
    initial_c: Any = None
    """[B, H], LSTM only; zeros if absent"""
    mask: Any = None
    """[B, T] booleans; a step where the mask is False leaves the state unchanged"""
    resets: Any = None
    """[B, T] booleans; True at the first step, in time, of a sequence that shares nothing with what comes before it"""
    input_dropout: Any = None
    """[M, B, F] factors of the inputs, the same at every step"""
    recurrent_dropout: Any = None
    """[M, B, H] factors of the state before its product with `recurrent_kernel`, the same at every step"""


DIFFERENTIABLE: tuple[str, ...] = Inputs._fields[:6]
"""The names of the inputs that have a gradient: all but the mask, the resets and the dropout factors."""

BOOLEAN: tuple[str, ...] = ("mask", "resets")
"""The names of the inputs that are booleans; all others are float32."""


class Outputs(NamedTuple):
    """The arrays that a kernel computes, or the cotangents that its backward pass starts from."""

    outputs: Any
    """[B, T, H], or [B, 1, H] (the last step only) without `return_sequences`"""
    h: Any
    """[B, H], the state after the last step"""
    c: Any = None
    """[B, H], the cell state after the last step; LSTM only"""
