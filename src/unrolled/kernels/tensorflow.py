"""The kernels as a TensorFlow function: eagerly, inside ``tf.function``, and under ``GradientTape``.

TensorFlow runs them as an operation in Python, in the process that built it (``tf.numpy_function``): XLA cannot
compile it and a SavedModel cannot hold it. Inputs are read where they are. Results are handed over where TensorFlow
can use their memory, and copied where their alignment is not TensorFlow's.

A tape does not say which gradients it will ask for, only what it watches. What it watches is computed by one
operation; in a graph, where a tape outside may still ask for the others, they are a second operation, which
TensorFlow drops where nobody does. A forward pass that nothing watches keeps no tape; if it is differentiated all the
same, backward runs it again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.recurrence import Inputs, Recurrence, Results

import numpy as np
import tensorflow as tf
from tensorflow.python.eager.record import should_record_backprop

COMPILES = False
"""Whether the kernels may be part of what the framework compiles."""

_DIFFERENTIABLE = Inputs._fields[:6]


def unsupported_reason(recurrence: Recurrence, dtype: str, array: Any = None) -> str | None:
    """Why the kernels cannot compute this here: TensorFlow computes on a GPU where it has one."""
    device = "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    return native.unsupported_reason(recurrence, dtype=dtype, device=device)


def run(recurrence: Recurrence, inputs: Inputs) -> Results:
    """The results, differentiable once by the six first inputs. Batch and time may be unknown while tracing.

    Example:
        >>> inputs = Inputs(tf.ones((2, 3, 4)), tf.ones((4, 5)), tf.zeros((5, 5)))
        >>> run(Recurrence("simple_rnn", activation="relu"), inputs).h[0].numpy()
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

    return Results(*differentiable(*(getattr(inputs, name) for name in present)))


class _Call:
    """One call of the kernels: its arrays, and what is known of their shapes."""

    def __init__(self, recurrence: Recurrence, inputs: Inputs):
        self.recurrence = recurrence
        self.inputs = inputs

    def forward(self, *, training: bool) -> tuple[tuple[Any, ...], Any]:
        """The results that are there and the tape, None unless training."""
        state_count = 2 if self.recurrence.cell == "lstm" else 1

        def compute(*arrays: Any) -> list[Any]:
            results, tape = native.forward(self.recurrence, self._named(arrays), training=training)
            return [*results[: 1 + state_count], *([tape] if training else [])]

        batch, time, _ = self.inputs.sequences.shape
        units = self.inputs.recurrent_kernel.shape[0]
        shapes = [(batch, time if self.recurrence.return_sequences else 1, units)] + [(batch, units)] * state_count
        computed = _operation(compute, self._present(), [*shapes, *([(None,)] if training else [])])
        return tuple(computed[: len(shapes)]), computed[-1] if training else None

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
        tapes = [] if tape is None else [tape]

        def compute(*arrays: Any) -> list[Any]:
            count = len(arrays) - len(cotangents)
            inputs = self._named(arrays[: count - len(tapes)])
            remembered = arrays[count - 1] if tapes else native.forward(self.recurrence, inputs, training=True)[1]
            gradients = native.backward(self.recurrence, inputs, remembered, Results(*arrays[count:]), wanted)
            return [getattr(gradients, name) for name in wanted]

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def differentiable_no_more(*arrays: Any) -> tuple[tuple[Any, ...], Callable[..., Any]]:
            shapes = [getattr(self.inputs, name).shape for name in wanted]
            return tuple(_operation(compute, list(arrays), shapes)), lambda *second: _refuse(arrays, second)

        return dict(zip(wanted, differentiable_no_more(*self._present(), *tapes, *cotangents), strict=True))

    def _present(self) -> list[Any]:
        return [array for array in self.inputs if array is not None]

    def _named(self, arrays: Sequence[Any]) -> Inputs:
        """The inputs with their arrays in NumPy."""
        remaining = iter(arrays)
        return Inputs(*(None if array is None else next(remaining) for array in self.inputs))


def _refuse(arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """The derivative of a derivative, which is known only where it is multiplied by zero.

    A graph that is differentiated as a whole asks for it, with cotangents of zero, even where nobody needs it.
    """
    floats = [array for array in arrays if array.dtype == tf.float32]

    def compute(*given: Any) -> list[Any]:
        if any(np.any(cotangent) for cotangent in given[: len(cotangents)]):
            raise InvalidInput(
                "native kernel: expected to be differentiated once, got a derivative of a derivative. "
                'Give the layer kernel="reference".'
            )
        return [np.zeros_like(array) for array in given[len(cotangents) :]]

    zeros = iter(_operation(compute, [*cotangents, *floats], [array.shape for array in floats]))
    return [next(zeros) if array.dtype == tf.float32 else None for array in arrays]


def _operation(compute: Callable[..., list[Any]], arrays: list[Any], shapes: list[Any]) -> list[Any]:
    """Run now, or as an operation of the graph that is being built. It is stateless, so unused it is dropped."""
    if tf.executing_eagerly():
        return [tf.convert_to_tensor(array) for array in compute(*map(np.asarray, arrays))]
    computed = tf.numpy_function(compute, arrays, [tf.float32] * len(shapes), stateful=False)
    for array, shape in zip(computed, shapes, strict=True):
        array.set_shape(shape)
    return list(computed)
