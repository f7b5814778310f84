"""The kernels as a TensorFlow function: eagerly, inside ``tf.function``, and under ``GradientTape``.

They are two operations of TensorFlow's own kind, registered when they are first used: they run without Python and
without a copy. XLA cannot compile them, and a SavedModel that holds them loads only where
`unsupported_reason` has been asked before.

A tape does not say which gradients it will ask for, only what it watches. What it watches is computed by one
operation; in a graph, where a tape outside may still ask for the others, they are a second operation, which
TensorFlow drops where nobody does. A forward pass that nothing watches keeps no tape; if it is differentiated all the
same, backward runs it again.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context, execute
from tensorflow.python.eager.record import should_record_backprop
from tensorflow.python.framework import op_def_library

COMPILES = False
"""Whether the kernels may be part of what the framework compiles."""

_FORWARD, _BACKWARD = "UnrolledForward", "UnrolledBackward"
_REGISTERING = Lock()
_DIFFERENTIABLE = Inputs._fields[:6]
_COTANGENTS = tuple(f"{name}_cotangent" for name in Outputs._fields)


def unsupported_reason(recurrence: RecurrenceSpec, dtype: str, array: Any = None) -> str | None:
    """Why the kernels cannot compute this here: TensorFlow computes on a GPU where it has one."""
    device = "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    if reason := native.unsupported_reason(recurrence, dtype=dtype, device=device):
        return reason
    failure = _registration_failure()
    return failure and f"this TensorFlow does not take our operations: {failure}"


def run(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    """The results, differentiable once, in reverse mode, by the six first inputs; a ``ForwardAccumulator`` finds None.

    Batch and time may be unknown while tracing.

    Example:
        >>> inputs = Inputs(tf.ones((2, 3, 4)), tf.ones((4, 5)), tf.zeros((5, 5)))
        >>> run(RecurrenceSpec("simple_rnn", activation="relu"), inputs).h[0].numpy()
        array([4., 4., 4., 4., 4.], dtype=float32)
    """
    inputs = Inputs(*(None if array is None else tf.convert_to_tensor(array) for array in inputs))
    present = [name for name, array in inputs._asdict().items() if array is not None]
    given = [name for name in present if name in _DIFFERENTIABLE]
    watched = [name for name in given if should_record_backprop([getattr(inputs, name)])]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def differentiable(*arrays: Any) -> tuple[tuple[Any, ...], Callable[..., Any]]:
        call = _Call(recurrence, Inputs(**dict(zip(present, arrays, strict=True))))
        results, tape = call.forward(training=bool(watched))
        return results, lambda *cotangents: call.gradients(given, watched, tape, cotangents)

    return Outputs(*differentiable(*(getattr(inputs, name) for name in present)))


class _Call:
    """One call of the kernels: its arrays, and what is known of their shapes."""

    def __init__(self, recurrence: RecurrenceSpec, inputs: Inputs):
        self.recurrence = recurrence
        self.inputs = inputs

    def forward(self, *, training: bool) -> tuple[tuple[Any, ...], Any]:
        """The results that are there and the tape, None unless training."""
        outputs, h, c, tape = self._operate(_FORWARD, {}, 4, keeps_tape=training)
        batch, time, _ = self.inputs.sequences.shape
        units = self.inputs.recurrent_kernel.shape[0]
        outputs = tf.ensure_shape(outputs, (batch, time if self.recurrence.return_sequences else 1, units))
        states = [h, c] if self.recurrence.cell == "lstm" else [h]
        for state in states:
            state.set_shape((batch, units))
        return (outputs, *states), tape if training else None

    def gradients(
        self, given: Sequence[str], watched: Sequence[str], tape: Any, cotangents: Sequence[Any]
    ) -> list[Any]:
        """One for each array that is present; None where it cannot be asked for."""
        unwatched = [] if tf.executing_eagerly() else [name for name in given if name not in watched]
        named: dict[str, Any] = {}
        for wanted in filter(None, (watched, unwatched)):
            named |= self._backward(wanted, tape, cotangents)
        return [named.get(name) for name, array in self.inputs._asdict().items() if array is not None]

    def _backward(self, wanted: Sequence[str], tape: Any, cotangents: Sequence[Any]) -> dict[str, Any]:
        present = [array for array in self.inputs if array is not None]

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def differentiable_no_more(*arrays: Any) -> tuple[tuple[Any, ...], Callable[..., Any]]:
            remembered = self.forward(training=True)[1] if tape is None else tape
            given = dict(zip(_COTANGENTS, [*cotangents, None], strict=False))
            wish = sum(1 << number for number, name in enumerate(_DIFFERENTIABLE) if name in wanted)
            gradients = self._operate(_BACKWARD, {"tape": remembered} | given, 6, wanted=wish)
            named = dict(zip(_DIFFERENTIABLE, gradients, strict=True))
            for name in wanted:
                named[name].set_shape(getattr(self.inputs, name).shape)
            return tuple(named[name] for name in wanted), lambda *second: _refuse(arrays, second)

        arrays = [*present, *([] if tape is None else [tape]), *cotangents]
        return dict(zip(wanted, differentiable_no_more(*arrays), strict=True))

    def _operate(self, name: str, more: dict[str, Any], results: int, **settings: Any) -> list[Any]:
        arrays = {key: _or_nothing(key, array) for key, array in (self.inputs._asdict() | more).items()}
        attributes = {
            key: value if isinstance(value, bool) else int(value)
            for key, value in native.attributes(self.recurrence).items()
        }
        return _operation(name, arrays, results, attributes | settings)


def _refuse(arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """The derivative of a derivative, which is known only where it is multiplied by zero.

    A graph that is differentiated as a whole asks for it, with cotangents of zero, even where nobody needs it.
    """
    floats = [array for array in arrays if array.dtype == tf.float32]

    def compute(*given: Any) -> list[Any]:
        if any(np.any(cotangent) for cotangent in given[: len(cotangents)]):
            raise InvalidInput(native.SECOND_DERIVATIVE)
        return [np.zeros_like(array) for array in given[len(cotangents) :]]

    if tf.executing_eagerly():
        zeros = iter(map(tf.convert_to_tensor, compute(*cotangents, *floats)))
    else:
        zeros = iter(tf.numpy_function(compute, [*cotangents, *floats], [tf.float32] * len(floats), stateful=False))
    return [tf.ensure_shape(next(zeros), array.shape) if array.dtype == tf.float32 else None for array in arrays]


def _operation(name: str, arrays: dict[str, Any], results: int, attributes: dict[str, Any]) -> list[Any]:
    """Run now, or as part of the graph that is being built. It is stateless, so unused it is dropped."""
    _registration_failure()
    if not tf.executing_eagerly():
        return list(op_def_library.apply_op(name, **arrays, **attributes))
    flat = tuple(part for pair in attributes.items() for part in pair)
    return list(execute.execute(name.encode(), results, list(arrays.values()), flat, context.context()))


def _or_nothing(name: str, array: Any) -> Any:
    return tf.zeros((0,), tf.bool if name == "mask" else tf.float32) if array is None else array


def _registration_failure() -> str | None:
    """Why TensorFlow does not know the operations; None once it does."""
    with _REGISTERING:
        return _register()


@cache
def _register() -> str | None:
    names = [flag.removeprefix("-l:") for flag in tf.sysconfig.get_link_flags() if flag.startswith("-l:")]
    if not names:
        return "it does not say what its library is called"
    try:
        native.register_with_tensorflow(Path(tf.sysconfig.get_lib()) / names[0])
    except RuntimeError as error:
        return str(error)
    for operation in (_FORWARD, _BACKWARD):
        tf.no_gradient(operation)  # the gradients of what `run` makes of them are said there
    return None


def gradients(loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a scalar function of tensors with respect to each of them."""
    with tf.GradientTape() as tape:
        for tensor in at:
            tape.watch(tensor)
        value = loss(at)
    found: Sequence[Any] = tape.gradient(value, list(at), unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return found


def as_dataset(batches: keras.utils.PyDataset) -> Any:
    """A ``tf.data.Dataset`` of batches whose second axis may have any length.

    Keras would take the shapes of the first two batches for those of all.
    """
    first = batches[0]
    shapes = [(None, None, *first[0].shape[2:]), *((None, *array.shape[1:]) for array in first[1:])]
    signature = tuple(tf.TensorSpec(shape, array.dtype) for shape, array in zip(shapes, first, strict=True))

    def each() -> Iterator[tuple[Any, ...]]:
        for index in range(batches.num_batches):
            yield batches[index]

    return tf.data.Dataset.from_generator(each, output_signature=signature).prefetch(tf.data.AUTOTUNE)
