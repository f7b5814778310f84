"""What the alternatives of a choice are called: numbers and words by themselves, layers by their class."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

Label = bool | int | float | str | None

_LONGEST = 60


def labels_of(alternatives: Sequence[Any]) -> tuple[Label, ...]:
    """A label for each alternative; different ones for different alternatives.

    Example:
        >>> labels_of([32, None, "relu"])
        (32, None, 'relu')
        >>> labels_of([{"LSTM": {"units": 64}}, {"GRU": {"units": 64}}])
        ('LSTM', 'GRU')
        >>> labels_of([{"LSTM": {"units": 64}}, {"LSTM": {"units": 32}}])
        ('LSTM(units 64)', 'LSTM(units 32)')
        >>> labels_of([["Flatten", {"Dense": {"units": 3}}], ["Flatten"]])
        ('Flatten + Dense', 'Flatten')
    """
    for in_full in (False, True):
        labels = tuple(_label(value, in_full=in_full) for value in alternatives)
        if _all_differ(labels):
            return labels
    if all(isinstance(value, Label) for value in alternatives):
        return labels
    return tuple(f"{label} ({number})" for number, label in enumerate(labels, start=1))


def _label(value: Any, *, in_full: bool) -> Label:
    if isinstance(value, Label):
        return value
    spelled = _spell(value, in_full=in_full)
    return spelled if len(spelled) <= _LONGEST else spelled[: _LONGEST - 1] + "…"


def _spell(value: Any, *, in_full: bool) -> str:
    if isinstance(value, dict):
        if in_full:
            return ", ".join(_spell_entry(key, part) for key, part in value.items())
        return ", ".join(value)
    if isinstance(value, list):
        layers = all(isinstance(part, dict | str) for part in value)
        return (" + " if layers else ", ").join(_spell(part, in_full=in_full) for part in value)
    return str(value)


def _spell_entry(key: str, part: Any) -> str:
    if isinstance(part, dict):
        return f"{key}({_spell(part, in_full=True)})" if part else key
    return f"{key} {_spell(part, in_full=True)}"


def _all_differ(labels: Sequence[Label]) -> bool:
    return max(Counter(labels).values(), default=0) <= 1
