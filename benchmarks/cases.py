"""What an arm and a case are; the cases themselves are listed in ``catalogue``.

An arm is one program that computes one task. The arms of a case take turns, so whatever slows the machine for a while
slows all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.tasks import Task

Backend = Literal["jax", "tensorflow", "torch"]
BACKENDS: tuple[Backend, ...] = ("jax", "tensorflow", "torch")
Worker = Literal["jax", "tensorflow", "torch", "processor"]
"""Keras takes one backend a process, so each has a process of its own; "processor" has no framework."""

Compiled = Literal["", "auto", "xla", "graph"]
"""On TensorFlow: as Keras chooses, or with ``jit_compile`` true or false."""

Program = Literal["unrolled", "kernels", "keras", "torch.nn", "stream", "reading"]
"""Our layers, our kernels without Keras, Keras' layers, torch's own, our stream, reading the weights."""


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
    """The arm whose time this one's is divided by."""
    equals: str | None = None
    """The arm that must give the same outputs and gradients."""
    timed: bool = True
    """Whether it is more than a witness of what is right."""

    @property
    def ours(self) -> bool:
        """Whether it is what the project claims to be fast: it must not fail."""
        return self.program in ("unrolled", "kernels", "stream")


@dataclass(frozen=True)
class Case:
    """Arms that are timed in turn; the first is the one that GFLOP/s are stated of."""

    name: str
    arms: tuple[Arm, ...]

    @property
    def group(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    def keeping(self, wanted: Callable[[Arm], bool]) -> "Case | None":
        """The case without other arms; None if nothing of ours is left to be timed."""
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
