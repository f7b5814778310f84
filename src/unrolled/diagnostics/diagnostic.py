"""Diagnostics, and the rules that produce them."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, ParamSpec, get_args

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Worst first. Error: nothing is learned or the metrics are meaningless; warning: it learns worse than it could."""

Evidence = ParamSpec("Evidence")
"""The arguments that a rule examines: a target, or a target and a record of its network."""


@dataclass(frozen=True)
class Diagnostic:
    """One problem found in a network or its data.

    Attributes:
        code: The rule's code, stable from release to release, such as ``exploding-states``.
        severity: ``error``, ``warning`` or ``info``.
        where: A line and path of an experiment file, a layer of a model, or a split of the data.
        summary: The problem in one sentence.
        value: The measured value; infinite or NaN where the network produces such numbers.
        unit: The unit of the value and of the threshold.
        threshold: The last value that is no problem.
        fix: The remedy, where possible with the exact ``--set`` to apply.
    """

    code: str
    severity: Severity
    where: str
    summary: str
    value: float
    unit: str
    threshold: float
    fix: str

    def to_json(self) -> dict[str, Any]:
        """Return the attributes as a dictionary; a value that JSON cannot hold becomes text."""
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else str(self.value)}


@dataclass(frozen=True)
class Measurement:
    """A value that a rule measured.

    Attributes:
        value: In the rule's unit.
        where: The location that a diagnostic names.
        fix: The remedy for this location; the rule's own if empty.
    """

    value: float
    where: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Evidence]):
    """A kind of problem, its threshold, and the function that measures it.

    Attributes:
        code: A name in kebab case.
        severity: One of `SEVERITIES`.
        summary: The problem in one sentence.
        unit: The unit of the measured values: ``times``, ``% of the layer's units``.
        threshold: The last value that is no problem.
        side: The side of the threshold on which the problem lies.
        why: The reason for the threshold.
        fix: The remedy where nothing more exact is known.
        unless: Rules whose diagnostics explain this one, which is then not checked.
        measure: Yields a measurement for each location.
    """

    code: str
    severity: Severity
    summary: str
    unit: str
    threshold: float
    side: Literal["above", "below"]
    why: str
    fix: str
    unless: "tuple[Rule[Evidence], ...]"
    measure: Callable[Evidence, Iterable[Measurement]]

    def check(self, *args: Evidence.args, **kwargs: Evidence.kwargs) -> list[Diagnostic]:
        """Measure, and return a diagnostic for each value beyond the threshold."""
        return [found for measurement in self.measure(*args, **kwargs) for found in self.compare(measurement)]

    def compare(self, measurement: Measurement) -> list[Diagnostic]:
        """Return a diagnostic if the value is NaN or beyond the threshold, otherwise nothing."""
        value = float(measurement.value)
        if value <= self.threshold if self.side == "above" else value >= self.threshold:
            return []
        return [
            Diagnostic(
                code=self.code,
                severity=self.severity,
                where=measurement.where,
                summary=self.summary,
                value=value,
                unit=self.unit,
                threshold=self.threshold,
                fix=measurement.fix or self.fix,
            )
        ]


class RuleSet(Generic[Evidence]):
    """Rules that examine the same evidence, causes before their effects.

    Args:
        title: A heading for the documentation.

    Example:
        >>> NUMBER_RULES = RuleSet("Numbers")
        >>> @NUMBER_RULES.rule(
        ...     code="too-large",
        ...     severity="info",
        ...     summary="The number is too large.",
        ...     unit="units",
        ...     threshold=10,
        ...     why="Larger numbers do not fit.",
        ...     fix="Make it smaller.",
        ... )
        ... def too_large(number):
        ...     yield Measurement(number, "here")
        >>> NUMBER_RULES.check(9), [found.code for found in NUMBER_RULES.check(11)]
        ([], ['too-large'])
    """

    def __init__(self, title: str):
        self.title = title
        self.rules: list[Rule[Evidence]] = []

    def rule(
        self,
        *,
        code: str,
        severity: Severity,
        summary: str,
        unit: str,
        threshold: float,
        why: str,
        fix: str,
        side: Literal["above", "below"] = "above",
        unless: "tuple[Rule[Evidence], ...]" = (),
    ) -> "Callable[[Callable[Evidence, Iterable[Measurement]]], Rule[Evidence]]":
        """Turn a function that yields measurements into a rule of this set; the arguments are those of `Rule`."""

        def register(measure: Callable[Evidence, Iterable[Measurement]]) -> Rule[Evidence]:
            rule = Rule(
                code=code,
                severity=severity,
                summary=summary,
                unit=unit,
                threshold=threshold,
                side=side,
                why=why,
                fix=fix,
                unless=unless,
                measure=measure,
            )
            self.rules.append(rule)
            return rule

        return register

    def without(self, codes: Collection[str]) -> "RuleSet[Evidence]":
        """Return the set without the rules of some codes."""
        rest: RuleSet[Evidence] = RuleSet(self.title)
        rest.rules = [rule for rule in self.rules if rule.code not in codes]
        return rest

    def check(self, *args: Evidence.args, **kwargs: Evidence.kwargs) -> list[Diagnostic]:
        """Check every rule that no earlier diagnostic explains."""
        diagnostics: list[Diagnostic] = []
        for rule in self.rules:
            if not any(is_found(other, diagnostics) for other in rule.unless):
                diagnostics += rule.check(*args, **kwargs)
        return diagnostics


def is_found(rule: Rule[Any], diagnostics: Sequence[Diagnostic]) -> bool:
    """Return True if the rule produced one of the diagnostics."""
    return any(diagnostic.code == rule.code for diagnostic in diagnostics)


def most_severe_first(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by severity; diagnostics of equal severity keep their order, causes before effects."""
    return tuple(sorted(diagnostics, key=lambda diagnostic: SEVERITIES.index(diagnostic.severity)))
