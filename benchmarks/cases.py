"""Arms and cases; ``catalogue`` lists all of them.

An arm is one program that computes one task. The arms of a case take turns, so that a slow phase of the machine slows
all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.tasks import Task

Backend = Literal["jax", "tensorflow", "torch"]
BACKENDS: tuple[Backend, ...] = ("jax", "tensorflow", "torch")
Worker = Literal["jax", "tensorflow", "torch", "processor"]
"""Keras has one backend per process, so each has a process of its own; "processor" has no framework."""

Compiled = Literal["", "auto", "xla", "graph"]
"""On TensorFlow: Keras' choice, or ``jit_compile`` true or false."""

Program = Literal["unrolled", "kernels", "keras", "torch.nn", "stream", "reading"]
"""The layers of unrolled, its kernels without Keras, Keras' layers, torch's own, a stream, reading the weights."""


@dataclass(frozen=True)
class Arm:
    """One program in one process, computing one task."""

    name: str
    worker: Worker
    program: Program
    task: Task
    compiled: Compiled = ""
    unroll: bool = False
    """Keras' ``unroll=True``."""
    against: str | None = None
    """The name of the arm whose time divides the time of this one."""
    equals: str | None = None
    """The name of the arm that must have the same outputs and gradients."""
    timed: bool = True
    """False for a witness, which only confirms the numbers of another arm."""

    @property
    def ours(self) -> bool:
        """True for a program of unrolled, which must not fail."""
        return self.program in ("unrolled", "kernels", "stream")


@dataclass(frozen=True)
class Case:
    """Arms that are timed in turn."""

    name: str
    arms: tuple[Arm, ...]

    @property
    def group(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    def keeping(self, wanted: Callable[[Arm], bool]) -> "Case | None":
        """Return the case with the wanted arms only; None if no program of unrolled is left to be timed."""
        kept = [arm for arm in self.arms if wanted(arm)]
        names = {arm.name for arm in kept}
        if not any(arm.ours and arm.timed for arm in kept):
            return None
        return Case(self.name, tuple(_referring_to(names, arm) for arm in kept))


def _referring_to(names: set[str], arm: Arm) -> Arm:
    return replace(
        arm,
        against=arm.against if arm.against in names else None,
        equals=arm.equals if arm.equals in names else None,
    )
