"""How far one arm of a comparison is from another, and what that means in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from unrolled.experiments.comparing.arms import Arm
from unrolled.experiments.comparing.intervals import CONFIDENCE, Estimate, holm, paired, welch
from unrolled.experiments.differences import SettingDifference, settings_that_differ

# Fewer give an interval that is too wide to say anything.
_ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Difference:
    """How far one arm is from the first, and whether that may be chance.

    Attributes:
        first: The name of the first arm.
        second: The name of the other.
        metric: What is compared, one of the figures of the test set.
        method: ``paired`` where the seeds of one are all among those of the other, else ``welch``.
        seeds: How many seeds the first and the second have; of pairs, how many pairs, twice.
        estimate: Second - first.
        corrected_p: ``estimate.p`` after Holm's correction for all ``comparisons``.
        comparisons: How many differences have an interval.
        settings: What differs between the two experiments.
    """

    first: str
    second: str
    metric: str
    method: Literal["paired", "welch"]
    seeds: tuple[int, int]
    estimate: Estimate
    corrected_p: float | None
    comparisons: int
    settings: tuple[SettingDifference, ...]

    @property
    def distinguishable(self) -> bool | None:
        """Whether the data tell the two apart; None where there is no interval to say so."""
        return None if self.corrected_p is None else self.corrected_p < 1 - CONFIDENCE

    @property
    def sentence(self) -> str:
        """What the figures mean, in words."""
        mean, low, high = self.estimate.mean, self.estimate.low, self.estimate.high
        direction = "higher" if mean > 0 else "lower"
        amount = f"{abs(mean):.4f} {direction}" if mean else "the same on average"
        opening = f"{self.second} against {self.first}: {self.metric} {amount}"
        if low is None or high is None:
            return f"{opening}; {self._too_few()}"
        return f"{opening}, 95 % interval {low:+.4f} to {high:+.4f}, {self._basis()}: {self._verdict(low, high)}"

    def _too_few(self) -> str:
        more = _ENOUGH_SEEDS - 1
        poor = [name for name, n in zip((self.first, self.second), self.seeds, strict=True) if n == 1]
        if not poor:
            return "all seeds give the same, which shows nothing of chance. Train more seeds with: unrolled repeat"
        return (
            f"no interval can be given with one seed of {' and '.join(poor)}, so nobody can say whether that is "
            f"chance. Train {more} more seeds of {'each' if len(poor) > 1 else 'it'} with: unrolled repeat"
        )

    def _basis(self) -> str:
        if self.method == "paired":
            return f"paired over {self.seeds[0]} seeds"
        return f"Welch's over {self.seeds[0]} and {self.seeds[1]} seeds that do not match"

    def _verdict(self, low: float, high: float) -> str:
        corrected = f"p = {self.corrected_p:.2g} after Holm's correction for {self.comparisons} comparisons"
        if self.distinguishable:
            return f"the data tell the two apart{f' ({corrected})' if self.comparisons > 1 else ''}"
        if low <= 0 <= high:
            return "it contains 0, so the data cannot tell the two apart"
        return (
            f"it leaves out 0, but so it may by chance in one of several ({corrected}): the data cannot tell them apart"
        )

    def to_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        shown = {**asdict(self), "distinguishable": self.distinguishable, "sentence": self.sentence}
        return {**shown, "settings": [asdict(setting) for setting in self.settings]}


def difference_between(first: Arm, second: Arm, metric: str) -> Difference:
    """How far the second is from the first; paired where the seeds of one are all among the other's."""
    one, two = first.values(metric), second.values(metric)
    shared = sorted(one.keys() & two.keys())
    match = len(shared) == min(len(one), len(two)) and (len(shared) > 1 or len(one) == len(two))
    if match:
        estimate = paired([one[seed] for seed in shared], [two[seed] for seed in shared])
    else:
        estimate = welch(list(one.values()), list(two.values()))
    return Difference(
        first=first.name,
        second=second.name,
        metric=metric,
        method="paired" if match else "welch",
        seeds=(len(shared), len(shared)) if match else (len(one), len(two)),
        estimate=estimate,
        corrected_p=None,
        comparisons=0,
        settings=settings_that_differ(first.experiment, second.experiment),
    )


def with_correction(differences: Sequence[Difference]) -> list[Difference]:
    """The differences with Holm's correction for those that have an interval."""
    chances = holm([one.estimate.p for one in differences if one.estimate.p is not None])
    remaining = iter(chances)
    return [
        one if one.estimate.p is None else replace(one, corrected_p=next(remaining), comparisons=len(chances))
        for one in differences
    ]
