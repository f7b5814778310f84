"""Gated recurrent unit."""

from typing import Any

from unrolled.layers.native_loop import NativeLoop, takes_arguments_of

import keras


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
