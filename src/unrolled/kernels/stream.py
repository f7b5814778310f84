"""The compiled kernels one step at a time, for sequences whose end is not known yet."""

from typing import Any

from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.kernels import native
from unrolled.kernels.native import Array
from unrolled.kernels.spec import RecurrenceSpec

import numpy as np


class Stream:
    """A recurrence that is computed one step at a time, as its inputs arrive: a few microseconds for each step.

    ::

        h[n], c[n] = step(x[n], h[n-1], c[n-1])

    The weights are packed once, by the constructor; later changes to the arrays have no effect. A stream may be used
    by one thread at a time.

    Args:
        recurrence: The computation, without `go_backwards`; `return_sequences` and `zero_output_for_mask` have no
            effect.
        kernel: [F, G*H]
        recurrent_kernel: [H, G*H]
        bias: [G*H], or [2, G*H] in a GRU with `reset_after`; None if absent.
        batch: B, the number of sequences that advance together.

    Raises:
        InvalidInput: An array has the wrong shape.
        InvalidSetting: No kernel can compute this recurrence.

    Example:
        >>> recurrence = RecurrenceSpec("simple_rnn", activation="relu")
        >>> stream = Stream(recurrence, kernel=[[1.0, -1.0]], recurrent_kernel=[[0.5, 0.0], [0.0, 0.5]])
        >>> for measured in (1.0, 1.0, -3.0):
        ...     print(stream.step([[measured]]))
        [[1. 0.]]
        [[1.5 0. ]]
        [[0. 3.]]
        >>> stream.reset()
        >>> stream.h
        array([[0., 0.]], dtype=float32)
    """

    def __init__(
        self, recurrence: RecurrenceSpec, kernel: Any, recurrent_kernel: Any, bias: Any = None, *, batch: int = 1
    ) -> None:
        if recurrence.go_backwards:
            raise InvalidSetting("Stream: go_backwards=True needs the whole sequence. Leave it out.")
        kernel, recurrent_kernel = (np.ascontiguousarray(weights, np.float32) for weights in (kernel, recurrent_kernel))
        bias = None if bias is None else np.ascontiguousarray(bias, np.float32)
        shape = (max(0, int(batch)), recurrent_kernel.shape[0])
        self._h: Array = np.zeros(shape, np.float32)
        self._c: Array | None = np.zeros(shape, np.float32) if recurrence.cell == "lstm" else None
        self._stream = native.open_stream(recurrence, kernel, recurrent_kernel, bias, self._h, self._c)

    @property
    def h(self) -> Array:
        """The state [B, H]; every step overwrites it."""
        return self._h

    @property
    def c(self) -> Array | None:
        """The cell state [B, H] of an LSTM; every step overwrites it."""
        return self._c

    def step(self, x: Any) -> Array:
        """Advance every sequence by one step.

        Args:
            x: [B, F]

        Returns:
            A copy of `h` [B, H].

        Raises:
            InvalidInput: The array has the wrong shape.
        """
        try:
            self._stream.step(np.ascontiguousarray(x, np.float32))
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        return self._h.copy()

    def reset(self, h: Any = None, c: Any = None) -> None:
        """Start again from the state h, c.

        Args:
            h: [B, H]; zeros if None.
            c: [B, H], LSTM only; zeros if None.

        Raises:
            InvalidInput: An array has the wrong shape.
        """
        if self._c is None and c is not None:
            raise InvalidInput("Stream: only an LSTM has a cell state c. Leave it out.")
        for name, state, value in (("h", self._h, h), ("c", self._c, c)):
            if value is not None and state is not None and np.shape(value) != state.shape:
                raise InvalidInput(
                    f"Stream: expected {name} {list(state.shape)}, got {list(np.shape(value))}."
                    " Pass one state for each sequence."
                )
        self._h[...] = 0 if h is None else h
        if self._c is not None:
            self._c[...] = 0 if c is None else c
