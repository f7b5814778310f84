"""The kernels one step at a time, for sequences that are not over yet."""

from typing import Any

from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.kernels import native
from unrolled.kernels.native import Array
from unrolled.kernels.spec import RecurrenceSpec

import numpy as np


class Stream:
    """A recurrence that lives: it takes what a sensor measures, one step at a time, and answers in microseconds.

    ::

        h[n], c[n] = step(x[n], h[n-1], c[n-1])

    The weights are packed once, when the stream is opened; changing the arrays afterwards changes nothing. One thread
    at a time may use a stream.

    Args:
        recurrence: What to compute. It must not `go_backwards`; what it says of outputs and masks has no meaning here.
        kernel: [F, G*H]
        recurrent_kernel: [H, G*H]
        bias: [G*H], or [2, G*H] in a GRU with `reset_after`; absent if None.
        batch: B, how many sequences advance together.

    Raises:
        InvalidInput: An array has the wrong shape.
        InvalidSetting: There is no kernel for this recurrence.

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
            raise InvalidSetting(
                "Stream: expected a recurrence that reads forwards, got go_backwards=True. Leave it out."
            )
        recurrent_kernel = np.ascontiguousarray(recurrent_kernel, np.float32)
        shape = (max(0, int(batch)), recurrent_kernel.shape[0])
        self._h: Array = np.zeros(shape, np.float32)
        self._c: Array | None = np.zeros(shape, np.float32) if recurrence.cell == "lstm" else None
        kernel = np.ascontiguousarray(kernel, np.float32)
        bias = None if bias is None else np.ascontiguousarray(bias, np.float32)
        self._stream = native.open_stream(recurrence, kernel, recurrent_kernel, bias, self._h, self._c)

    @property
    def h(self) -> Array:
        """[B, H], the state; every step overwrites it."""
        return self._h

    @property
    def c(self) -> Array | None:
        """[B, H], the cell state of an LSTM; every step overwrites it."""
        return self._c

    def step(self, x: Any) -> Array:
        """Advance every sequence by one step.

        Args:
            x: [B, F]

        Returns:
            `h` [B, H]

        Raises:
            InvalidInput: The array has the wrong shape.
        """
        try:
            self._stream.step(np.ascontiguousarray(x, np.float32))
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        return self._h.copy()

    def reset(self, h: Any = None, c: Any = None) -> None:
        """Begin again from a state, or from zero.

        Args:
            h: [B, H]; zeros if None.
            c: [B, H], LSTM only; zeros if None.

        Raises:
            InvalidInput: An array has the wrong shape.
        """
        if self._c is None and c is not None:
            raise InvalidInput("Stream: expected no c but in an LSTM, got one. Leave it out.")
        for name, state, value in (("h", self._h, h), ("c", self._c, c)):
            if value is not None and state is not None and np.shape(value) != state.shape:
                raise InvalidInput(
                    f"Stream: expected {name} {list(state.shape)}, got {list(np.shape(value))}."
                    " Give each sequence a state of its own."
                )
        self._h[...] = 0 if h is None else h
        if self._c is not None:
            self._c[...] = 0 if c is None else c
