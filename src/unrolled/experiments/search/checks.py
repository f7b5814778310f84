"""What can be wrong with a search as it was written, each with the line that says where and what to do."""

import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.experiments.document import Document, SettingPath
from unrolled.experiments.problems import spell_value
from unrolled.experiments.search.labels import Label

SEARCH = "search"

_RANGE = ("low", "high", "step", "log")
_EXAMPLE = "Write [32, 64], or {low: 16, high: 256}."


def is_search(tree: Any) -> bool:
    """Whether this stands for a value that is to be found."""
    return isinstance(tree, dict) and SEARCH in tree


def check_spelling(tree: Any, path: SettingPath, document: Document) -> None:
    """Refuse a list or a mapping under a word that must have been meant as ``search``.

    Raises:
        InvalidSetting: There is one; the message names it.
    """
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in parts:
        alone = isinstance(tree, dict) and len(tree) == 1 and isinstance(part, list | dict)
        if alone and key != SEARCH and get_close_matches(key, [SEARCH], cutoff=0.8):
            where = document.where((*path, key), group=path)
            raise InvalidSetting(f'{where}: unknown setting "{key}". Did you mean "{SEARCH}"?')
        check_spelling(part, (*path, key), document)


def check_search(tree: dict[str, Any], path: SettingPath, document: Document) -> Any:
    """What a search offers, a list or a range's mapping.

    Raises:
        InvalidSetting: It is neither, or something stands beside it.
    """
    if len(tree) > 1:
        beside = next(key for key in tree if key != SEARCH)
        raise InvalidSetting(
            f'{document.where((*path, beside), group=path)}: expected a search alone, got "{beside}" beside it. '
            "Put the ends of a range into it: {search: {low: 1, high: 9}}"
        )
    offered = tree[SEARCH]
    if not isinstance(offered, list | dict):
        where = document.where((*path, SEARCH))
        raise InvalidSetting(f"{where}: expected a list or a range, got {spell_value(offered)}. {_EXAMPLE}")
    return offered


def check_choices(offered: Sequence[Any], labels: Sequence[Label], path: SettingPath, document: Document) -> None:
    """Refuse a list in which there is nothing to choose.

    Raises:
        InvalidSetting: It has fewer than two values, or the same twice.
    """
    where = document.where((*path, SEARCH))
    if len(offered) < 2:
        got = "one: write it without search" if offered else "none: write some"
        raise InvalidSetting(f"{where}: expected two values or more to choose from, got {got}.")
    for index, value in enumerate(offered):
        if value in offered[:index]:
            raise InvalidSetting(
                f"{document.where((*path, SEARCH, index))}: expected values that differ, got {labels[index]} twice. "
                "Leave one out."
            )


def check_range(offered: dict[str, Any], path: SettingPath, document: Document) -> None:
    """Refuse a range that has no inside.

    Raises:
        InvalidSetting: A key is unknown or missing, or a value is not a number that it can be.
    """
    path = (*path, SEARCH)
    for key in offered:
        if key not in _RANGE:
            remedy = did_you_mean(key, _RANGE) or f" Choose among: {', '.join(_RANGE)}; or write a list."
            raise InvalidSetting(f'{document.where((*path, key), group=path)}: unknown setting "{key}".{remedy}')
    for key in ("low", "high"):
        if key not in offered:
            raise InvalidSetting(f'{document.where(path)}: expected the setting "{key}", got none. Add it.')
    for key, value in offered.items():
        _check_kind(key, value, (*path, key), document)
    _check_bounds(offered, path, document)


def _check_kind(key: str, value: Any, path: SettingPath, document: Document) -> None:
    if key == "log":
        right, what = isinstance(value, bool), "true or false"
    else:
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        what = "a number"
    if not right:
        raise InvalidSetting(f"{document.where(path)}: expected {what}, got {spell_value(value)}. Change it.")


def _check_bounds(offered: dict[str, Any], path: SettingPath, document: Document) -> None:
    low, high, step = offered["low"], offered["high"], offered.get("step")
    if low >= high:
        raise InvalidSetting(
            f"{document.where((*path, 'low'))}: expected low below high, got low {low:g} and high {high:g}. "
            "Change one of them."
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
            f"{document.where((*path, 'step'))}: expected a step or log: true, got both. Leave one of them out."
        )
    steps = (high - low) / step if step > 0 else 0
    if steps < 1 or not math.isclose(steps, round(steps), rel_tol=1e-9):
        last = low + math.floor(steps) * step if steps >= 1 else high
        remedy = f"Set high: {last:g}" if steps >= 1 else "Change it."
        raise InvalidSetting(
            f"{document.where((*path, 'step'))}: expected a step that leads from {low:g} to {high:g}, "
            f"got {step:g}. {remedy}"
        )
