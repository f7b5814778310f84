"""What every kernel, in NumPy, in C++ or behind a framework, takes and gives."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

GATES: dict[str, tuple[str, ...]] = {"lstm": ("i", "f", "c", "o"), "gru": ("z", "r", "h"), "simple_rnn": ("h",)}
"""The gates of each cell, in the order in which Keras keeps their columns in the weights."""


@dataclass(frozen=True)
class RecurrenceSpec:
    """What a layer computes, apart from its arrays. Hashable, so that it can be constant under `jit`."""

    cell: Literal["lstm", "gru", "simple_rnn"]
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    go_backwards: bool = False
    return_sequences: bool = False
    zero_output_for_mask: bool = False

    @property
    def gates(self) -> int:
        """G, the number of gates: the weights have G * H columns."""
        return len(GATES[self.cell])


class Inputs(NamedTuple):
    """The arrays that a kernel reads, and the shape of the gradients that it gives back.

    B batch, T time, F features, H units, G gates; M is 1 (one dropout mask for all gates) or G (one for each).
    `None` means absent; in gradients, not asked for. Arrays are of the framework at hand.
    """

    sequences: Any
    """[B, T, F]"""
    kernel: Any
    """[F, G*H]"""
    recurrent_kernel: Any
    """[H, G*H]"""
    bias: Any = None
    """[G*H]; of a GRU with `reset_after` [2, G*H]: row 0 belongs to `kernel`, row 1 to `recurrent_kernel`"""
    initial_h: Any = None
    """[B, H]; zeros if absent"""
    initial_c: Any = None
    """[B, H], LSTM only; zeros if absent"""
    mask: Any = None
    """[B, T] booleans; a step where it is false leaves the state as it was"""
    input_dropout: Any = None
    """[M, B, F] factors of the inputs, the same at every step"""
    recurrent_dropout: Any = None
    """[M, B, H] factors of the state before it meets `recurrent_kernel`, the same at every step"""


class Outputs(NamedTuple):
    """What a kernel gives, and the shape of the cotangents that it takes."""

    outputs: Any
    """[B, T, H], or [B, 1, H] (the last step's) without `return_sequences`"""
    h: Any
    """[B, H], the state after the last step"""
    c: Any = None
    """[B, H], LSTM only"""
