"""The compiled extension: whether it is here, how many threads its kernels use, and which instruction set.

It is built when unrolled is installed. Where it is missing, importing this module does no harm: `load_failure` says
why, and what needs the extension raises.

Environment:
    UNROLLED_THREADS: how many threads a kernel may use; else as many as this process has cores.
    UNROLLED_ISA: the instruction set, one of `isas()`; else the fastest of them.
"""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from unrolled.errors import InvalidInput, InvalidSetting, did_you_mean
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec
from unrolled.system import usable_cores

import numpy as np
from numpy.typing import NDArray

_load_failure: str | None = None
try:
    import unrolled.kernels._extension as _extension
except ImportError as failure:
    _extension = None  # type: ignore[assignment]
    _load_failure = str(failure)

compiled = _extension
"""What csrc/python.cc defines. Its constants may be read where it is `available`; all else wants `require` before."""

_MOST_THREADS = 1024


def available() -> bool:
    """Whether the extension is here, for any recurrence at all."""
    return _load_failure is None


def load_failure() -> str | None:
    """Why the extension could not be loaded, in Python's or the linker's words; None if it was."""
    return _load_failure


def require() -> None:
    """To be called before `compiled` is used: it must be here, and is set up as the environment asks.

    Raises:
        InvalidSetting: It is not here, or the environment names impossible settings.
    """
    if _load_failure is not None:
        raise InvalidSetting(
            f"native kernel: expected the extension of unrolled, got none ({_load_failure}). "
            "Install unrolled where it can be compiled, with GCC or Clang."
        )
    _set_up()


def set_threads(count: int) -> None:
    """How many threads the next kernel may use, the caller's included. Results do not depend on it, bit for bit.

    On JAX and torch a kernel computes on their threads, and uses no more of them than they have. Elsewhere they are its
    own; for the moment in which they wake up, the caller's core is not among those that they may run on.

    Raises:
        InvalidSetting: The count is not a whole number from 1 to 1024.
    """
    require()
    compiled.set_threads(_thread_count("set_threads", count))


def threads() -> int:
    """How many threads the next kernel may use."""
    require()
    return compiled.threads()


def share_threads(library: Path) -> bool:
    """Compute on the OpenMP threads that a loaded library computes on, so that the two do not fight over the cores.

    Returns:
        Whether that is so now; False where the library is not loaded or uses no OpenMP like GCC's.
    """
    require()
    return compiled.share_threads(str(library))


def isas() -> tuple[str, ...]:
    """The instruction sets of this processor that there are kernels for, the fastest first."""
    require()
    return compiled.isas()


def isa() -> str:
    """The instruction set of the kernels in use: "avx512", "avx2", "neon" or "baseline"."""
    require()
    return compiled.isa()


def set_isa(name: str) -> None:
    """Use the kernels of another instruction set, for tests and benchmarks. A tape is good for those that wrote it.

    Raises:
        InvalidSetting: This processor has no such instruction set, or there are no kernels for it.
    """
    require()
    if not compiled.set_isa(name):
        raise InvalidSetting(_no_such_isa("set_isa", name))


@cache
def _set_up() -> None:
    wish = os.environ.get("UNROLLED_ISA", "")
    if wish and wish not in compiled.isas():
        raise InvalidSetting(_no_such_isa("UNROLLED_ISA", wish))
    count = os.environ.get("UNROLLED_THREADS", "")
    whole = int(count) if count.isdecimal() and len(count) <= len(str(_MOST_THREADS)) else count
    compiled.set_threads(_thread_count("UNROLLED_THREADS", whole) if count else usable_cores())


def _no_such_isa(where: str, name: str) -> str:
    return f'{where}: expected one of {", ".join(compiled.isas())}, got "{name}". Name one that this processor has.'


def _thread_count(where: str, count: object) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST_THREADS:
        raise InvalidSetting(
            f"{where}: expected a whole number from 1 to {_MOST_THREADS}, got {count!r}."
            f" Name the number of cores to use, or leave it out for {usable_cores()}."
        )
    return count


Array = NDArray[np.float32]

SECOND_DERIVATIVE = (
    "native kernel: expected to be differentiated once, got a derivative of a derivative. "
    'Give the layer kernel="reference".'
)
"""What every framework's join says to it."""

_DIFFERENTIABLE = Inputs._fields[:6]


def unsupported_reason(recurrence: RecurrenceSpec, *, dtype: str, device: str = "cpu") -> str | None:
    """Why no kernel computes this, in words that end a sentence; None if one does.

    Args:
        recurrence: What is to be computed.
        dtype: The name of the type of all its arrays.
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
    if recurrence.cell not in compiled.cells:
        return f'cell "{recurrence.cell}" has no native kernel'
    for name in _activations(recurrence):
        if name not in compiled.activations:
            return f'activation "{name}" has no native kernel'
    if dtype != "float32":
        return f"dtype {dtype} has no native kernel, only float32 has"
    if device != "cpu":
        return f"device {device} has no native kernel, only cpu has"
    return None


def forward(recurrence: RecurrenceSpec, inputs: Inputs, *, training: bool) -> tuple[Outputs, Array | None]:
    """Read the sequences and remember what `backward` will need, if there is to be a `backward`.

    Args:
        recurrence: What to compute.
        inputs: Arrays of float32, the mask of booleans. Those in C order are read where they are.
        training: Whether to keep a tape.

    Returns:
        The results, and the tape, which is None without `training`.

    Raises:
        InvalidInput: An array has the wrong shape or type.
        InvalidSetting: There is no kernel for this recurrence, or the environment names impossible settings.
    """
    batch, time, features, units = _sizes(inputs)
    results = Outputs(
        outputs=np.empty((batch, time if recurrence.return_sequences else 1, units), np.float32),
        h=np.empty((batch, units), np.float32),
        c=np.empty((batch, units), np.float32) if recurrence.cell == "lstm" else None,
    )
    tape = np.empty(tape_size(recurrence, batch, time, features, units), np.float32) if training else None
    forward_into(recurrence, _in_c_order(inputs), results, tape)
    return results, tape


def backward(
    recurrence: RecurrenceSpec, inputs: Inputs, tape: Any, cotangents: Outputs, wanted: Iterable[str] = _DIFFERENTIABLE
) -> Inputs:
    """Walk back over the tape that `forward` wrote for the same recurrence and inputs.

    Args:
        recurrence: As given to `forward`.
        inputs: As given to `forward`.
        tape: What `forward` returned beside its results; it is left as it is.
        cotangents: The gradients of a loss by the results; None means zero.
        wanted: The names of the inputs to differentiate by. The work for others is left out.

    Returns:
        The gradients, shaped like the inputs; None where not wanted.

    Raises:
        InvalidInput: An array has the wrong shape or type, or a wanted name has no gradient.
        InvalidSetting: There is no kernel for this recurrence, or the environment names impossible settings.
    """
    names = set(wanted)
    if unknown := names.difference(_DIFFERENTIABLE):
        raise InvalidInput(
            f'native kernel: expected wanted names among {", ".join(_DIFFERENTIABLE)}, got "{min(unknown)}".'
            f"{did_you_mean(min(unknown), _DIFFERENTIABLE) or ' Leave it out.'}"
        )
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
    empty = {name: np.empty(shape, np.float32) if name in names else None for name, shape in shapes.items()}
    gradients = Inputs(**empty)
    known = (_checked(f"cotangent of {name}", array) for name, array in cotangents._asdict().items())
    backward_into(recurrence, _in_c_order(inputs), tape, Outputs(*known), gradients)
    return gradients


def forward_into(recurrence: RecurrenceSpec, inputs: Inputs, results: Outputs, tape: Any) -> None:
    """As `forward`, into arrays that the caller owns: NumPy's, or any on the CPU that speak DLPack.

    Args:
        recurrence: What to compute.
        inputs: Arrays in C order, float32, the mask of booleans.
        results: Arrays in C order, float32, overwritten. They may not overlap the inputs. `c` is None but for an LSTM.
        tape: `tape_size` float32, overwritten, or None to keep none.

    Raises:
        InvalidInput: An array has the wrong shape.
        TypeError: An array has another type or order, or is on another device.
    """
    native = _native(recurrence)
    try:
        compiled.forward(native, *inputs, *results, tape)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def backward_into(
    recurrence: RecurrenceSpec, inputs: Inputs, tape: Any, cotangents: Outputs, gradients: Inputs
) -> None:
    """As `backward`, into arrays that the caller owns: NumPy's, or any on the CPU that speak DLPack.

    Args:
        recurrence: As given to `forward_into`.
        inputs: As given to `forward_into`.
        tape: As `forward_into` wrote it.
        cotangents: Arrays in C order, float32; None means zero.
        gradients: Arrays in C order, float32, overwritten; None where no gradient is wanted.

    Raises:
        InvalidInput: An array has the wrong shape.
        TypeError: An array has another type or order, or is on another device.
    """
    native = _native(recurrence)
    try:
        compiled.backward(native, *inputs, tape, *cotangents, *gradients[: len(_DIFFERENTIABLE)])
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def tape_size(recurrence: RecurrenceSpec, batch: int, time: int, features: int, units: int) -> int:
    """How many float32 `forward` remembers for `backward`."""
    native = _native(recurrence)
    try:
        return compiled.tape_size(native, batch, time, features, units)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def attributes(recurrence: RecurrenceSpec) -> dict[str, np.int32 | bool]:
    """The recurrence as XLA and TensorFlow are told it: enumerations as int32, and booleans."""
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
    """What XLA can call by itself: the name of each target and its handler, for ``jax.ffi.register_ffi_target``.

    ::

        unrolled_forward:  the nine Inputs -> outputs, h, c, tape
        unrolled_backward: the nine Inputs, tape, the three cotangents -> the gradients of the six first inputs

    An array that is absent, zero, or not asked for is one without elements.
    """
    require()
    return {"unrolled_forward": compiled.xla_forward, "unrolled_backward": compiled.xla_backward}


def open_stream(
    recurrence: RecurrenceSpec, kernel: Array, recurrent_kernel: Array, bias: Array | None, h: Array, c: Array | None
) -> "compiled.Stream":
    """What `stream.Stream` steps: weights packed once, and the arrays of the state, which each step overwrites.

    Raises:
        InvalidInput: An array has the wrong shape.
        InvalidSetting: There is no kernel for this recurrence.
    """
    native = _native(recurrence)
    try:
        return compiled.Stream(native, kernel, recurrent_kernel, bias, h, c)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def register_with_tensorflow(library: Path) -> None:
    """Make the kernels two operations of the TensorFlow of this process, ``UnrolledForward`` and ``UnrolledBackward``.

    Args:
        library: The file of TensorFlow's framework library, which is loaded already.

    Raises:
        InvalidSetting: The extension is not here.
        RuntimeError: That library is not loaded, or lacks what is needed.
    """
    require()
    compiled.register_with_tensorflow(str(library))


def _activations(recurrence: RecurrenceSpec) -> tuple[str, ...]:
    """Those that are used: a SimpleRNN has no gates."""
    gates = () if recurrence.cell == "simple_rnn" else (recurrence.recurrent_activation,)
    return (recurrence.activation, *gates)


@cache
def _native(recurrence: RecurrenceSpec) -> "compiled.Recurrence":
    require()
    if reason := unsupported_reason(recurrence, dtype="float32"):
        raise InvalidSetting(
            f"native kernel: expected a recurrence that it can compute, got one whose {reason}."
            " Use unrolled.kernels.reference."
        )
    return compiled.Recurrence(
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
        raise InvalidInput(
            f"native kernel: expected sequences [B, T, F], got {list(sequences)}. Add the axes that are missing."
        )
    if len(weights) != 2:
        raise InvalidInput(
            f"native kernel: expected recurrent_kernel [H, G*H], got {list(weights)}. Give the weights of one layer."
        )
    return (*sequences, weights[0])


def _in_c_order(inputs: Inputs) -> Inputs:
    return Inputs(*(_checked(name, array) for name, array in inputs._asdict().items()))


def _checked(name: str, array: Any) -> Any:
    """The array in C order, which copies it only if it is in another."""
    if array is None:
        return None
    array = np.asarray(array)
    dtype: Literal["bool", "float32"] = "bool" if name == "mask" else "float32"
    if array.dtype != dtype:
        raise InvalidInput(f"native kernel: expected {name} of {dtype}, got {array.dtype}. Convert it with astype.")
    return np.ascontiguousarray(array)
