"""The plain recurrent network."""

from typing import Any

from unrolled.layers.native_loop import NativeLoop, takes_arguments_of

import keras


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
