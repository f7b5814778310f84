"""What one search offers, and how a sampler is asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unrolled.experiments.document import SettingPath
from unrolled.experiments.search.labels import Label

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Choice:
    """One of several values, layers or lists of layers.

    Attributes:
        name: The setting's path, as in ``network[1].LSTM.units``.
        path: Where the search stands in the document.
        conditions: What must be picked elsewhere, by path, for this to be there at all.
        labels: What each is called: numbers, words and the like by themselves, layers by their class.
    """

    name: str
    path: SettingPath
    conditions: Mapping[SettingPath, Label]
    labels: tuple[Label, ...]

    @property
    def samples(self) -> tuple[Label, ...]:
        """What to try so that all of it has been tried."""
        return self.labels

    def suggest(self, trial: "optuna.Trial") -> Label:
        """What the sampler picks."""
        return trial.suggest_categorical(self.name, self.labels)


@dataclass(frozen=True)
class Range:
    """A number between two others, both of them included; whole where they and the step are.

    Attributes:
        name: The setting's path, as in ``training.optimizer.Adam.learning_rate``.
        path: Where the search stands in the document.
        conditions: What must be picked elsewhere, by path, for this to be there at all.
        low: The lowest value.
        high: The highest value.
        step: The distance between neighbouring values, or None.
        log: Whether a factor counts, and not a difference.
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
        """What to try so that both ends have been tried."""
        return self.low, self.high

    def suggest(self, trial: "optuna.Trial") -> float:
        """What the sampler picks."""
        if all(isinstance(bound, int) for bound in (self.low, self.high, self.step or 1)):
            return trial.suggest_int(self.name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)


Parameter = Choice | Range
