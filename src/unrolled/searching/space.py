"""Search space of an experiment: its ranges and choices, and the experiment that given parameters resolve to.

A setting's value may be ``{search: ...}``, with a list of values or with the ends of a range. A choice among layers
may hold further searches, which exist only in trials with that layer.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unrolled.config.document import SEARCH, Document, format_path, is_search, parts_of, search_paths
from unrolled.config.plain_yaml import SettingPath
from unrolled.errors import InvalidSetting
from unrolled.searching.parameters import (
    Choice,
    Label,
    Parameter,
    Range,
    check_choices,
    check_misspelled_search,
    check_range,
    check_search,
    labels_of,
)

if TYPE_CHECKING:
    import optuna

# Trials with different values of these cannot be compared, or would get random names.
_FIXED = ("name", "data", "seed")


class SearchSpace:
    """Ranges and choices of a document.

    Attributes:
        document: Document with the searches.
        parameters: One for each search, the outer ones before those within them.

    Example:
        >>> document = Document({"units": {"search": [32, 64]}, "rate": {"search": {"low": 0.1, "high": 0.5}}}, "me")
        >>> space = SearchSpace(document)
        >>> [parameter.name for parameter in space.parameters]
        ['units', 'rate']
        >>> space.resolve({"units": 64, "rate": 0.25}).values
        {'units': 64, 'rate': 0.25}
    """

    def __init__(self, document: Document):
        """Find and check the searches.

        Raises:
            InvalidSetting: There is none, or one of them is invalid; the message names its location.
        """
        self.document = document
        check_misspelled_search(document.values, (), document)
        paths = list(search_paths(document.values, ()))
        if not paths:
            raise InvalidSetting(
                f"{document.name}: there is no setting to search. Example: units: {{search: [32, 64]}}"
            )
        short = Counter(_shortened(path) for path in paths)
        self._names = {path: format_path(_shortened(path) if short[_shortened(path)] == 1 else path) for path in paths}
        self.parameters = tuple(self._parameters(document.values, (), {}))

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """Each parameter by its name."""
        return {parameter.name: parameter for parameter in self.parameters}

    @cached_property
    def _at(self) -> Mapping[SettingPath, Parameter]:
        return {parameter.path: parameter for parameter in self.parameters}

    def suggest(self, trial: "optuna.Trial") -> dict[str, Label]:
        """Let the sampler propose a value for each parameter that exists, given the values before it."""
        params: dict[str, Label] = {}
        for parameter in self.parameters:
            if self._exists(parameter, params):
                params[parameter.name] = parameter.suggest(trial)
        return params

    def one_at_a_time(self) -> Iterator[dict[str, Label]]:
        """Yield parameters so that each value occurs once: all first values, then each other one with the first values.

        Of a range the two ends occur.
        """
        yield self._completed({})
        for parameter in self.parameters:
            needed = {self._at[path].name: label for path, label in parameter.conditions.items()}
            for sample in parameter.samples[1:]:
                yield self._completed({**needed, parameter.name: sample})

    def resolve(self, params: Mapping[str, Label]) -> Document:
        """Return the document with each search replaced by its value.

        Args:
            params: Value or label of each parameter that exists, by its name.
        """
        locations: dict[SettingPath, str] = {}
        settings = self._resolved(self.document.values, (), (), params, locations)
        return Document(settings, self.document.name, locations)

    def _exists(self, parameter: Parameter, params: Mapping[str, Label]) -> bool:
        return all(
            self._at[path].name in params and params[self._at[path].name] == label
            for path, label in parameter.conditions.items()
        )

    def _completed(self, params: dict[str, Label]) -> dict[str, Label]:
        """Return the parameters with the first sample of all others that exist."""
        whole: dict[str, Label] = {}
        for parameter in self.parameters:
            if self._exists(parameter, whole):
                whole[parameter.name] = params.get(parameter.name, parameter.samples[0])
        return whole

    def _parameters(self, tree: Any, path: SettingPath, conditions: dict[SettingPath, Label]) -> Iterator[Parameter]:
        if not is_search(tree):
            for key, part in parts_of(tree):
                yield from self._parameters(part, (*path, key), conditions)
            return
        if path and path[0] in _FIXED:
            where, setting = self.document.where(path), format_path(path)
            raise InvalidSetting(f"{where}: {setting} cannot be searched. Give it one value.")
        offered = check_search(tree, path, self.document)
        if isinstance(offered, dict):
            check_range(offered, path, self.document)
            low, high, step = offered["low"], offered["high"], offered.get("step")
            yield Range(self._names[path], path, conditions, low, high, step, log=offered.get("log", False))
            return
        labels = labels_of(offered)
        check_choices(offered, labels, path, self.document)
        yield Choice(self._names[path], path, conditions, labels)
        for index, label in enumerate(labels):
            yield from self._parameters(offered[index], (*path, SEARCH, index), {**conditions, path: label})

    def _resolved(
        self,
        tree: Any,
        source: SettingPath,
        target: SettingPath,
        params: Mapping[str, Label],
        locations: dict[SettingPath, str],
    ) -> Any:
        """Return what ``source`` resolves to, and note its location under ``target``, its path in the result."""
        if source in self.document.locations:
            locations[target] = self.document.locations[source]
        parameter = self._at.get(source)
        if isinstance(parameter, Range):
            return params[parameter.name]
        if parameter is not None:
            index = parameter.labels.index(params[parameter.name])
            return self._resolved(tree[SEARCH][index], (*source, SEARCH, index), target, params, locations)
        parts = (
            (key, self._resolved(part, (*source, key), (*target, key), params, locations))
            for key, part in parts_of(tree)
        )
        if isinstance(tree, dict):
            return dict(parts)
        return [part for _, part in parts] if isinstance(tree, list) else tree


def _shortened(path: SettingPath) -> SettingPath:
    """Return the path that a setting has when all choices around it are resolved."""
    kept: list[str | int] = []
    choosing = False
    for key in path:
        if not (choosing and isinstance(key, int)) and key != SEARCH:
            kept.append(key)
        choosing = key == SEARCH
    return tuple(kept)
