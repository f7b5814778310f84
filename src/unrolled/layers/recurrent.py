"""Where Keras' loop over time gives way to the kernels."""

import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from unrolled.backends import current
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.kernels.spec import Inputs, RecurrenceSpec

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

KERNELS = ("auto", "native", "reference")
"""What the argument ``kernel`` of a layer may be."""

_CELLS: dict[type, str] = {
    keras.layers.LSTMCell: "lstm",
    keras.layers.GRUCell: "gru",
    keras.layers.SimpleRNNCell: "simple_rnn",
}
_JOINED = ("jax", "tensorflow", "torch")
_LOG = logging.getLogger("unrolled")
_Method = TypeVar("_Method", bound=Callable[..., None])


# What computed a layer that has computed nothing.
NOT_CALLED = "none yet: the layer has not been called"


class NativeLoop:
    """Computes what stands between a layer's arguments and its outputs, ahead of a Keras layer among its ancestors.

    ``RNN.call`` prepares states and dropout, calls ``inner_loop`` and takes care of what it returns; that method is
    all that is replaced. Where the kernels cannot compute a layer, Keras' own loop does.
    """

    _kernel = "auto"
    _kernel_used = NOT_CALLED
    _has_told = False

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
        """What computed the last call: "native", or else why Keras' own loop did."""
        return self._kernel_used

    def get_config(self) -> dict[str, Any]:
        """Keras' configuration; it names the kernel only where one was chosen."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return config if self._kernel == "auto" else {**config, "kernel": self._kernel}

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """The last output, all outputs and the last states, as ``RNN.call`` wants them."""
        states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        steps = mask[0] if isinstance(mask, list | tuple) else mask
        if not in_symbolic_scope():
            self._kernel_used = self._choose(unsupported_reason(self, sequences, states, steps))
        if in_symbolic_scope() or self._kernel_used != "native":
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        inputs = gather_inputs(self, sequences, states, steps, training=training)
        outputs, *last_states = current().run(describe(self), inputs)
        return outputs[:, -1], outputs, last_states[: len(states)]

    def _choose(self, reason: str | None) -> str:
        """What ``kernel_used`` becomes, given why the kernels cannot compute this call, or None."""
        if self._kernel == "reference":
            return 'Keras\' own loop, chosen by kernel="reference"'
        if reason is None:
            return "native"
        where = f'{type(self).__name__} "{self.name}"'  # type: ignore[attr-defined]
        if self._kernel == "native":
            error = InvalidSetting(
                f"{where}: expected what a native kernel can compute, got something else: {reason}. "
                'Change that, or leave out kernel="native".'
            )
            # Keras leaves what is marked like this as it is; else it adds a page about the arguments of the call.
            error._keras_call_info_injected = True  # type: ignore[attr-defined]
            raise error
        if not self._has_told:
            self._has_told = True
            _LOG.warning("%s: computed by Keras' own loop: %s", where, reason)
        return reason


def takes_arguments_of(keras_layer: Any) -> Callable[[_Method], _Method]:
    """Give a constructor the signature of Keras' layer, with ``kernel`` added, for whoever inspects it."""

    def with_signature(constructor: _Method) -> _Method:
        signature = inspect.signature(keras_layer.__init__)
        *parameters, rest = signature.parameters.values()
        kernel = inspect.Parameter("kernel", inspect.Parameter.KEYWORD_ONLY, default="auto", annotation=str)
        constructor.__signature__ = signature.replace(parameters=[*parameters, kernel, rest])  # type: ignore[attr-defined]
        return constructor

    return with_signature


def declare_compilable(layer: Any) -> None:
    """Tell Keras, which asks when it compiles a model, whether what computes this layer may be compiled with it."""
    if unsupported_layer(layer) is None:
        is_native = isinstance(layer, NativeLoop) and layer._kernel != "reference"
        layer.supports_jit = current().COMPILES or not is_native


def describe(layer: Any) -> RecurrenceSpec:
    """What the layer computes, apart from its arrays."""
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


def unsupported_layer(layer: Any, sequences: Any = None, dtype: str | None = None) -> str | None:
    """Why no kernel computes a layer, judged by its arguments and by the sequences where they are known."""
    cell, backend = layer.cell, keras.backend.backend()
    if backend not in _JOINED:
        return f"the backend {backend} has no native kernel"
    if type(cell) not in _CELLS:
        return f"a cell of class {type(cell).__name__} has no native kernel"
    if getattr(layer, "use_cudnn", "auto") is True:
        return "use_cudnn=True asks for another kernel"
    for role in ("activation", "recurrent_activation"):
        activation = getattr(cell, role, keras.activations.linear)
        if getattr(keras.activations, _name(activation), None) is not activation:
            return f"{role} {_name(activation)} is not one of Keras'"
    reason: str | None = current().unsupported_reason(describe(layer), dtype or cell.compute_dtype, sequences)
    return reason


def unsupported_reason(layer: Any, sequences: Any, states: Any, mask: Any) -> str | None:
    """Why no kernel computes a call, in words that end a sentence; None where one does."""
    dtype = keras.backend.standardize_dtype(sequences.dtype)
    if reason := unsupported_layer(layer, sequences, dtype if "float" in dtype else None):
        return reason
    batch, time, features = sequences.shape
    if not all(isinstance(size, int | None) for size in sequences.shape):
        return f"inputs of shape {tuple(sequences.shape)} have sizes without a number"
    if time == 0 or features == 0:
        return "inputs of no time step or no feature have no native kernel"
    if mask is not None and not _fits(mask.shape, (batch, time)):
        return f"a mask of shape {tuple(mask.shape)} has no native kernel for inputs of {tuple(sequences.shape)}"
    for state in states:
        if not _fits(state.shape, (batch, layer.cell.units)):
            return f"an initial state of shape {tuple(state.shape)} has no native kernel"
    return None


def gather_inputs(layer: Any, sequences: Any, states: Any, mask: Any, *, training: bool) -> Inputs:
    """The arrays of one call, as the kernels want them."""
    ops, cell, dtype = keras.ops, layer.cell, layer.cell.compute_dtype

    def factors(masks: Any, rate: float) -> Any:
        # Keras' SimpleRNN also applies a rate of 1; its other cells leave that out.
        if masks is None or not training or not (rate < 1 or isinstance(cell, keras.layers.SimpleRNNCell)):
            return None
        return ops.cast(ops.stack(masks) if isinstance(masks, list) else masks[None], dtype)

    # Keras' torch backend writes the next state into the memory of this one.
    h, *c = [ops.copy(state) if layer.stateful else state for state in states]
    return Inputs(
        sequences=ops.cast(sequences, dtype),
        kernel=ops.convert_to_tensor(cell.kernel, dtype),
        recurrent_kernel=ops.convert_to_tensor(cell.recurrent_kernel, dtype),
        bias=None if cell.bias is None else ops.convert_to_tensor(cell.bias, dtype),
        initial_h=h,
        initial_c=c[0] if c else None,
        mask=None if mask is None else ops.cast(mask, "bool"),
        input_dropout=factors(cell.get_dropout_mask(sequences[:, 0, :]), cell.dropout),
        recurrent_dropout=factors(cell.get_recurrent_dropout_mask(h), cell.recurrent_dropout),
    )


def _name(activation: Any) -> str:
    return str(getattr(activation, "__name__", type(activation).__name__))


def _fits(shape: Any, expected: tuple[int | None, ...]) -> bool:
    """Whether two shapes can be the same; an unknown size fits any."""
    return len(shape) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(shape, expected, strict=True)
    )


@keras.saving.register_keras_serializable(package="unrolled")
class LSTM(NativeLoop, keras.layers.LSTM):
    """A memory cell c that gates decide to keep, to write and to show.

    At each step, with the input x [B, F] and the state h, c [B, H]::

        i = recurrent_activation(x Wi + h Ui + bi)      what to write
        f = recurrent_activation(x Wf + h Uf + bf)      what to keep
        g = activation(x Wc + h Uc + bc)                what could be written
        o = recurrent_activation(x Wo + h Uo + bo)      what to show
        c = f * c + i * g
        h = o * activation(c)

    Args:
        units: H, the width of the state.
        kernel: What computes the layer. "auto": our kernels where they can, else Keras' own loop, which is logged
            once. "native": our kernels, or an error that says why not. "reference": Keras' own loop.
        **arguments: Every other argument of ``keras.layers.LSTM``, with its name, default and meaning.

    Call arguments:
        sequences: [B, T, F].
        initial_state: The pair (h, c), each [B, H]; zeros where it is left out.
        mask: [B, T], False at the steps to skip.
        training: Whether dropout is applied.

    Returns:
        The last h [B, H], or each step's [B, T, H] with ``return_sequences``; then h and c with ``return_state``.

    Raises:
        ValueError: An argument or an input has the wrong form; Keras words it.
        InvalidSetting: ``kernel`` is none of the three, or "native" where no kernel can compute the layer.

    Example:
        >>> import numpy as np
        >>> LSTM(3, return_sequences=True)(np.zeros((2, 5, 4))).shape
        (2, 5, 3)

    Reference:
        S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; the forget
        gate from F. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget", Neural Computation 12(10), 2000.
    """

    @takes_arguments_of(keras.layers.LSTM)
    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, kernel=kernel, **named)


@keras.saving.register_keras_serializable(package="unrolled")
class GRU(NativeLoop, keras.layers.GRU):
    """One state h, updated by as much as the gate z lets through: two thirds of an LSTM's weights.

    At each step, with the input x [B, F] and the state h [B, H]::

        z = recurrent_activation(x Wz + h Uz + bz)               how much to keep
        r = recurrent_activation(x Wr + h Ur + br)               how much of h the candidate sees
        g = activation(x Wh + bh + r * (h Uh + rh))              reset_after=True, the default
        g = activation(x Wh + bh + (r * h) Uh)                   reset_after=False
        h = z * h + (1 - z) * g

    Args:
        units: H, the width of the state.
        kernel: What computes the layer. "auto": our kernels where they can, else Keras' own loop, which is logged
            once. "native": our kernels, or an error that says why not. "reference": Keras' own loop.
        **arguments: Every other argument of ``keras.layers.GRU``, with its name, default and meaning.

    Call arguments:
        sequences: [B, T, F].
        initial_state: h [B, H]; zeros where it is left out.
        mask: [B, T], False at the steps to skip.
        training: Whether dropout is applied.

    Returns:
        The last h [B, H], or each step's [B, T, H] with ``return_sequences``; then h with ``return_state``.

    Raises:
        ValueError: An argument or an input has the wrong form; Keras words it.
        InvalidSetting: ``kernel`` is none of the three, or "native" where no kernel can compute the layer.

    Example:
        >>> import numpy as np
        >>> GRU(3)(np.zeros((2, 5, 4))).shape
        (2, 3)

    Reference:
        K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation", EMNLP 2014.
    """

    @takes_arguments_of(keras.layers.GRU)
    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, kernel=kernel, **named)


@keras.saving.register_keras_serializable(package="unrolled")
class SimpleRNN(NativeLoop, keras.layers.SimpleRNN):
    """No gates: the state is rewritten whole at every step, so that long sequences fade from it.

    At each step, with the input x [B, F] and the state h [B, H]::

        h = activation(x W + h U + b)

    Args:
        units: H, the width of the state.
        kernel: What computes the layer. "auto": our kernels where they can, else Keras' own loop, which is logged
            once. "native": our kernels, or an error that says why not. "reference": Keras' own loop.
        **arguments: Every other argument of ``keras.layers.SimpleRNN``, with its name, default and meaning.

    Call arguments:
        sequence: [B, T, F].
        initial_state: h [B, H]; zeros where it is left out.
        mask: [B, T], False at the steps to skip.
        training: Whether dropout is applied.

    Returns:
        The last h [B, H], or each step's [B, T, H] with ``return_sequences``; then h with ``return_state``.

    Raises:
        ValueError: An argument or an input has the wrong form; Keras words it.
        InvalidSetting: ``kernel`` is none of the three, or "native" where no kernel can compute the layer.

    Example:
        >>> import numpy as np
        >>> SimpleRNN(3)(np.zeros((2, 5, 4))).shape
        (2, 3)

    Reference:
        J. L. Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.
    """

    @takes_arguments_of(keras.layers.SimpleRNN)
    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, kernel=kernel, **named)
