"""The loop over time of Keras' recurrent layers, computed by native kernels.

`NativeLoop` replaces the loop of a Keras layer. The functions after it decide whether a kernel can compute a layer and
translate it into the interface of the kernels; the last one is Keras' loop for sequences that begin within a row.
"""

import logging
from typing import Any, NamedTuple

from unrolled.backends import current
from unrolled.backends.callers import check_process
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.kernels.spec import Inputs, RecurrenceSpec

import keras
from keras.src.backend import get_keras_mask, rnn
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

KERNELS = ("auto", "native", "reference")
"""The values of a layer's argument ``kernel``."""

NOT_CALLED = "none yet: the layer has not been called"
"""The value of a layer's ``kernel_used`` before its first call."""

_CELLS: dict[type, str] = {
    keras.layers.LSTMCell: "lstm",
    keras.layers.GRUCell: "gru",
    keras.layers.SimpleRNNCell: "simple_rnn",
}
_BACKENDS = ("jax", "tensorflow", "torch")
_LOG = logging.getLogger("unrolled")


class _Steps(NamedTuple):
    """The steps that are read and where sequences begin, which ``RNN.call`` hands on to the loop as its mask."""

    mask: Any
    resets: Any


class NativeLoop:
    """Mixin that computes a Keras recurrent layer by native kernels; it comes before the Keras class.

    ``RNN.call`` prepares states and dropout masks, calls ``inner_loop`` and handles what it returns. The mixin
    overrides the loop. Where no kernel can compute a layer, Keras' own loop does.

    The state of a stateful layer is among its ``variables``, so that compiled functions on JAX return the new one; and
    not among its ``weights``, as in Keras.
    """

    _kernel = "auto"
    _kernel_used = NOT_CALLED
    _is_logged = False

    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, **named)
        if kernel not in KERNELS:
            raise InvalidSetting(
                f'{type(self).__name__}: expected kernel "auto", "native" or "reference", got {kernel!r}.'
                f"{did_you_mean(str(kernel), KERNELS) or ' Leave it out.'}"
            )
        self._kernel = kernel
        declare_compilable(self)

    @property
    def kernel_used(self) -> str:
        """The kernel that computed the last call: "native", or the reason why Keras' own loop did."""
        return self._kernel_used

    @property
    def variables(self) -> list[Any]:
        """Keras' list of the layer's variables, and its state if that is kept from call to call."""
        return [*super().variables, *(self.states or [])]  # type: ignore[misc, attr-defined]

    def reset_state(self) -> None:
        """Set the state to zero, if it is kept from call to call.

        Raises:
            InvalidSetting: JAX is in the middle of an epoch, where ``fit`` holds the state, and no callback has asked
                for it.
        """
        for variable in self.states or []:  # type: ignore[attr-defined]
            if variable._value is None:
                raise InvalidSetting(
                    f"{self.name}: fit holds the state during an epoch on JAX. "  # type: ignore[attr-defined]
                    "In a callback, reset the layers of self.model, which takes it back."
                )
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Compute the layer, unless this process was forked from one whose framework had computed.

        Raises:
            InvalidSetting: It was; Keras would wait for ever while it converts the inputs.
        """
        check_process()
        return super().__call__(*arguments, **named)  # type: ignore[misc]

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False, resets: Any = None
    ) -> Any:
        """Compute the layer; the arguments are those of the class."""
        for variable in self.states or []:  # type: ignore[attr-defined]
            # On torch, Keras would write the new state into a copy of the variable in the lower precision.
            variable._autocast = False
        if resets is not None:
            # Keras hands the mask of the inputs on to layers of one input alone.
            mask = _Steps(get_keras_mask(sequences) if mask is None else mask, resets)
        return super().call(  # type: ignore[misc]
            sequences, initial_state=initial_state, mask=mask, training=training
        )

    def get_config(self) -> dict[str, Any]:
        """Return Keras' configuration, with ``kernel`` unless it is "auto"."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return config if self._kernel == "auto" else {**config, "kernel": self._kernel}

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run the loop over time; return the last output, all outputs and the last states."""
        states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        mask, resets = mask if isinstance(mask, _Steps) else (mask, None)
        steps = mask[0] if isinstance(mask, list | tuple) else mask
        if not in_symbolic_scope():
            self._kernel_used = self._choose(unsupported_reason(self, sequences, states, steps, resets))
        if in_symbolic_scope() or self._kernel_used != "native":
            if resets is not None:
                return loop_with_resets(self, sequences, states, steps, resets, training=training)
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        inputs = gather_inputs(self, sequences, states, steps, training=training, resets=resets)
        outputs, *last_states = current().run_recurrence(describe(self), inputs)
        return outputs[:, -1], outputs, last_states[: len(states)]

    def _choose(self, reason: str | None) -> str:
        """Return the new ``kernel_used``; ``reason`` is the reason why no kernel can compute this call, or None."""
        if self._kernel == "reference":
            return 'Keras\' own loop, chosen by kernel="reference"'
        if reason is None:
            return "native"
        where = f'{type(self).__name__} "{self.name}"'  # type: ignore[attr-defined]
        if self._kernel == "native":
            error = InvalidSetting(
                f'{where}: kernel="native" cannot compute this layer: {reason}. '
                'Leave out kernel="native" to use Keras\' own loop.'
            )
            # Keeps Keras from appending a page about the arguments of the call.
            error._keras_call_info_injected = True  # type: ignore[attr-defined]
            raise error
        if not self._is_logged:
            self._is_logged = True
            _LOG.warning("%s: computed by Keras' own loop: %s", where, reason)
        return reason


# From a Keras layer to the kernels.


def unsupported_layer(layer: Any, sequences: Any = None, dtype: str | None = None) -> str | None:
    """Return the reason why no kernel can compute a layer, as the end of a sentence; None if one can.

    Args:
        layer: A Keras layer with a cell.
        sequences: The inputs of a call, where they are known.
        dtype: Their dtype. Default: the compute dtype of the cell.
    """
    cell, backend = layer.cell, keras.backend.backend()
    if backend not in _BACKENDS:
        return f"the backend {backend} has no native kernel"
    if type(cell) not in _CELLS:
        return f"a cell of class {type(cell).__name__} has no native kernel"
    if getattr(layer, "use_cudnn", "auto") is True:
        return "use_cudnn=True asks for another kernel"
    for role in ("activation", "recurrent_activation"):
        activation = getattr(cell, role, keras.activations.linear)
        if getattr(keras.activations, _name(activation), None) is not activation:
            return f"{role} {_name(activation)} is not one of Keras'"
    return current().unsupported_reason(describe(layer), dtype or cell.compute_dtype, sequences)


def unsupported_reason(layer: Any, sequences: Any, states: Any, mask: Any, resets: Any = None) -> str | None:
    """Return the reason why no kernel can compute a call, as the end of a sentence; None if one can."""
    dtype = keras.backend.standardize_dtype(sequences.dtype)
    # A wrapper may hand on inputs of another dtype than the cell's.
    is_own = "float" not in dtype or layer.cell.compute_dtype != "float32"
    if reason := unsupported_layer(layer, sequences, None if is_own else dtype):
        return reason
    batch, time, features = sequences.shape
    if not all(isinstance(size, int | None) for size in sequences.shape):
        return f"inputs of shape {tuple(sequences.shape)} have sizes without a number"
    if time == 0 or features == 0:
        return "inputs of no time step or no feature have no native kernel"
    for name, steps in (("a mask", mask), ("resets", resets)):
        if steps is not None and not _is_compatible(steps.shape, (batch, time)):
            return f"{name} of shape {tuple(steps.shape)} has no native kernel for inputs of {tuple(sequences.shape)}"
    for state in states:
        if not _is_compatible(state.shape, (batch, layer.cell.units)):
            return f"an initial state of shape {tuple(state.shape)} has no native kernel"
    return None


def declare_compilable(layer: Any) -> None:
    """Set ``supports_jit``, by which Keras decides whether it compiles a model with this layer."""
    if unsupported_layer(layer) is None:
        is_native = isinstance(layer, NativeLoop) and layer._kernel != "reference"
        layer.supports_jit = current().CAN_COMPILE or not is_native


def describe(layer: Any) -> RecurrenceSpec:
    """Return the computation of a layer, apart from its arrays."""
    cell = layer.cell
    return RecurrenceSpec(
        cell=_CELLS[type(cell)],  # type: ignore[arg-type]
        activation=_name(cell.activation),
        recurrent_activation=_name(getattr(cell, "recurrent_activation", keras.activations.sigmoid)),
        reset_after=getattr(cell, "reset_after", True),
        go_backwards=layer.go_backwards,
        return_sequences=layer.return_sequences,
        zero_output_for_mask=layer.zero_output_for_mask,
    )


def gather_inputs(layer: Any, sequences: Any, states: Any, mask: Any, *, training: bool, resets: Any = None) -> Inputs:
    """Return the arrays of a call: its arguments, the layer's weights and the dropout factors."""
    ops, cell, dtype = keras.ops, layer.cell, layer.cell.compute_dtype

    def factors(masks: Any, rate: float) -> Any:
        # At a rate of 1, Keras' SimpleRNN applies dropout and its other cells do not.
        if masks is None or not training or not (rate < 1 or isinstance(cell, keras.layers.SimpleRNNCell)):
            return None
        return ops.cast(ops.stack(masks) if isinstance(masks, list) else masks[None], dtype)

    # On torch, Keras writes the next state into the memory of this one.
    h, *c = [ops.copy(state) if layer.stateful else state for state in states]
    return Inputs(
        sequences=ops.cast(sequences, dtype),
        kernel=ops.convert_to_tensor(cell.kernel, dtype),
        recurrent_kernel=ops.convert_to_tensor(cell.recurrent_kernel, dtype),
        bias=None if cell.bias is None else ops.convert_to_tensor(cell.bias, dtype),
        initial_h=h,
        initial_c=c[0] if c else None,
        mask=None if mask is None else ops.cast(mask, "bool"),
        resets=None if resets is None else ops.cast(resets, "bool"),
        input_dropout=factors(cell.get_dropout_mask(sequences[:, 0, :]), cell.dropout),
        recurrent_dropout=factors(cell.get_recurrent_dropout_mask(h), cell.recurrent_dropout),
    )


def loop_with_resets(layer: Any, sequences: Any, states: Any, mask: Any, resets: Any, *, training: bool) -> Any:
    """Run Keras' loop over time, and set the state to zero where a sequence begins; return what ``inner_loop`` returns.

    Masked steps are handled here too, because Keras' loop would skip the reset of a masked step.
    """
    ops, cell = keras.ops, layer.cell
    begins = ops.cast(resets, "bool")
    if layer.go_backwards:  # what is marked is read last
        begins = ops.concatenate([begins[:, 1:], ops.zeros_like(begins[:, :1])], axis=1)
    read = ops.ones_like(begins) if mask is None else ops.cast(mask, "bool")

    def step(inputs: Any, before: Any) -> Any:
        x, begins_here, is_read = inputs
        output, *state = [ops.where(begins_here, ops.zeros_like(one), one) for one in before]
        new_output, new_state = cell(x, state, training=training)
        skipped = ops.zeros_like(output) if layer.zero_output_for_mask else output
        output = ops.where(is_read, new_output, skipped)
        return output, [output, *(ops.where(is_read, *pair) for pair in zip(new_state, state, strict=True))]

    last, outputs, (_, *last_states) = rnn(
        step,
        (sequences, begins[:, :, None], read[:, :, None]),
        [ops.zeros_like(states[0]), *states],
        go_backwards=layer.go_backwards,
        unroll=layer.unroll,
        input_length=sequences.shape[1],
        return_all_outputs=layer.return_sequences,
    )
    return last, outputs, last_states


def _name(activation: Any) -> str:
    return str(getattr(activation, "__name__", type(activation).__name__))


def _is_compatible(shape: Any, expected: tuple[int | None, ...]) -> bool:
    """Return True if two shapes can be equal; an unknown size equals any."""
    return len(shape) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(shape, expected, strict=True)
    )
