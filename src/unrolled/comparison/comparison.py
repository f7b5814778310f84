"""Experiments side by side: what each gave over its seeds, and whether the data can tell them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unrolled.comparison.arms import Arm, RunResult, collect_arms
from unrolled.comparison.groups import Group
from unrolled.comparison.statistics import CONFIDENCE, Estimate, holm, paired, welch
from unrolled.config.diff import ConfigDifference, diff_configs
from unrolled.errors import InvalidInput, RunError, did_you_mean
from unrolled.runs.run import Run

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
    settings: tuple[ConfigDifference, ...]

    @property
    def is_significant(self) -> bool | None:
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
        if self.is_significant:
            return f"the data tell the two apart{f' ({corrected})' if self.comparisons > 1 else ''}"
        if low <= 0 <= high:
            return "it contains 0, so the data cannot tell the two apart"
        return (
            f"it leaves out 0, but so it may by chance in one of several ({corrected}): the data cannot tell them apart"
        )

    def to_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        shown = {**asdict(self), "distinguishable": self.is_significant, "sentence": self.sentence}
        return {**shown, "settings": [asdict(setting) for setting in self.settings]}


@dataclass(frozen=True)
class Comparison:
    """Arms side by side.

    Attributes:
        metric: What the differences are of.
        arms: Those that have a finished run, in the order in which they were named.
        differences: Of each arm after the first, from the first.
        left_out: The runs that were left out, with the reason.
        other_machines: What differed between the machines of the runs, each with its values; where there is
            anything, their speeds are not comparable.
    """

    metric: str
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    left_out: Mapping[str, str]
    other_machines: Mapping[str, Sequence[Any]]

    @property
    def metrics(self) -> list[str]:
        """The figures that all runs have."""
        return metrics_of(self.arms)

    @property
    def notes(self) -> list[str]:
        """What one must know to read the figures, a sentence each."""
        pooled = [
            f"{arm.name} pools {len(arm.results)} runs of the same experiment with the seeds "
            f"{', '.join(map(str, arm.seeds))}."
            for arm in self.arms
            if arm.pooled
        ]
        corrected = (
            f"The {len(self.differences)} comparisons with {self.arms[0].name} are corrected by Holm's method; the "
            "intervals themselves are 95 % each."
        )
        named = "; ".join(f"{key}: {' or '.join(map(str, values))}" for key, values in self.other_machines.items())
        speeds = f"Speeds are not comparable, the runs were not made alike ({named})."
        watched = [arm.name for arm in self.arms if arm.experiment.training.validation == "test"]
        seen = f"Validated on the test set: {', '.join(watched)}. Do not choose settings by these figures."
        reach = "The intervals cover the chance of seeds on this test set, not the choice of other test examples."
        return [
            *pooled,
            *([corrected] if len(self.differences) > 1 else []),
            *([speeds] if self.other_machines else []),
            *([seen] if watched else []),
            *([reach] if any(len(arm.results) > 1 for arm in self.arms) else []),
        ]

    def to_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            "metric": self.metric,
            "confidence": CONFIDENCE,
            "correction": "holm" if len(self.differences) > 1 else None,
            "arms": [_describe(arm, self.metrics) for arm in self.arms],
            "differences": [difference.to_json() for difference in self.differences],
            "speeds_comparable": not self.other_machines,
            "other_machines": {key: list(values) for key, values in self.other_machines.items()},
            "left_out": dict(self.left_out),
            "notes": self.notes,
        }


def compare(
    *arms: str | Path | Run | Group | Sequence[str | Path | Run],
    metric: str | None = None,
    runs: str | Path = "runs",
) -> Comparison:
    """Put runs side by side, and say what is chance.

    Args:
        *arms: Each a run or a group, its folder, its name or ``"latest"``; or a list of runs of one experiment. Runs
            that are given one by one are pooled where they are of the same experiment and of other seeds.
        metric: Which figure of the test set: ``accuracy`` or ``loss`` of classes, ``bits per character`` or
            ``perplexity`` of a text, ``MAE``, ``RMSE`` or ``MASE`` of a forecast. Without it, the first that it has.
        runs: Where names are looked for.

    Raises:
        RunError: There is no such run, or none of them has finished.
        InvalidInput: They learned from different data, or there is no such metric.

    Example::

        comparison = unrolled.compare("mnist-rows", "mnist-gru")
        print(comparison.differences[0].sentence)
    """
    found, left_out = collect_arms(arms, Path(runs))
    if not found:
        reasons = "; ".join(f"{run}: {reason.rstrip('.')}" for run, reason in left_out.items())
        raise RunError(f"compare: expected a finished run, got none ({reasons or 'nothing was named'}). Train one.")
    _check_data(found)
    metric = _chosen(metric, metrics_of(found))
    differences = [difference_between(found[0], arm, metric) for arm in found[1:]]
    machines = _other_machines([result for arm in found for result in arm.results])
    return Comparison(metric, tuple(found), tuple(with_correction(differences)), left_out, machines)


def metrics_of(arms: Sequence[Arm]) -> list[str]:
    """The figures that all runs have."""
    results = [result for arm in arms for result in arm.results]
    return [name for name in results[0].scores if all(name in result.scores for result in results)]


def _chosen(metric: str | None, known: Sequence[str]) -> str:
    if metric is None:
        return known[0]
    if metric not in known:
        remedy = did_you_mean(metric, known) or " Choose one."
        raise InvalidInput(f'compare: expected the metric {", ".join(known)}, got "{metric}".{remedy}')
    return metric


def _check_data(arms: Sequence[Arm]) -> None:
    first = arms[0].results[0]
    for arm in arms:
        for result in arm.results:
            other = next((key for key, value in first.data.items() if result.data[key] != value), None)
            if other:
                raise InvalidInput(
                    f"compare: expected runs on the same data, got {other.replace('_', ' ')} "
                    f"{first.data[other]} in {first.path} and {result.data[other]} in {result.path}. "
                    "Compare runs that were measured alike."
                )


def _other_machines(results: Sequence[RunResult]) -> dict[str, list[Any]]:
    """What the machines of the runs do not share, each with its values."""
    keys = dict.fromkeys(key for result in results for key in result.machine)
    values = {key: dict.fromkeys(result.machine.get(key, "not recorded") for result in results) for key in keys}
    return {key: list(distinct) for key, distinct in values.items() if len(distinct) > 1}


def _describe(arm: Arm, metrics: Sequence[str]) -> dict[str, Any]:
    runs = [{"path": str(result.path), "seed": result.seed, **result.scores} for result in arm.results]
    costs = ("parameters", "cpu_seconds", "seconds_per_epoch", "examples_per_second")
    return {
        "name": arm.name,
        "kind": arm.kind,
        "pooled": arm.pooled,
        "n": len(arm.results),
        **{metric: asdict(arm.estimate(metric)) for metric in metrics},
        **{cost: arm.mean(cost) for cost in costs},
        "experiment": arm.experiment.model_dump(mode="json"),
        "runs": runs,
    }


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
        settings=diff_configs(first.config, second.config),
    )


def with_correction(differences: Sequence[Difference]) -> list[Difference]:
    """The differences with Holm's correction for those that have an interval."""
    chances = holm([one.estimate.p for one in differences if one.estimate.p is not None])
    remaining = iter(chances)
    return [
        one if one.estimate.p is None else replace(one, corrected_p=next(remaining), comparisons=len(chances))
        for one in differences
    ]
