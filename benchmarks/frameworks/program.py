"""The interface of every program, and the result of its first runs."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Outputs = dict[str, NDArray[Any]]
"""Outputs under the name "outputs", gradients under the names of their weights and inputs."""


class Program(Protocol):
    """A task, set up as a framework runs it fastest."""

    def results(self) -> Outputs:
        """Return outputs and gradients, for comparison with other programs."""
        ...

    def run(self, count: int) -> None:
        """Compute the task ``count`` times; the last run has ended when this returns."""
        ...


@dataclass(frozen=True)
class Prepared:
    """The results and times of a program's first runs."""

    results: Outputs
    warm_up_seconds: float
    """Building, compiling and the first run; of a network's training, the first epoch."""
    run_seconds: float
    """A later run."""
