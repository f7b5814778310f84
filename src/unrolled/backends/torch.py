"""The kernels as a torch function, without a copy of tensors that are contiguous."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels import native as extension
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import torch

COMPILES = False
"""Whether the kernels may be part of what the framework compiles."""


def unsupported_reason(recurrence: RecurrenceSpec, dtype: str, array: torch.Tensor | None = None) -> str | None:
    """Why the kernels cannot compute this here, where the array is; without one, on the CPU."""
    if array is not None and torch._C._functorch.is_functorch_wrapped_tensor(array):
        return "torch.vmap and torch.func have no native kernel"
    if torch.compiler.is_compiling():
        return "torch.compile and torch.export have no native kernel"
    device = "cpu" if array is None else array.device.type
    return native.unsupported_reason(recurrence, dtype=dtype, device=device)


def run(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    """The results, differentiable once by the six first inputs; only what ``requires_grad`` is worked for.

    Example:
        >>> inputs = Inputs(torch.ones(2, 3, 4), torch.ones(4, 5), torch.zeros(5, 5))
        >>> run(RecurrenceSpec("simple_rnn", activation="relu"), inputs).h[0]
        tensor([4., 4., 4., 4., 4.])
    """
    _share_threads()
    differentiated = torch.is_grad_enabled() and any(array is not None and array.requires_grad for array in inputs[:6])
    if not differentiated:
        results, _ = native.forward(recurrence, _numpy(inputs), training=False)
        return Outputs(*map(_tensor, results))
    return Outputs(*_Run.apply(recurrence, *inputs))  # type: ignore[no-untyped-call]


class _Run(torch.autograd.Function):
    """Forward, joined to backward; arguments and results are flat, as autograd wants them."""

    @staticmethod
    def forward(ctx: Any, recurrence: RecurrenceSpec, *inputs: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        results, tape = native.forward(recurrence, _numpy(Inputs(*inputs)), training=True)
        ctx.recurrence = recurrence
        ctx.save_for_backward(_tensor(tape), *inputs)
        ctx.set_materialize_grads(False)
        return tuple(map(_tensor, results))

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        wanted = [name for name, needed in zip(Inputs._fields, ctx.needs_input_grad[1:], strict=True) if needed]
        gradients = _Differentiate.apply(ctx.recurrence, wanted, *ctx.saved_tensors, *cotangents)  # type: ignore[no-untyped-call]
        return (None, *gradients)


class _Differentiate(torch.autograd.Function):
    """Backward, which has no backward of its own."""

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
    """Torch's idle threads spin for milliseconds, on the cores that the kernels compute on."""
    return extension.share_threads(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")


def _numpy(inputs: Inputs) -> Inputs:
    return Inputs(*map(_array, inputs))


def _array(tensor: torch.Tensor | None) -> Any:
    """A view of the tensor's memory."""
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _tensor(array: Any) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array)


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a scalar function of tensors with respect to each of them."""
    tensors = [tensor.detach().requires_grad_() for tensor in at]
    with torch.enable_grad():
        value = loss(tensors)
        return torch.autograd.grad(value, tensors, materialize_grads=True)


def seed(number: int) -> None:
    """Seed the generator."""
    torch.manual_seed(number)


def random_state() -> list[int]:
    """Its state, as JSON."""
    state: list[int] = torch.get_rng_state().tolist()
    return state


def restore_random_state(state: list[int]) -> None:
    """Give it the state that ``random_state`` gave."""
    torch.set_rng_state(torch.tensor(state, dtype=torch.uint8))
