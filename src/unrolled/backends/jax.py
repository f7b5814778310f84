"""The kernels as a JAX function, without a copy: under ``jit``, ``grad``, ``vmap`` and ``checkpoint``.

XLA calls the kernels itself, through its foreign function interface. An array that is absent is passed with zero
elements; so is a gradient that nobody asks for, and the tape where nothing is differentiated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

COMPILES = True
"""Whether the kernels may be part of what the framework compiles."""

_DIFFERENTIABLE = Inputs._fields[:6]
_NOTHING = (0,)


def unsupported_reason(recurrence: RecurrenceSpec, dtype: str, array: Any = None) -> str | None:
    """Why the kernels cannot compute this here: JAX computes where its default backend is."""
    return native.unsupported_reason(recurrence, dtype=dtype, device=jax.default_backend())


def run(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    """The results, differentiable once in reverse mode by the six first inputs.

    The work for gradients by what is constant (data, frozen weights) is left out.

    Example:
        >>> inputs = Inputs(jnp.ones((2, 3, 4)), jnp.ones((4, 5)), jnp.zeros((5, 5)))
        >>> run(RecurrenceSpec("simple_rnn", activation="relu"), inputs).h[0]
        Array([4., 4., 4., 4., 4.], dtype=float32)
    """
    results: Outputs = _run(recurrence, inputs)
    return results


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    return _forward(recurrence, inputs, tape_size=0)[0]


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Wanted:
    """The names of the gradients asked for, as a constant among the arrays that are remembered."""

    names: tuple[str, ...]


def _run_and_remember(recurrence: RecurrenceSpec, inputs: Inputs) -> tuple[Outputs, tuple[Inputs, Any, _Wanted]]:
    """Each leaf of ``inputs`` has a value and tells whether anything is differentiated by it."""
    present = {name: leaf for name, leaf in inputs._asdict().items() if leaf is not None}
    values = inputs._replace(**{name: leaf.value for name, leaf in present.items()})
    wanted = tuple(name for name in _DIFFERENTIABLE if name in present and present[name].perturbed)
    batch, time, features = values.sequences.shape
    size = native.tape_size(recurrence, batch, time, features, values.recurrent_kernel.shape[0])
    results, tape = _forward(recurrence, values, tape_size=size)
    return results, (values, tape, _Wanted(wanted))


def _differentiate(
    recurrence: RecurrenceSpec, remembered: tuple[Inputs, Any, _Wanted], cotangents: Outputs
) -> tuple[Inputs]:
    values, tape, wanted = remembered
    known = [None if isinstance(cotangent, SymbolicZero) else cotangent for cotangent in cotangents]
    shapes = tuple(getattr(values, name).shape if name in wanted.names else _NOTHING for name in _DIFFERENTIABLE)
    gradients = _call("unrolled_backward", recurrence, shapes, [*_operands(values), tape, *map(_or_nothing, known)])
    named = dict(zip(_DIFFERENTIABLE, gradients, strict=True))
    return (Inputs(**{name: named[name] if name in wanted.names else None for name in Inputs._fields}),)


_run.defvjp(_run_and_remember, _differentiate, symbolic_zeros=True)


def _forward(recurrence: RecurrenceSpec, inputs: Inputs, *, tape_size: int) -> tuple[Outputs, Any]:
    batch, time, _ = inputs.sequences.shape
    units = inputs.recurrent_kernel.shape[0]
    state = (batch, units)
    shapes = (
        (batch, time if recurrence.return_sequences else 1, units),
        state,
        state if recurrence.cell == "lstm" else _NOTHING,
        (tape_size,),
    )
    outputs, h, c, tape = _call("unrolled_forward", recurrence, shapes, _operands(inputs))
    return Outputs(outputs, h, c if recurrence.cell == "lstm" else None), tape


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _call(target: str, recurrence: RecurrenceSpec, shapes: tuple[tuple[int, ...], ...], operands: list[Any]) -> Any:
    """What XLA's call of a kernel gives: arrays of these shapes."""
    _register()
    results = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]  # type: ignore[no-untyped-call]
    return jax.ffi.ffi_call(target, results, vmap_method="sequential")(*operands, **native.attributes(recurrence))


@_call.defjvp
def _refuse(target: str, recurrence: RecurrenceSpec, shapes: Any, primals: Any, tangents: Any) -> Any:
    raise InvalidInput(native.SECOND_DERIVATIVE)


@cache
def _register() -> None:
    for target, capsule in native.xla_targets().items():
        jax.ffi.register_ffi_target(target, capsule, platform="cpu")


def _operands(inputs: Inputs) -> list[Any]:
    return [_or_nothing(array, np.bool_ if name == "mask" else np.float32) for name, array in inputs._asdict().items()]


def _or_nothing(array: Any, dtype: Any = np.float32) -> Any:
    return jnp.zeros((0,), dtype) if array is None else array


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a scalar function of tensors with respect to each of them."""
    found: Sequence[Any] = jax.grad(loss)(list(at))
    return found
