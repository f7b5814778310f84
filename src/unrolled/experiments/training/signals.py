"""Ctrl-C and SIGTERM as a request to stop, which the training answers after the batch that is under way."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from unrolled.errors import Interrupted


class StopRequest:
    """The signal that asked for a stop, or None while nobody has.

    Attributes:
        signal_number: ``signal.SIGINT`` or ``signal.SIGTERM``.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Remember the first signal; more of them must not cut the saving short."""
        self.signal_number = self.signal_number or signal_number

    def answer(self, message: str) -> None:
        """Stop if somebody has asked for it.

        Raises:
            Interrupted: With the message.
        """
        if self.signal_number is not None:
            raise Interrupted(message, signal_number=self.signal_number)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Turn the two signals into a StopRequest for the length of a block; only the main thread can.

    Begin before JAX is imported: its garbage-collection hook swallows the KeyboardInterrupt of the default handler.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
