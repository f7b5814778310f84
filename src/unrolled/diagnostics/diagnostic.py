"""What the doctor says: a finding, and the kind that it is of."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

SEVERITIES = ("fatal", "harmful", "doubtful")
"""Worst first: the figures mean nothing or nothing is learned; learning is worse than it need be; look again."""


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong, where, how much, and what to do.

    Attributes:
        name: The kind's name, which stays the same from release to release, such as ``exploding-states``.
        severity: ``fatal``, ``harmful`` or ``doubtful``.
        where: The line of a file and its path, a layer of a model, or a part of the data.
        meaning: What is wrong, in a sentence.
        value: What was measured; infinite or NaN where the network gives such numbers.
        unit: Of the value and of the bound.
        bound: What the value would not have crossed in a healthy network.
        remedy: What to do, where possible with the exact ``--set`` that does it.
    """

    name: str
    severity: str
    where: str
    meaning: str
    value: float
    unit: str
    bound: float
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """The attributes; a value that JSON cannot write becomes text."""
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else str(self.value)}


@dataclass(frozen=True)
class Rule:
    """A kind of finding: the line of the table in ``docs/doctor.md``.

    Attributes:
        name: In kebab case.
        severity: One of `SEVERITIES`.
        meaning: What is wrong, in a sentence.
        unit: Of what is measured: ``times``, ``% of the units``.
        bound: The last healthy value.
        side: On which side of the bound the finding lies.
        reason: Why the bound is there.
        remedy: What to do where nothing more exact is known.
    """

    name: str
    severity: Literal["fatal", "harmful", "doubtful"]
    meaning: str
    unit: str
    bound: float
    side: Literal["above", "below"]
    reason: str
    remedy: str

    def judge(self, value: float, where: str, remedy: str = "") -> list[Diagnostic]:
        """A finding where the value has crossed the bound, or is NaN; else none.

        Args:
            value: What was measured.
            where: Where.
            remedy: What to do there; otherwise what the kind says.
        """
        is_healthy = value <= self.bound if self.side == "above" else value >= self.bound
        if is_healthy:
            return []
        remedy = remedy or self.remedy
        return [
            Diagnostic(self.name, self.severity, where, self.meaning, float(value), self.unit, self.bound, remedy),
        ]


def most_severe_first(findings: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By severity; of the same severity in the order in which they were found, which is that of their causes."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
