"""The compiled kernels: the extension, its threads and its instruction set; `forward` and `backward` on NumPy arrays.

The extension is compiled when unrolled is installed. Where it is missing, this module can still be imported:
`load_failure` returns the reason, and every function that needs the extension raises.

Environment:
    UNROLLED_THREADS: The number of threads that a kernel may use. Default: the cores of this process.
    UNROLLED_ISA: The instruction set, one of `isas()`. Default: the fastest of them.
"""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from unrolled.errors import InvalidInput, InvalidSetting, did_you_mean
from unrolled.kernels.spec import BOOLEAN, DIFFERENTIABLE, Inputs, Outputs, RecurrenceSpec
from unrolled.system import usable_cores

import numpy as np
from numpy.typing import NDArray

_load_failure: str | None = None
try:
    import unrolled.kernels._extension as _extension
except ImportError as failure:
    _extension = None  # type: ignore[assignment]
    _load_failure = str(failure)

Array = NDArray[np.float32]

_MAX_THREADS = 1024


# The extension, its threads and its instruction set.


def available() -> bool:
    """Return True if the extension is loaded."""
    return _load_failure is None


def load_failure() -> str | None:
    """Return the reason why the extension could not be loaded, in the words of Python or the linker, or None."""
    return _load_failure


def require() -> None:
    """Raise unless the extension is loaded; apply the settings of the environment at the first call.

    Raises:
        InvalidSetting: The extension is missing, or a variable of the environment has an impossible value.
    """
    if _load_failure is not None:
        raise InvalidSetting(
            f"native kernel: the compiled extension cannot be loaded ({_load_failure}). "
            "Install unrolled where GCC or Clang can compile it."
        )
    _configure()


def set_threads(count: int) -> None:
    """Set the number of threads that a kernel may use, the calling thread included.

    Results do not depend on it, bit for bit. On JAX and torch, kernels run on the framework's threads and use no more
    of them than there are. Elsewhere they run on threads of their own, which avoid the caller's core while they start.

    Raises:
        InvalidSetting: The count is not a whole number from 1 to 1024.
    """
    require()
    _extension.set_threads(_check_threads("set_threads", count))


def threads() -> int:
    """Return the number of threads that a kernel may use."""
    require()
    return _extension.threads()


def share_threads(library: Path) -> bool:
    """Run kernels on the OpenMP threads of a loaded library, so that the two do not compete for the cores.

    Returns:
        True if they do from now on; False if the library is not loaded or its OpenMP is not compatible with GCC's.
    """
    require()
    return _extension.share_threads(str(library))


def isas() -> tuple[str, ...]:
    """Return the instruction sets of this processor that have kernels, the fastest first."""
    require()
    return _extension.isas()


def isa() -> str:
    """Return the instruction set in use: "avx512", "avx2", "neon" or "baseline"."""
    require()
    return _extension.isa()


def set_isa(name: str) -> None:
    """Use the kernels of another instruction set, for tests and benchmarks.

    A tape is valid for the instruction set that it was written with.

    Raises:
        InvalidSetting: This processor lacks the instruction set, or it has no kernels.
    """
    require()
    if not _extension.set_isa(name):
        raise InvalidSetting(_unknown_isa("set_isa", name))


@cache
def _configure() -> None:
    name = os.environ.get("UNROLLED_ISA", "")
    if name and name not in _extension.isas():
        raise InvalidSetting(_unknown_isa("UNROLLED_ISA", name))
    text = os.environ.get("UNROLLED_THREADS", "")
    count = int(text) if text.isdecimal() and len(text) <= len(str(_MAX_THREADS)) else text
    _extension.set_threads(_check_threads("UNROLLED_THREADS", count) if text else usable_cores())


def _unknown_isa(where: str, name: str) -> str:
    return f'{where}: expected one of {", ".join(_extension.isas())}, got "{name}". Choose one that this processor has.'


def _check_threads(where: str, count: object) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MAX_THREADS:
        raise InvalidSetting(
            f"{where}: expected a whole number from 1 to {_MAX_THREADS}, got {count!r}."
            f" Choose the number of cores to use, or leave it out for {usable_cores()}."
        )
    return count


# Forward and backward.

SECOND_DERIVATIVE = 'native kernel: second derivatives are not supported. Give the layer kernel="reference".'
"""The message of every backend's error for a second derivative."""


def unsupported_reason(recurrence: RecurrenceSpec, *, dtype: str, device: str = "cpu") -> str | None:
    """Return the reason why no kernel can compute a recurrence, as the end of a sentence; None if one can.

    Args:
        recurrence: The computation.
        dtype: The name of the dtype of all arrays.
        device: The kind of device that holds them.

    Example:
        >>> unsupported_reason(RecurrenceSpec("gru", activation="relu"), dtype="float32")
        >>> unsupported_reason(RecurrenceSpec("gru", activation="selu"), dtype="float32")
        'activation "selu" has no native kernel'
        >>> unsupported_reason(RecurrenceSpec("gru"), dtype="bfloat16")
        'dtype bfloat16 has no native kernel, only float32 has'
    """
    if not available():
        return f"the extension could not be loaded: {load_failure()}"
    if recurrence.cell not in _extension.cells:
        return f'cell "{recurrence.cell}" has no native kernel'
    for name in _activations(recurrence):
        if name not in _extension.activations:
            return f'activation "{name}" has no native kernel'
    if dtype != "float32":
        return f"dtype {dtype} has no native kernel, only float32 has"
    if device != "cpu":
        return f"device {device} has no native kernel, only cpu has"
    return None


def forward(recurrence: RecurrenceSpec, inputs: Inputs, *, training: bool) -> tuple[Outputs, Array | None]:
    """Run the recurrence over the sequences.

    Args:
        recurrence: The computation.
        inputs: Arrays of float32, mask and resets of booleans. Those in C order are not copied.
        training: Keep a tape for `backward`.

    Returns:
        The outputs, and the tape; None without `training`.

    Raises:
        InvalidInput: An array has the wrong shape or dtype.
        InvalidSetting: No kernel can compute this recurrence, or a variable of the environment has an impossible value.
    """
    batch, time, features, units = _sizes(inputs)
    outputs = Outputs(
        outputs=np.empty((batch, time if recurrence.return_sequences else 1, units), np.float32),
        h=np.empty((batch, units), np.float32),
        c=np.empty((batch, units), np.float32) if recurrence.cell == "lstm" else None,
    )
    tape = np.empty(tape_size(recurrence, batch, time, features, units), np.float32) if training else None
    forward_into(recurrence, _in_c_order(inputs), outputs, tape)
    return outputs, tape


def backward(
    recurrence: RecurrenceSpec, inputs: Inputs, tape: Any, cotangents: Outputs, wanted: Iterable[str] = DIFFERENTIABLE
) -> Inputs:
    """Backpropagate through time along the tape that `forward` wrote.

    Args:
        recurrence: The computation passed to `forward`.
        inputs: The inputs passed to `forward`.
        tape: The tape that `forward` returned; not modified.
        cotangents: The gradients of a loss with respect to the outputs; None means zero.
        wanted: The names of the inputs to differentiate with respect to. Gradients of other inputs are not computed.

    Returns:
        The gradients, shaped like the inputs; None for those that are not wanted.

    Raises:
        InvalidInput: An array has the wrong shape or dtype, or a wanted name has no gradient.
        InvalidSetting: No kernel can compute this recurrence, or a variable of the environment has an impossible value.
    """
    names = set(wanted)
    if unknown := names.difference(DIFFERENTIABLE):
        hint = did_you_mean(min(unknown), DIFFERENTIABLE) or f" Choose among: {', '.join(DIFFERENTIABLE)}."
        raise InvalidInput(f'native kernel: no gradient with respect to "{min(unknown)}".{hint}')
    if recurrence.cell != "lstm":
        names.discard("initial_c")
    batch, time, features, units = _sizes(inputs)
    columns = recurrence.gates * units
    shapes: dict[str, tuple[int, ...]] = {
        "sequences": (batch, time, features),
        "kernel": (features, columns),
        "recurrent_kernel": (units, columns),
        "bias": (2, columns) if recurrence.cell == "gru" and recurrence.reset_after else (columns,),
        "initial_h": (batch, units),
        "initial_c": (batch, units),
    }
    gradients = Inputs(
        **{name: np.empty(shape, np.float32) if name in names else None for name, shape in shapes.items()}
    )
    checked = (_contiguous(f"cotangent of {name}", array) for name, array in cotangents._asdict().items())
    backward_into(recurrence, _in_c_order(inputs), tape, Outputs(*checked), gradients)
    return gradients


def forward_into(recurrence: RecurrenceSpec, inputs: Inputs, outputs: Outputs, tape: Any) -> None:
    """Run `forward` into arrays that the caller owns: NumPy's, or any on the CPU that support DLPack.

    Args:
        recurrence: The computation.
        inputs: Arrays in C order, float32, mask and resets of booleans.
        outputs: Arrays in C order, float32, overwritten. They must not overlap the inputs. `c` is None unless the cell
            is an LSTM.
        tape: `tape_size` float32, overwritten; None to keep no tape.

    Raises:
        InvalidInput: An array has the wrong shape.
        TypeError: An array has another dtype or order, or is on another device.
    """
    native = _native(recurrence)
    try:
        _extension.forward(native, *inputs, *outputs, tape)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def backward_into(
    recurrence: RecurrenceSpec, inputs: Inputs, tape: Any, cotangents: Outputs, gradients: Inputs
) -> None:
    """Run `backward` into arrays that the caller owns: NumPy's, or any on the CPU that support DLPack.

    Args:
        recurrence: The computation passed to `forward_into`.
        inputs: The inputs passed to `forward_into`.
        tape: The tape that `forward_into` wrote.
        cotangents: Arrays in C order, float32; None means zero.
        gradients: Arrays in C order, float32, overwritten; None where no gradient is wanted.

    Raises:
        InvalidInput: An array has the wrong shape.
        TypeError: An array has another dtype or order, or is on another device.
    """
    native = _native(recurrence)
    try:
        _extension.backward(native, *inputs, tape, *cotangents, *gradients[: len(DIFFERENTIABLE)])
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def tape_size(recurrence: RecurrenceSpec, batch: int, time: int, features: int, units: int) -> int:
    """Return the number of float32 in the tape that `forward` writes for `backward`."""
    native = _native(recurrence)
    try:
        return _extension.tape_size(native, batch, time, features, units)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def open_stream(
    recurrence: RecurrenceSpec, kernel: Array, recurrent_kernel: Array, bias: Array | None, h: Array, c: Array | None
) -> "_extension.Stream":
    """Pack the weights for `stream.Stream`, whose steps overwrite the arrays of the state.

    Raises:
        InvalidInput: An array has the wrong shape.
        InvalidSetting: No kernel can compute this recurrence.
    """
    native = _native(recurrence)
    try:
        return _extension.Stream(native, kernel, recurrent_kernel, bias, h, c)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _activations(recurrence: RecurrenceSpec) -> tuple[str, ...]:
    """Return the activations that the cell uses; a SimpleRNN has no gates."""
    gates = () if recurrence.cell == "simple_rnn" else (recurrence.recurrent_activation,)
    return (recurrence.activation, *gates)


@cache
def _native(recurrence: RecurrenceSpec) -> "_extension.Recurrence":
    require()
    if reason := unsupported_reason(recurrence, dtype="float32"):
        raise InvalidSetting(
            f"native kernel: cannot compute this recurrence: {reason}. Use unrolled.kernels.reference."
        )
    return _extension.Recurrence(
        recurrence.cell,
        recurrence.activation,
        "linear" if recurrence.cell == "simple_rnn" else recurrence.recurrent_activation,
        recurrence.reset_after,
        recurrence.go_backwards,
        recurrence.return_sequences,
        recurrence.zero_output_for_mask,
    )


def _sizes(inputs: Inputs) -> tuple[int, int, int, int]:
    sequences, weights = np.shape(inputs.sequences), np.shape(inputs.recurrent_kernel)
    if len(sequences) != 3:
        raise InvalidInput(f"native kernel: expected sequences [B, T, F], got {list(sequences)}. Add the missing axes.")
    if len(weights) != 2:
        raise InvalidInput(
            f"native kernel: expected recurrent_kernel [H, G*H], got {list(weights)}. Pass the weights of one layer."
        )
    return (*sequences, weights[0])


def _in_c_order(inputs: Inputs) -> Inputs:
    return Inputs(*(_contiguous(name, array) for name, array in inputs._asdict().items()))


def _contiguous(name: str, array: Any) -> Any:
    """Return the array in C order, copied only if it is in another order or between two numbers of memory."""
    if array is None:
        return None
    array = np.asarray(array)
    dtype: Literal["bool", "float32"] = "bool" if name in BOOLEAN else "float32"
    if array.dtype != dtype:
        raise InvalidInput(f"native kernel: expected {name} of {dtype}, got {array.dtype}. Convert it with astype.")
    return np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"])


# The interface of XLA and TensorFlow, which call the kernels without Python.


def attributes(recurrence: RecurrenceSpec) -> dict[str, np.int32 | bool]:
    """Return the recurrence as the attributes of an XLA call or a TensorFlow operation: enumerations are int32."""
    native = _native(recurrence)
    return {
        "cell": np.int32(native.cell),
        "activation": np.int32(native.activation),
        "recurrent_activation": np.int32(native.recurrent_activation),
        "reset_after": recurrence.reset_after,
        "go_backwards": recurrence.go_backwards,
        "return_sequences": recurrence.return_sequences,
        "zero_output_for_mask": recurrence.zero_output_for_mask,
    }


def xla_targets() -> dict[str, Any]:
    """Return the handlers of the kernels by the names of their targets, for ``jax.ffi.register_ffi_target``.

    ::

        unrolled_forward:  the ten Inputs -> outputs, h, c, tape
        unrolled_backward: the ten Inputs, tape, the three cotangents -> the gradients of the six first inputs

    An array without elements stands for an absent input, a zero cotangent and a gradient that is not wanted.
    """
    require()
    return {"unrolled_forward": _extension.xla_forward, "unrolled_backward": _extension.xla_backward}


def register_with_tensorflow(library: Path) -> None:
    """Register the kernels as operations of a loaded TensorFlow: ``UnrolledForward`` and ``UnrolledBackward``.

    Args:
        library: The file of TensorFlow's framework library, already loaded by this process.

    Raises:
        InvalidSetting: The extension is missing.
        RuntimeError: The library is not loaded, or lacks a symbol that the operations need.
    """
    require()
    _extension.register_with_tensorflow(str(library))
