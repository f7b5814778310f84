"""Everything that differs on torch.

The recurrent operation is a function of autograd. The kernels read and write the memory of contiguous tensors, without
a copy, and compute on torch's threads.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import torch
from torch.autograd import forward_ad

CAN_COMPILE = False
"""True if the kernels can be part of a function that the framework compiles."""

_SEVERAL_AT_ONCE = (
    "native kernel: several gradients at once, as vectorize=True and is_grads_batched=True ask for, are not supported. "
    'Use torch.func.jacrev, or give the layer kernel="reference".'
)


# The recurrent operation.


def unsupported_reason(recurrence: RecurrenceSpec, dtype: str, array: torch.Tensor | None = None) -> str | None:
    """Return the reason why no kernel can compute a recurrence on the tensor's device; None if one can.

    Without a tensor, the device is the CPU.
    """
    if array is not None and torch._C._functorch.is_functorch_wrapped_tensor(array):
        return "torch.vmap and torch.func have no native kernel"
    if forward_ad._current_level >= 0:
        return "forward-mode derivatives have no native kernel"
    if torch.compiler.is_compiling():
        return "torch.compile and torch.export have no native kernel"
    device = "cpu" if array is None else array.device.type
    return native.unsupported_reason(recurrence, dtype=dtype, device=device)


def run_recurrence(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    """Run the native kernels; differentiable once, in reverse mode, with respect to the six first inputs.

    Gradients are computed only for tensors that ``requires_grad``.

    Example:
        >>> inputs = Inputs(torch.ones(2, 3, 4), torch.ones(4, 5), torch.zeros(5, 5))
        >>> run_recurrence(RecurrenceSpec("simple_rnn", activation="relu"), inputs).h[0]
        tensor([4., 4., 4., 4., 4.])
    """
    _share_threads()
    is_differentiated = torch.is_grad_enabled() and any(
        array is not None and array.requires_grad for array in inputs[:6]
    )
    if not is_differentiated:
        outputs, _ = native.forward(recurrence, _numpy(inputs), training=False)
        return Outputs(*map(_tensor, outputs))
    return Outputs(*_Run.apply(recurrence, *inputs))  # type: ignore[no-untyped-call]


class _Run(torch.autograd.Function):
    """The forward pass; arguments and results are flat, because autograd requires it."""

    @staticmethod
    def forward(ctx: Any, recurrence: RecurrenceSpec, *inputs: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        outputs, tape = native.forward(recurrence, _numpy(Inputs(*inputs)), training=True)
        ctx.recurrence = recurrence
        ctx.save_for_backward(_tensor(tape), *inputs)
        ctx.set_materialize_grads(False)
        return tuple(map(_tensor, outputs))

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        if any(one is not None and torch._C._functorch.is_legacy_batchedtensor(one) for one in cotangents):
            raise InvalidInput(_SEVERAL_AT_ONCE)
        wanted = [name for name, needed in zip(Inputs._fields, ctx.needs_input_grad[1:], strict=True) if needed]
        found = _RunBackward.apply(ctx.recurrence, wanted, *ctx.saved_tensors, *cotangents)  # type: ignore[no-untyped-call]
        return (None, *found)


class _RunBackward(torch.autograd.Function):
    """The backward pass, which cannot be differentiated again."""

    @staticmethod
    def forward(
        ctx: Any, recurrence: RecurrenceSpec, wanted: list[str], tape: torch.Tensor, *arrays: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        count = len(Inputs._fields)
        inputs, cotangents = Inputs(*arrays[:count]), Outputs(*map(_array, arrays[count:]))
        return tuple(map(_tensor, native.backward(recurrence, _numpy(inputs), tape.numpy(), cotangents, wanted)))

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> None:
        raise InvalidInput(native.SECOND_DERIVATIVE)


@cache
def _share_threads() -> bool:
    # Torch's idle threads spin for milliseconds on the cores that the kernels would compute on.
    return native.share_threads(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")


def _numpy(inputs: Inputs) -> Inputs:
    return Inputs(*map(_array, inputs))


def _array(tensor: torch.Tensor | None) -> Any:
    """Return a view of the tensor's memory."""
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _tensor(array: Any) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array)


# Gradients.


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """Return the gradient of a scalar function of tensors with respect to each of them, zero where unconnected."""
    tensors = [tensor.detach().requires_grad_() for tensor in at]
    with torch.enable_grad():
        value = loss(tensors)
        return torch.autograd.grad(value, tensors, materialize_grads=True)


# Random state: dropout and initializers draw from torch's global generator.


def seed(number: int) -> None:
    """Seed torch's global random generator."""
    torch.manual_seed(number)


def random_state() -> list[int] | None:
    """Return the state of torch's global random generator as JSON."""
    state: list[int] = torch.get_rng_state().tolist()
    return state


def restore_random_state(state: list[int] | None) -> None:
    """Restore the state that `random_state` returned."""
    if state is not None:
        torch.set_rng_state(torch.tensor(state, dtype=torch.uint8))


# Feeding.


def as_dataset(batches: Any, model: Any) -> Any:
    """Return the batches unchanged: on torch, ``fit`` accepts batches of unequal length."""
    return batches
