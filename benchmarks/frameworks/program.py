"""What a worker asks of every program, and what it tells of it."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Outputs = dict[str, NDArray[Any]]
"""Outputs by the name "outputs", gradients by the names of what they belong to."""


class Program(Protocol):
    """A task in the form in which a framework runs it fastest."""

    def results(self) -> Outputs:
        """Outputs and gradients, to be compared with those of other programs."""
        ...

    def run(self, count: int) -> None:
        """Compute the task so many times; the last one has ended when this returns."""
        ...


@dataclass(frozen=True)
class Prepared:
    """What a program gave when it was run first."""

    results: Outputs
    warm_up_seconds: float
    """Building, compiling and the first run; of a network's training, the first epoch."""
    run_seconds: float
    """A run after that."""
