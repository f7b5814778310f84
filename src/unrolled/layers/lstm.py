"""Long short-term memory."""

from typing import Any

from unrolled.layers.native_loop import NativeLoop, takes_arguments_of

import keras


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
