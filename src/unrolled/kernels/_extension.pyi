"""The compiled extension, defined in csrc/bindings.

Arrays are in C order, of float32 (mask and resets: bool) and on the CPU; none is copied.
"""

from typing import Any

cells: tuple[str, ...]
activations: tuple[str, ...]
xla_forward: Any
xla_backward: Any

class Recurrence:
    def __init__(
        self,
        cell: str,
        activation: str,
        recurrent_activation: str,
        reset_after: bool,
        go_backwards: bool,
        return_sequences: bool,
        zero_output_for_mask: bool,
    ) -> None: ...
    @property
    def cell(self) -> int: ...
    @property
    def activation(self) -> int: ...
    @property
    def recurrent_activation(self) -> int: ...

class Stream:
    def __init__(
        self, recurrence: Recurrence, kernel: Any, recurrent_kernel: Any, bias: Any, h: Any, c: Any
    ) -> None: ...
    def step(self, inputs: Any) -> None: ...

def tape_size(recurrence: Recurrence, batch: int, time: int, features: int, units: int, /) -> int: ...
def forward(
    recurrence: Recurrence,
    sequences: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    initial_h: Any,
    initial_c: Any,
    mask: Any,
    resets: Any,
    input_dropout: Any,
    recurrent_dropout: Any,
    outputs: Any,
    h: Any,
    c: Any,
    tape: Any,
) -> None: ...
def backward(
    recurrence: Recurrence,
    sequences: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    initial_h: Any,
    initial_c: Any,
    mask: Any,
    resets: Any,
    input_dropout: Any,
    recurrent_dropout: Any,
    tape: Any,
    outputs: Any,
    h: Any,
    c: Any,
    sequences_gradient: Any,
    kernel_gradient: Any,
    recurrent_kernel_gradient: Any,
    bias_gradient: Any,
    initial_h_gradient: Any,
    initial_c_gradient: Any,
) -> None: ...
def register_with_tensorflow(library: str) -> None: ...
def set_threads(count: int) -> None: ...
def threads() -> int: ...
def share_threads(library: str) -> bool: ...
def isa() -> str: ...
def isas() -> tuple[str, ...]: ...
def set_isa(name: str) -> bool: ...
