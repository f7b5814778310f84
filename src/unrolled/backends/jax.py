"""Everything that differs on JAX.

The recurrent operation works under ``jit``, ``grad``, ``vmap`` and ``checkpoint``; where forward-mode or second
derivatives are asked for, or an export, Keras' own loop computes a layer. XLA calls the kernels itself,
through its foreign function interface, without Python and without a copy. An absent array is passed as one without
elements, and so are a gradient that is not wanted and the tape where nothing is differentiated.
"""

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from zlib import crc32

from unrolled.backends.callers import ask_in_turn, check_process, refuse_after_fork
from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.spec import BOOLEAN, DIFFERENTIABLE, Inputs, Outputs, RecurrenceSpec
from unrolled.system import cpu_features, cpu_model

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import platformdirs
from jax._src import xla_bridge
from jax.custom_derivatives import SymbolicZero
from keras.src.backend.jax.trainer import JAXTrainer

CAN_COMPILE = True
"""True if the kernels can be part of a function that the framework compiles."""

_EMPTY = (0,)
# The files of these functions, by which they are known where they are being called.
_API, _EXPORT = (inspect.unwrap(function).__code__.co_filename for function in (jax.jvp, jax.export.export))
_LEAST_SECONDS, _MOST_BYTES = 0.1, 1 << 30


def _keep_compiled_programs() -> None:
    """Keep what XLA compiles in the user's cache folder, so that the next process reads it instead.

    ``UNROLLED_CACHE`` names another folder, or is ``none`` to keep nothing. A cache that the user of JAX has set stays.
    """
    config: Any = jax.config
    chosen = os.environ.get("UNROLLED_CACHE", "")
    if chosen == "none" or config.jax_compilation_cache_dir is not None:
        return
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("unrolled")
    # Programs are those of one processor, and a home folder may be seen by several.
    folder = folder / "jax" / f"{crc32(f'{cpu_model()} {cpu_features()}'.encode()):08x}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        config.update("jax_compilation_cache_dir", str(folder))
        config.update("jax_compilation_cache_max_size", _MOST_BYTES)
        config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
        config.update("jax_persistent_cache_min_entry_size_bytes", -1)


_keep_compiled_programs()


# Keras gives the arrays of the weights away when it asks XLA, and takes them back with the answer; whoever asks
# meanwhile finds them deleted.
ask_in_turn(JAXTrainer)
refuse_after_fork(JAXTrainer, "JAX", xla_bridge.backends_are_initialized)


# The recurrent operation.


def unsupported_reason(recurrence: RecurrenceSpec, dtype: str, array: Any = None) -> str | None:
    """Return the reason why no kernel can compute a recurrence on JAX's default device; None if one can.

    A function that ``jit`` has traced before keeps its kernels, and JAX refuses its other derivatives itself.
    """
    check_process()
    if reason := _unsupported_transformation():
        return reason
    return native.unsupported_reason(recurrence, dtype=dtype, device=jax.default_backend())


def _unsupported_transformation() -> str | None:
    """Return what this function is traced for and has no kernel, which its tracers do not tell from a gradient."""
    names = []
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == _EXPORT:
            return "jax.export has no native kernel"
        if frame.f_code.co_filename == _API:
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    if "_jvp" in names or "linearize" in names:
        return "forward-mode derivatives have no native kernel"
    return "second derivatives have no native kernel" if names.count("vjp") > 1 else None


def run_recurrence(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    """Run the native kernels; differentiable once, in reverse mode, with respect to the six first inputs.

    Gradients with respect to constants (data, frozen weights) are not computed.

    Example:
        >>> inputs = Inputs(jnp.ones((2, 3, 4)), jnp.ones((4, 5)), jnp.zeros((5, 5)))
        >>> run_recurrence(RecurrenceSpec("simple_rnn", activation="relu"), inputs).h[0]
        Array([4., 4., 4., 4., 4.], dtype=float32)
    """
    outputs: Outputs = _run(recurrence, inputs)
    return outputs


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    return _forward(recurrence, inputs, tape_size=0)[0]


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Wanted:
    """The names of the wanted gradients, as a constant among the residuals."""

    names: tuple[str, ...]


_Residuals = tuple[Inputs, Any, _Wanted]


def _run_forward(recurrence: RecurrenceSpec, inputs: Inputs) -> tuple[Outputs, _Residuals]:
    """Run the forward rule; each leaf of ``inputs`` has a ``value``, and is ``perturbed`` if its gradient is wanted."""
    present = {name: leaf for name, leaf in inputs._asdict().items() if leaf is not None}
    values = inputs._replace(**{name: leaf.value for name, leaf in present.items()})
    wanted = tuple(name for name in DIFFERENTIABLE if name in present and present[name].perturbed)
    batch, time, features = values.sequences.shape
    size = native.tape_size(recurrence, batch, time, features, values.recurrent_kernel.shape[0])
    outputs, tape = _forward(recurrence, values, tape_size=size)
    return outputs, (values, tape, _Wanted(wanted))


def _run_backward(recurrence: RecurrenceSpec, residuals: _Residuals, cotangents: Outputs) -> tuple[Inputs]:
    values, tape, wanted = residuals
    nonzero = [None if isinstance(cotangent, SymbolicZero) else cotangent for cotangent in cotangents]
    shapes = tuple(getattr(values, name).shape if name in wanted.names else _EMPTY for name in DIFFERENTIABLE)
    found = _call("unrolled_backward", recurrence, shapes, [*_operands(values), tape, *map(_or_empty, nonzero)])
    named = dict(zip(DIFFERENTIABLE, found, strict=True))
    return (Inputs(**{name: named[name] if name in wanted.names else None for name in Inputs._fields}),)


_run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)


def _forward(recurrence: RecurrenceSpec, inputs: Inputs, *, tape_size: int) -> tuple[Outputs, Any]:
    batch, time, _ = inputs.sequences.shape
    units = inputs.recurrent_kernel.shape[0]
    state = (batch, units)
    shapes = (
        (batch, time if recurrence.return_sequences else 1, units),
        state,
        state if recurrence.cell == "lstm" else _EMPTY,
        (tape_size,),
    )
    outputs, h, c, tape = _call("unrolled_forward", recurrence, shapes, _operands(inputs))
    return Outputs(outputs, h, c if recurrence.cell == "lstm" else None), tape


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _call(target: str, recurrence: RecurrenceSpec, shapes: tuple[tuple[int, ...], ...], operands: list[Any]) -> Any:
    """Call a kernel by the name of its XLA target; return arrays of these shapes."""
    _register()
    results = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]  # type: ignore[no-untyped-call]
    return jax.ffi.ffi_call(target, results, vmap_method="sequential")(*operands, **native.attributes(recurrence))


@_call.defjvp
def _raise_second_derivative(target: str, recurrence: RecurrenceSpec, shapes: Any, primals: Any, tangents: Any) -> Any:
    raise InvalidInput(native.SECOND_DERIVATIVE)


@cache
def _register() -> None:
    for target, capsule in native.xla_targets().items():
        jax.ffi.register_ffi_target(target, capsule, platform="cpu")


def _operands(inputs: Inputs) -> list[Any]:
    return [_or_empty(array, np.bool_ if name in BOOLEAN else np.float32) for name, array in inputs._asdict().items()]


def _or_empty(array: Any, dtype: Any = np.float32) -> Any:
    return jnp.zeros(_EMPTY, dtype) if array is None else array


# Gradients.


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """Return the gradient of a scalar function of tensors with respect to each of them, zero where unconnected."""
    found: Sequence[Any] = jax.grad(loss)(list(at))
    return found


# Random state: JAX has no global generator; Keras' layers draw from variables of their own.


def seed(number: int) -> None:
    """Do nothing."""


def random_state() -> list[int] | None:
    """Return None."""
    return None


def restore_random_state(state: list[int] | None) -> None:
    """Do nothing."""


# Feeding.


def as_dataset(batches: Any, model: Any) -> Any:
    """Return the batches unchanged: on JAX, ``fit`` accepts batches of unequal length."""
    return batches
