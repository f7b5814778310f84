"""Everything that differs on TensorFlow.

The recurrent operation works eagerly, inside ``tf.function`` and under ``GradientTape``. The kernels are two operations
of TensorFlow's own kind, registered at their first use, which run without Python and without a copy. XLA cannot compile
them: where it is asked for, Keras' own loop computes. A SavedModel with them loads only in a process that has called
`unsupported_reason` or `run_recurrence`.

A gradient tape knows which tensors it watches, but not yet which gradients it will ask for. Gradients with respect to
watched tensors are computed by one operation. In a graph, an outer tape may still ask for the others; a second
operation computes those, and TensorFlow drops it if they are unused. A forward pass that no tape watches keeps no tape
of its own; if it is differentiated nevertheless, the backward pass runs it again.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from unrolled.backends.callers import refuse_after_fork
from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.spec import BOOLEAN, DIFFERENTIABLE, Inputs, Outputs, RecurrenceSpec

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from tensorflow.python.eager import context, execute
from tensorflow.python.eager.polymorphic_function import polymorphic_function
from tensorflow.python.eager.record import should_record_backprop
from tensorflow.python.framework import op_def_library

CAN_COMPILE = False
"""True if the kernels can be part of a function that the framework compiles."""

_FORWARD, _BACKWARD = "UnrolledForward", "UnrolledBackward"
_FUNCTIONS = polymorphic_function.__file__
_REGISTERING = Lock()
_COTANGENTS = tuple(f"{name}_cotangent" for name in Outputs._fields)


refuse_after_fork(TensorFlowTrainer, "TensorFlow", lambda: bool(context.context()._initialized))


# The recurrent operation.


def unsupported_reason(recurrence: RecurrenceSpec, dtype: str, array: Any = None) -> str | None:
    """Return the reason why no kernel can compute a recurrence here; None if one can.

    TensorFlow computes on a GPU wherever it finds one.
    """
    if not tf.executing_eagerly() and _is_traced_for_xla():
        return "XLA, which jit_compile=True asks for, has no native kernel"
    device = "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    if reason := native.unsupported_reason(recurrence, dtype=dtype, device=device):
        return reason
    failure = _registration_failure()
    return failure and f"this TensorFlow does not accept the operations of unrolled: {failure}"


def run_recurrence(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    """Run the native kernels; differentiable once, in reverse mode, with respect to the six first inputs.

    A ``ForwardAccumulator`` gets None. Batch and time may be unknown while tracing.

    Example:
        >>> inputs = Inputs(tf.ones((2, 3, 4)), tf.ones((4, 5)), tf.zeros((5, 5)))
        >>> run_recurrence(RecurrenceSpec("simple_rnn", activation="relu"), inputs).h[0].numpy()
        array([4., 4., 4., 4., 4.], dtype=float32)
    """
    inputs = Inputs(*(None if array is None else tf.convert_to_tensor(array) for array in inputs))
    present = [name for name, array in inputs._asdict().items() if array is not None]
    floats = [name for name in present if name in DIFFERENTIABLE]
    watched = [name for name in floats if should_record_backprop([getattr(inputs, name)])]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def differentiable(*arrays: Any) -> tuple[tuple[Any, ...], Callable[..., Any]]:
        call = _Call(recurrence, Inputs(**dict(zip(present, arrays, strict=True))))
        outputs, tape = call.forward(training=bool(watched))
        return outputs, lambda *cotangents: call.gradients(floats, watched, tape, cotangents)

    return Outputs(*differentiable(*(getattr(inputs, name) for name in present)))


def _is_traced_for_xla() -> bool:
    """Return True within the tracing of a ``tf.function(jit_compile=True)``, which no graph tells of itself."""
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self") if frame.f_code.co_filename == _FUNCTIONS else None
        if isinstance(caller, polymorphic_function.Function) and caller._jit_compile:
            return True
        frame = frame.f_back
    return False


class _Call:
    """One call of the kernels: the recurrence and its tensors."""

    def __init__(self, recurrence: RecurrenceSpec, inputs: Inputs):
        self.recurrence = recurrence
        self.inputs = inputs

    def forward(self, *, training: bool) -> tuple[tuple[Any, ...], Any]:
        """Return the outputs that the cell has, and the tape; None unless training."""
        outputs, h, c, tape = self._operate(_FORWARD, {}, 4, keeps_tape=training)
        batch, time, _ = self.inputs.sequences.shape
        units = self.inputs.recurrent_kernel.shape[0]
        outputs = tf.ensure_shape(outputs, (batch, time if self.recurrence.return_sequences else 1, units))
        states = [h, c] if self.recurrence.cell == "lstm" else [h]
        for state in states:
            state.set_shape((batch, units))
        return (outputs, *states), tape if training else None

    def gradients(
        self, floats: Sequence[str], watched: Sequence[str], tape: Any, cotangents: Sequence[Any]
    ) -> list[Any]:
        """Return one gradient for each present input; None where no tape can ask for it."""
        unwatched = [] if tf.executing_eagerly() else [name for name in floats if name not in watched]
        named: dict[str, Any] = {}
        for wanted in filter(None, (watched, unwatched)):
            named |= self._backward(wanted, tape, cotangents)
        return [named.get(name) for name, array in self.inputs._asdict().items() if array is not None]

    def _backward(self, wanted: Sequence[str], tape: Any, cotangents: Sequence[Any]) -> dict[str, Any]:
        present = [array for array in self.inputs if array is not None]

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def not_differentiable(*arrays: Any) -> tuple[tuple[Any, ...], Callable[..., Any]]:
            kept = self.forward(training=True)[1] if tape is None else tape
            operands = {"tape": kept} | dict(zip(_COTANGENTS, [*cotangents, None], strict=False))
            bits = sum(1 << number for number, name in enumerate(DIFFERENTIABLE) if name in wanted)
            found = self._operate(_BACKWARD, operands, 6, wanted=bits)
            named = dict(zip(DIFFERENTIABLE, found, strict=True))
            for name in wanted:
                named[name].set_shape(getattr(self.inputs, name).shape)
            return tuple(named[name] for name in wanted), lambda *second: _second_derivative(arrays, second)

        arrays = [*present, *([] if tape is None else [tape]), *cotangents]
        return dict(zip(wanted, not_differentiable(*arrays), strict=True))

    def _operate(self, name: str, more: dict[str, Any], results: int, **options: Any) -> list[Any]:
        arrays = {key: _or_empty(key, array) for key, array in (self.inputs._asdict() | more).items()}
        attributes = {
            key: value if isinstance(value, bool) else int(value)
            for key, value in native.attributes(self.recurrence).items()
        }
        return _operation(name, arrays, results, attributes | options)


def _second_derivative(arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """Raise unless every cotangent is zero; return zeros.

    Differentiating a whole graph asks for second derivatives with cotangents of zero, even where nothing uses them.
    """
    floats = [array for array in arrays if array.dtype == tf.float32]

    def compute(*values: Any) -> list[Any]:
        if any(np.any(cotangent) for cotangent in values[: len(cotangents)]):
            raise InvalidInput(native.SECOND_DERIVATIVE)
        return [np.zeros_like(array) for array in values[len(cotangents) :]]

    if tf.executing_eagerly():
        zeros = iter(map(tf.convert_to_tensor, compute(*cotangents, *floats)))
    else:
        zeros = iter(tf.numpy_function(compute, [*cotangents, *floats], [tf.float32] * len(floats), stateful=False))
    return [tf.ensure_shape(next(zeros), array.shape) if array.dtype == tf.float32 else None for array in arrays]


def _operation(name: str, arrays: dict[str, Any], results: int, attributes: dict[str, Any]) -> list[Any]:
    """Run an operation now, or add it to the graph that is being traced.

    It is stateless, so that TensorFlow drops it where its results are unused.
    """
    _registration_failure()
    if not tf.executing_eagerly():
        return list(op_def_library.apply_op(name, **arrays, **attributes))
    flat = tuple(part for pair in attributes.items() for part in pair)
    return list(execute.execute(name.encode(), results, list(arrays.values()), flat, context.context()))


def _or_empty(name: str, array: Any) -> Any:
    return tf.zeros((0,), tf.bool if name in BOOLEAN else tf.float32) if array is None else array


def _registration_failure() -> str | None:
    """Register the operations once; return the reason why TensorFlow does not accept them, or None."""
    with _REGISTERING:
        return _register()


@cache
def _register() -> str | None:
    names = [flag.removeprefix("-l:") for flag in tf.sysconfig.get_link_flags() if flag.startswith("-l:")]
    if not names:
        return "the name of its library is unknown"
    try:
        native.register_with_tensorflow(Path(tf.sysconfig.get_lib()) / names[0])
    except RuntimeError as error:
        return str(error)
    for operation in (_FORWARD, _BACKWARD):
        tf.no_gradient(operation)  # `run_recurrence` defines their gradients
    return None


# Gradients.


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """Return the gradient of a scalar function of tensors with respect to each of them, zero where unconnected."""
    with tf.GradientTape() as tape:
        for tensor in at:
            tape.watch(tensor)
        value = loss(at)
    found: Sequence[Any] = tape.gradient(value, list(at), unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return found


# Random state: Keras' layers draw from variables of their own, not from TensorFlow's global generator.


def seed(number: int) -> None:
    """Do nothing."""


def random_state() -> list[int] | None:
    """Return None."""
    return None


def restore_random_state(state: list[int] | None) -> None:
    """Do nothing."""


# Feeding.


def as_dataset(batches: keras.utils.PyDataset, model: keras.Model) -> Any:
    """Return a ``tf.data.Dataset`` of batches of any length for a model with one input or several by name.

    From a ``PyDataset``, Keras would take the shapes of the first two batches for those of all.
    """
    inputs, *others = batches[0]
    specs = {one.name: tf.TensorSpec(one.shape, one.dtype) for one in model.inputs}
    first = specs if isinstance(inputs, dict) else tf.TensorSpec(model.inputs[0].shape, inputs.dtype)
    # The targets and weights of steps are as long as the inputs.
    has_steps = len(model.outputs[0].shape) == 3
    shapes = ((None, None, *one.shape[2:]) if has_steps else (None, *one.shape[1:]) for one in others)
    signature = (first, *(tf.TensorSpec(shape, one.dtype) for shape, one in zip(shapes, others, strict=True)))

    def generate() -> Iterator[tuple[Any, ...]]:
        for index in range(batches.num_batches):
            yield batches[index]

    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(tf.data.AUTOTUNE)
