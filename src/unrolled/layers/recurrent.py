"""Recurrent layers of Keras, computed by native kernels: `LSTM`, `GRU` and `SimpleRNN`."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from unrolled.layers.native_loop import NativeLoop

import keras

_Method = TypeVar("_Method", bound=Callable[..., None])


def with_signature_of(keras_layer: Any) -> Callable[[_Method], _Method]:
    """Decorate a constructor with the signature of a Keras layer, plus ``kernel``, for introspection."""

    def decorate(constructor: _Method) -> _Method:
        signature = inspect.signature(keras_layer.__init__)
        *parameters, rest = signature.parameters.values()
        kernel = inspect.Parameter("kernel", inspect.Parameter.KEYWORD_ONLY, default="auto", annotation=str)
        constructor.__signature__ = signature.replace(parameters=[*parameters, kernel, rest])  # type: ignore[attr-defined]
        return constructor

    return decorate


@keras.saving.register_keras_serializable(package="unrolled")
class LSTM(NativeLoop, keras.layers.LSTM):
    """Long short-term memory layer, computed by native CPU kernels.

    A drop-in replacement of ``keras.layers.LSTM``. Gates control the cell state c: what is written to it, what
    stays in it and what it outputs.

    At each step, with the input x [B, F] and the state h, c [B, H]::

        i = recurrent_activation(x Wi + h Ui + bi)      input gate
        f = recurrent_activation(x Wf + h Uf + bf)      forget gate
        g = activation(x Wc + h Uc + bc)                candidate
        o = recurrent_activation(x Wo + h Uo + bo)      output gate
        c = f * c + i * g
        h = o * activation(c)

    Args:
        units: H, the size of the state.
        kernel: The implementation. "auto": native kernels where they can compute the layer, else Keras' own loop, which
            is logged once. "native": native kernels, or an error with the reason. "reference": Keras' own loop.
        **arguments: Every other argument of ``keras.layers.LSTM``, with the same name, default and meaning.

    Call arguments:
        sequences: [B, T, F].
        initial_state: The pair (h, c), each [B, H]; zeros by default.
        mask: [B, T], False at the steps to skip.
        training: Apply dropout.
        resets: [B, T], True at the first step, in time, of a sequence that shares nothing with what comes before it:
            the state is 0 there, and no gradient goes beyond. For several sequences in one row.

    Returns:
        The last h [B, H], or the h of every step [B, T, H] with ``return_sequences``; followed by h and c with
        ``return_state``.

    Raises:
        ValueError: Keras rejects an argument or an input.
        InvalidSetting: ``kernel`` is none of the three, or is "native" where no kernel can compute the layer.

    Example:
        >>> import numpy as np
        >>> LSTM(3, return_sequences=True)(np.zeros((2, 5, 4))).shape
        (2, 5, 3)

    Reference:
        S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; the forget
        gate from F. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget", Neural Computation 12(10), 2000.
    """

    @with_signature_of(keras.layers.LSTM)
    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, kernel=kernel, **named)


@keras.saving.register_keras_serializable(package="unrolled")
class GRU(NativeLoop, keras.layers.GRU):
    """Gated recurrent unit layer, computed by native CPU kernels.

    A drop-in replacement of ``keras.layers.GRU``. The update gate mixes the state h with a candidate; there are three
    quarters as many weights as in an LSTM.

    At each step, with the input x [B, F] and the state h [B, H]::

        z = recurrent_activation(x Wz + h Uz + bz)               update gate
        r = recurrent_activation(x Wr + h Ur + br)               reset gate
        g = activation(x Wh + bh + r * (h Uh + rh))              candidate, reset_after=True (the default)
        g = activation(x Wh + bh + (r * h) Uh)                   candidate, reset_after=False
        h = z * h + (1 - z) * g

    Args:
        units: H, the size of the state.
        kernel: The implementation. "auto": native kernels where they can compute the layer, else Keras' own loop, which
            is logged once. "native": native kernels, or an error with the reason. "reference": Keras' own loop.
        **arguments: Every other argument of ``keras.layers.GRU``, with the same name, default and meaning.

    Call arguments:
        sequences: [B, T, F].
        initial_state: h [B, H]; zeros by default.
        mask: [B, T], False at the steps to skip.
        training: Apply dropout.
        resets: [B, T], True at the first step, in time, of a sequence that shares nothing with what comes before it:
            the state is 0 there, and no gradient goes beyond. For several sequences in one row.

    Returns:
        The last h [B, H], or the h of every step [B, T, H] with ``return_sequences``; followed by h with
        ``return_state``.

    Raises:
        ValueError: Keras rejects an argument or an input.
        InvalidSetting: ``kernel`` is none of the three, or is "native" where no kernel can compute the layer.

    Example:
        >>> import numpy as np
        >>> GRU(3)(np.zeros((2, 5, 4))).shape
        (2, 3)

    Reference:
        K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation", EMNLP 2014.
    """

    @with_signature_of(keras.layers.GRU)
    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, kernel=kernel, **named)


@keras.saving.register_keras_serializable(package="unrolled")
class SimpleRNN(NativeLoop, keras.layers.SimpleRNN):
    """Simple recurrent layer (Elman network), computed by native CPU kernels.

    A drop-in replacement of ``keras.layers.SimpleRNN``. It has no gates: the whole state is rewritten at every step, so
    that gradients vanish over long sequences.

    At each step, with the input x [B, F] and the state h [B, H]::

        h = activation(x W + h U + b)

    Args:
        units: H, the size of the state.
        kernel: The implementation. "auto": native kernels where they can compute the layer, else Keras' own loop, which
            is logged once. "native": native kernels, or an error with the reason. "reference": Keras' own loop.
        **arguments: Every other argument of ``keras.layers.SimpleRNN``, with the same name, default and meaning.

    Call arguments:
        sequence: [B, T, F].
        initial_state: h [B, H]; zeros by default.
        mask: [B, T], False at the steps to skip.
        training: Apply dropout.
        resets: [B, T], True at the first step, in time, of a sequence that shares nothing with what comes before it:
            the state is 0 there, and no gradient goes beyond. For several sequences in one row.

    Returns:
        The last h [B, H], or the h of every step [B, T, H] with ``return_sequences``; followed by h with
        ``return_state``.

    Raises:
        ValueError: Keras rejects an argument or an input.
        InvalidSetting: ``kernel`` is none of the three, or is "native" where no kernel can compute the layer.

    Example:
        >>> import numpy as np
        >>> SimpleRNN(3)(np.zeros((2, 5, 4))).shape
        (2, 3)

    Reference:
        J. L. Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.
    """

    @with_signature_of(keras.layers.SimpleRNN)
    def __init__(self, *arguments: Any, kernel: str = "auto", **named: Any) -> None:
        super().__init__(*arguments, kernel=kernel, **named)
