"""The differences between the settings of two experiments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.config.document import format_inline, format_path
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.plain_yaml import SettingPath

# Costs of turning one list of layers into another; the cheapest way aligns them.
_INSERTED, _CHANGED, _REPLACED = 1.0, 0.75, 1.5


@dataclass(frozen=True)
class ConfigDifference:
    """One setting that two experiments do not share.

    Attributes:
        path: Its path, such as ``network[1].LSTM.units``, in the first experiment, or in the second if the first has
            no such setting.
        first: Its value in the first experiment; None if there is none.
        second: Its value in the second experiment; None if there is none.
    """

    path: str
    first: Any
    second: Any


def settings_of(experiment: ExperimentConfig) -> dict[str, Any]:
    """Return an experiment's settings without its name and seed, which two runs of one experiment share."""
    return experiment.model_dump(mode="json", exclude={"name", "seed"})


def diff_configs(first: ExperimentConfig, second: ExperimentConfig) -> tuple[ConfigDifference, ...]:
    """Return the settings that two experiments do not share; names and seeds are ignored.

    Layers are aligned first, so that one more of them does not make all after it differ.

    Example:
        >>> rows = ExperimentConfig.load("mnist-rows")
        >>> longer = ExperimentConfig.load("mnist-rows", overrides=["training.epochs=5", "network.1.LSTM.units=64"])
        >>> for difference in diff_configs(rows, longer):
        ...     print(difference.path, difference.first, difference.second)
        network[1].LSTM.units 128 64
        training.epochs 3 5
    """
    return diff_settings(settings_of(first), settings_of(second))


def diff_settings(first: dict[str, Any], second: dict[str, Any]) -> tuple[ConfigDifference, ...]:
    """Return the settings that two trees of them do not share, layers aligned as in ``diff_configs``."""
    return tuple(_differences(first, second, ()))


def format_setting(value: Any) -> str:
    """Return a setting's value as YAML on one line.

    Example:
        >>> print(format_setting({"LSTM": {"units": 128, "activation": "relu"}}))
        LSTM: {units: 128, activation: relu}
        >>> print(format_setting(None))
        none
    """
    if isinstance(value, dict):
        return format_inline(value)[1:-1]
    return "none" if value is None else format_inline(value)


def _differences(first: Any, second: Any, path: SettingPath) -> list[ConfigDifference]:
    if first == second and type(first) is type(second):
        return []
    if _is_component(first) and _is_component(second):
        one, two = _as_mapping(first), _as_mapping(second)
        if one.keys() != two.keys():
            return [ConfigDifference(format_path(path), first, second)]
        first, second = one, two
    if isinstance(first, dict) and isinstance(second, dict):
        keys = [*first, *(key for key in second if key not in first)]
        return [found for key in keys for found in _differences(first.get(key), second.get(key), (*path, key))]
    if isinstance(first, list) and isinstance(second, list) and all(map(_is_component, [*first, *second])):
        return _differences_of_layers(first, second, path)
    return [] if first == second else [ConfigDifference(format_path(path), first, second)]


def _differences_of_layers(first: list[Any], second: list[Any], path: SettingPath) -> list[ConfigDifference]:
    found: list[ConfigDifference] = []
    for one, two in align(first, second):
        if one is None and two is not None:
            found.append(ConfigDifference(format_path((*path, two)), None, second[two]))
        elif one is not None and two is None:
            found.append(ConfigDifference(format_path((*path, one)), first[one], None))
        elif one is not None and two is not None:
            found += _differences(first[one], second[two], (*path, one))
    return found


def align(first: Sequence[Any], second: Sequence[Any]) -> list[tuple[int | None, int | None]]:
    """Align two lists of layers by the cheapest way from one list to the other.

    Returns:
        Pairs of indices in order; None on the side that has no such layer.

    Example:
        >>> align(["Flatten", "Dense"], ["Flatten", "Dropout", "Dense"])
        [(0, 0), (None, 1), (1, 2)]
    """
    rows, columns = len(first), len(second)
    costs = [[_INSERTED * (i + j) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            together = costs[i - 1][j - 1] + _cost(first[i - 1], second[j - 1])
            costs[i][j] = min(together, costs[i - 1][j] + _INSERTED, costs[i][j - 1] + _INSERTED)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = rows, columns
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + _cost(first[i - 1], second[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and costs[i][j] == costs[i - 1][j] + _INSERTED:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def _cost(first: Any, second: Any) -> float:
    first, second = _as_mapping(first), _as_mapping(second)
    if first == second:
        return 0.0
    return _CHANGED if first.keys() == second.keys() else _REPLACED


def _is_component(value: Any) -> bool:
    """Return True if a value is a class by its name: ``Flatten``, or ``LSTM: {units: 128}``."""
    name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
    return isinstance(name, str) and name[:1].isupper()


def _as_mapping(component: Any) -> dict[str, Any]:
    """Return a class with its arguments, which may have been left out."""
    return {component: {}} if isinstance(component, str) else component
