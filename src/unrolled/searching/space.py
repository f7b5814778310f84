"""Ranges and choices in an experiment: where they stand, what they offer, and the experiment that a pick gives.

A setting's value may be ``{search: ...}``, with a list of values or with the ends of a range. A choice among layers
may hold further searches, which are there only while that layer is picked.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unrolled.config.document import SEARCH, Document, SettingPath, format_path, is_search, parts_of, search_paths
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

# A search over these would compare what cannot be compared, or name runs at random.
_FIXED = ("name", "data", "seed")


class SearchSpace:
    """All searches of a document.

    Attributes:
        document: With the searches in it.
        parameters: Each search, the outer ones before those within them.

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
            InvalidSetting: There is none, or one of them says something that cannot be; the message says where.
        """
        self.document = document
        check_misspelled_search(document.values, (), document)
        paths = list(search_paths(document.values, ()))
        if not paths:
            raise InvalidSetting(
                f"{document.name}: expected a setting to search, got none. "
                "Write for example: units: {search: [32, 64]}"
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
        """Let a trial pick a value for each search that is there, given what it has picked already."""
        params: dict[str, Label] = {}
        for parameter in self.parameters:
            if self._is_there(parameter, params):
                params[parameter.name] = parameter.suggest(trial)
        return params

    def one_at_a_time(self) -> Iterator[dict[str, Label]]:
        """Picks in which everything is picked once: the first of all, then each other one beside the first of the rest.

        Of a range, its two ends.
        """
        yield self._completed({})
        for parameter in self.parameters:
            needed = {self._at[path].name: label for path, label in parameter.conditions.items()}
            for sample in parameter.samples[1:]:
                yield self._completed({**needed, parameter.name: sample})

    def resolve(self, params: Mapping[str, Label]) -> Document:
        """The document without searches, each replaced by what was picked.

        Args:
            params: A value or a label for each search that is there, by the parameter's name.
        """
        locations: dict[SettingPath, str] = {}
        settings = self._settled(self.document.values, (), (), params, locations)
        return Document(settings, self.document.name, locations)

    def _is_there(self, parameter: Parameter, params: Mapping[str, Label]) -> bool:
        return all(
            self._at[path].name in params and params[self._at[path].name] == label
            for path, label in parameter.conditions.items()
        )

    def _completed(self, params: dict[str, Label]) -> dict[str, Label]:
        """The picks with the first sample of whatever else is there."""
        whole: dict[str, Label] = {}
        for parameter in self.parameters:
            if self._is_there(parameter, whole):
                whole[parameter.name] = params.get(parameter.name, parameter.samples[0])
        return whole

    def _parameters(self, tree: Any, path: SettingPath, conditions: dict[SettingPath, Label]) -> Iterator[Parameter]:
        if not is_search(tree):
            for key, part in parts_of(tree):
                yield from self._parameters(part, (*path, key), conditions)
            return
        if path and path[0] in _FIXED:
            where, setting = self.document.where(path), format_path(path)
            raise InvalidSetting(f"{where}: expected one value for {setting}, got a search. Search something else.")
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

    def _settled(
        self,
        tree: Any,
        source: SettingPath,
        target: SettingPath,
        params: Mapping[str, Label],
        locations: dict[SettingPath, str],
    ) -> Any:
        """What stands at ``source`` once everything is picked; notes the place of what will stand at ``target``."""
        if source in self.document.locations:
            locations[target] = self.document.locations[source]
        parameter = self._at.get(source)
        if isinstance(parameter, Range):
            return params[parameter.name]
        if parameter is not None:
            index = parameter.labels.index(params[parameter.name])
            return self._settled(tree[SEARCH][index], (*source, SEARCH, index), target, params, locations)
        parts = (
            (key, self._settled(part, (*source, key), (*target, key), params, locations))
            for key, part in parts_of(tree)
        )
        if isinstance(tree, dict):
            return dict(parts)
        return [part for _, part in parts] if isinstance(tree, list) else tree


def _shortened(path: SettingPath) -> SettingPath:
    """The path that a setting will have once all choices around it are made."""
    kept: list[str | int] = []
    choosing = False
    for key in path:
        if not (choosing and isinstance(key, int)) and key != SEARCH:
            kept.append(key)
        choosing = key == SEARCH
    return tuple(kept)
