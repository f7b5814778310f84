"""Parameters of a search, choices and ranges, with the checks of what an experiment file has for them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from unrolled.config.document import SEARCH, Document, describe_value
from unrolled.config.plain_yaml import SettingPath
from unrolled.errors import InvalidSetting, did_you_mean

if TYPE_CHECKING:
    import optuna

Label = bool | int | float | str | None

_LONGEST = 60


def labels_of(alternatives: Sequence[Any]) -> tuple[Label, ...]:
    """Return distinct labels for the alternatives of a choice: values themselves, layers by their class.

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
    text = _format(value, in_full=in_full)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _format(value: Any, *, in_full: bool) -> str:
    if isinstance(value, dict):
        if in_full:
            return ", ".join(_format_entry(key, part) for key, part in value.items())
        return ", ".join(value)
    if isinstance(value, list):
        layers = all(isinstance(part, dict | str) for part in value)
        return (" + " if layers else ", ").join(_format(part, in_full=in_full) for part in value)
    return str(value)


def _format_entry(key: str, part: Any) -> str:
    if isinstance(part, dict):
        return f"{key}({_format(part, in_full=True)})" if part else key
    return f"{key} {_format(part, in_full=True)}"


def _all_differ(labels: Sequence[Label]) -> bool:
    return max(Counter(labels).values(), default=0) <= 1


_RANGE = ("low", "high", "step", "log")
_EXAMPLE = "Write [32, 64], or {low: 16, high: 256}."


def check_misspelled_search(tree: Any, path: SettingPath, document: Document) -> None:
    """Check that no list or mapping stands under a misspelled ``search``.

    Raises:
        InvalidSetting: One does; the message names it.
    """
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in parts:
        alone = isinstance(tree, dict) and len(tree) == 1 and isinstance(part, list | dict)
        if alone and key != SEARCH and get_close_matches(key, [SEARCH], cutoff=0.8):
            where = document.where((*path, key), group=path)
            raise InvalidSetting(f'{where}: unknown setting "{key}". Did you mean "{SEARCH}"?')
        check_misspelled_search(part, (*path, key), document)


def check_search(tree: dict[str, Any], path: SettingPath, document: Document) -> Any:
    """Return the list or the range of a search.

    Raises:
        InvalidSetting: It is neither, or another key stands beside it.
    """
    if len(tree) > 1:
        beside = next(key for key in tree if key != SEARCH)
        raise InvalidSetting(
            f'{document.where((*path, beside), group=path)}: "{beside}" cannot stand beside a search. '
            "Put the ends of a range into it: {search: {low: 1, high: 9}}"
        )
    offered = tree[SEARCH]
    if not isinstance(offered, list | dict):
        where = document.where((*path, SEARCH))
        raise InvalidSetting(f"{where}: expected a list or a range, got {describe_value(offered)}. {_EXAMPLE}")
    return offered


def check_choices(offered: Sequence[Any], labels: Sequence[Label], path: SettingPath, document: Document) -> None:
    """Check that a list has two values or more, and none twice.

    Raises:
        InvalidSetting: It has fewer, or the same twice.
    """
    where = document.where((*path, SEARCH))
    if len(offered) < 2:
        got = "one. Write it without search." if offered else "none. Example: {search: [32, 64]}"
        raise InvalidSetting(f"{where}: expected two values or more, got {got}")
    for index, value in enumerate(offered):
        if value in offered[:index]:
            raise InvalidSetting(
                f"{document.where((*path, SEARCH, index))}: expected values that differ, got {labels[index]} twice. "
                "Leave one out."
            )


def check_range(offered: dict[str, Any], path: SettingPath, document: Document) -> None:
    """Check a range.

    Raises:
        InvalidSetting: A key is unknown or missing, or a value is out of its bounds.
    """
    path = (*path, SEARCH)
    for key in offered:
        if key not in _RANGE:
            remedy = did_you_mean(key, _RANGE) or f" A range has: {', '.join(_RANGE)}."
            raise InvalidSetting(f'{document.where((*path, key), group=path)}: unknown setting "{key}".{remedy}')
    for key in ("low", "high"):
        if key not in offered:
            raise InvalidSetting(f'{document.where(path)}: a range needs "{key}". {_EXAMPLE}')
    for key, value in offered.items():
        _check_kind(key, value, (*path, key), document)
    _check_bounds(offered, path, document)


def _check_kind(key: str, value: Any, path: SettingPath, document: Document) -> None:
    if key == "log":
        is_valid, kind = isinstance(value, bool), "true or false"
    else:
        is_valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        kind = "a number"
    if not is_valid:
        raise InvalidSetting(f"{document.where(path)}: expected {kind}, got {describe_value(value)}.")


def _check_bounds(offered: dict[str, Any], path: SettingPath, document: Document) -> None:
    low, high, step = offered["low"], offered["high"], offered.get("step")
    if low >= high:
        raise InvalidSetting(
            f"{document.where((*path, 'low'))}: expected low below high, got low {low:g} and high {high:g}."
        )
    if offered.get("log") and low <= 0:
        raise InvalidSetting(
            f"{document.where((*path, 'low'))}: expected low above 0 for log: true, got {low:g}. "
            "Raise it, or leave log out."
        )
    if step is None:
        return
    if offered.get("log"):
        raise InvalidSetting(
            f"{document.where((*path, 'step'))}: step and log: true exclude each other. Leave one of them out."
        )
    steps = (high - low) / step if step > 0 else 0
    if steps < 1 or not math.isclose(steps, round(steps), rel_tol=1e-9):
        last = low + math.floor(steps) * step if steps >= 1 else high
        remedy = f"Set high: {last:g}" if steps >= 1 else f"Example: step: {(high - low) / 2:g}"
        raise InvalidSetting(
            f"{document.where((*path, 'step'))}: expected a step that leads from {low:g} to {high:g}, "
            f"got {step:g}. {remedy}"
        )


@dataclass(frozen=True)
class Choice:
    """Choice among values, layers or lists of layers.

    Attributes:
        name: Path of the setting, such as ``network[1].LSTM.units``.
        path: Path of the search in the document.
        conditions: Labels of the choices around it, by path, under which it exists.
        labels: Label of each alternative: values themselves, layers by their class.
    """

    name: str
    path: SettingPath
    conditions: Mapping[SettingPath, Label]
    labels: tuple[Label, ...]

    @property
    def samples(self) -> tuple[Label, ...]:
        """All labels, so that each alternative can be checked."""
        return self.labels

    def suggest(self, trial: "optuna.Trial") -> Label:
        """Return the value that the sampler proposes for a trial."""
        return trial.suggest_categorical(self.name, self.labels)


@dataclass(frozen=True)
class Range:
    """Number between two bounds, both included; whole where they and the step are.

    Attributes:
        name: Path of the setting, such as ``training.optimizer.Adam.learning_rate``.
        path: Path of the search in the document.
        conditions: Labels of the choices around it, by path, under which it exists.
        low: The lowest value.
        high: The highest value.
        step: Distance between neighbouring values, or None.
        log: True if values are drawn on a logarithmic scale.
    """

    name: str
    path: SettingPath
    conditions: Mapping[SettingPath, Label]
    low: float
    high: float
    step: float | None
    log: bool

    @property
    def samples(self) -> tuple[float, float]:
        """Both ends, so that each can be checked."""
        return self.low, self.high

    def suggest(self, trial: "optuna.Trial") -> float:
        """Return the value that the sampler proposes for a trial."""
        if all(isinstance(bound, int) for bound in (self.low, self.high, self.step or 1)):
            return trial.suggest_int(self.name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)


Parameter = Choice | Range
