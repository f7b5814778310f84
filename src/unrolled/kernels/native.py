"""The C++ kernels, on NumPy arrays of float32.

What they compute is specified by `reference`; here is how they are called, and whether they can be: they are compiled,
and `extension` may have found none.

Example:
    >>> from unrolled.kernels.recurrence import Inputs, Recurrence
    >>> recurrence = Recurrence("simple_rnn", activation="relu")
    >>> inputs = Inputs(*(np.ones(shape, np.float32) for shape in [(2, 3, 4), (4, 5), (5, 5)]))
    >>> results, tape = forward(recurrence, inputs, training=True)
    >>> results.h[0]
    array([124., 124., 124., 124., 124.], dtype=float32)
    >>> cotangents = Results(outputs=None, h=np.ones((2, 5), np.float32))
    >>> backward(recurrence, inputs, tape, cotangents, ["kernel"]).kernel.shape
    (4, 5)
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from unrolled.errors import InvalidInput, InvalidSetting, did_you_mean
from unrolled.kernels import extension
from unrolled.kernels.extension import compiled
from unrolled.kernels.recurrence import Inputs, Recurrence, Results

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SECOND_DERIVATIVE = (
    "native kernel: expected to be differentiated once, got a derivative of a derivative. "
    'Give the layer kernel="reference".'
)
"""What every framework's join says to it."""

_DIFFERENTIABLE = Inputs._fields[:6]


def unsupported_reason(recurrence: Recurrence, *, dtype: str, device: str = "cpu") -> str | None:
    """Why no kernel computes this, in words that end a sentence; None if one does.

    Args:
        recurrence: What is to be computed.
        dtype: The name of the type of all its arrays.
        device: The kind of device that holds them.

    Example:
        >>> unsupported_reason(Recurrence("gru", activation="relu"), dtype="float32")
        >>> unsupported_reason(Recurrence("gru", activation="selu"), dtype="float32")
        'activation "selu" has no native kernel'
        >>> unsupported_reason(Recurrence("gru"), dtype="bfloat16")
        'dtype bfloat16 has no native kernel, only float32 has'
    """
    if not extension.available():
        return f"the extension could not be loaded: {extension.load_failure()}"
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


def forward(recurrence: Recurrence, inputs: Inputs, *, training: bool) -> tuple[Results, Array | None]:
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
    results = Results(
        outputs=np.empty((batch, time if recurrence.return_sequences else 1, units), np.float32),
        h=np.empty((batch, units), np.float32),
        c=np.empty((batch, units), np.float32) if recurrence.cell == "lstm" else None,
    )
    tape = np.empty(tape_size(recurrence, batch, time, features, units), np.float32) if training else None
    forward_into(recurrence, _in_c_order(inputs), results, tape)
    return results, tape


def backward(
    recurrence: Recurrence, inputs: Inputs, tape: Any, cotangents: Results, wanted: Iterable[str] = _DIFFERENTIABLE
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
    backward_into(recurrence, _in_c_order(inputs), tape, Results(*known), gradients)
    return gradients


def forward_into(recurrence: Recurrence, inputs: Inputs, results: Results, tape: Any) -> None:
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


def backward_into(recurrence: Recurrence, inputs: Inputs, tape: Any, cotangents: Results, gradients: Inputs) -> None:
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


def tape_size(recurrence: Recurrence, batch: int, time: int, features: int, units: int) -> int:
    """How many float32 `forward` remembers for `backward`."""
    native = _native(recurrence)
    try:
        return compiled.tape_size(native, batch, time, features, units)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def attributes(recurrence: Recurrence) -> dict[str, np.int32 | bool]:
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
    extension.require()
    return {"unrolled_forward": compiled.xla_forward, "unrolled_backward": compiled.xla_backward}


def open_stream(
    recurrence: Recurrence, kernel: Array, recurrent_kernel: Array, bias: Array | None, h: Array, c: Array | None
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
    extension.require()
    compiled.register_with_tensorflow(str(library))


def _activations(recurrence: Recurrence) -> tuple[str, ...]:
    """Those that are used: a SimpleRNN has no gates."""
    gates = () if recurrence.cell == "simple_rnn" else (recurrence.recurrent_activation,)
    return (recurrence.activation, *gates)


@cache
def _native(recurrence: Recurrence) -> "compiled.Recurrence":
    extension.require()
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
