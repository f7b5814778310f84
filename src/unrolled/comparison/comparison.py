"""Comparison of experiments: differences between their arms, with confidence intervals and p-values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unrolled.comparison.arms import Arm, RunResult, collect_arms
from unrolled.comparison.groups import Group
from unrolled.comparison.statistics import CONFIDENCE, Estimate, holm, newcombe, paired, welch
from unrolled.config.diff import ConfigDifference, diff_configs
from unrolled.errors import InvalidInput, RunError, did_you_mean
from unrolled.runs.run import Run

# With fewer, the interval is mostly too wide to be of use.
_ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Difference:
    """Difference of one metric between an arm and the first arm.

    Attributes:
        first: Name of the first arm.
        second: Name of the other arm.
        metric: Metric on the test set.
        method: Method of the interval: ``paired`` where the seeds of one arm are all among those of the other,
            ``newcombe`` for the accuracies of two single runs, else ``welch``.
        seeds: Number of seeds of the first and the second arm; with ``paired`` the number of pairs, twice.
        estimate: Second - first.
        corrected_p_value: ``estimate.p_value`` after Holm's correction for all ``comparisons``.
        comparisons: Number of differences that have an interval.
        settings: Settings that differ between the two experiments.
    """

    first: str
    second: str
    metric: str
    method: Literal["paired", "welch", "newcombe"]
    seeds: tuple[int, int]
    estimate: Estimate
    corrected_p_value: float | None
    comparisons: int
    settings: tuple[ConfigDifference, ...]

    @property
    def is_significant(self) -> bool | None:
        """True if the difference is significant at 95 %; None where there is no interval.

        With ``newcombe`` this is about the test set alone, not about other seeds.
        """
        return None if self.corrected_p_value is None else self.corrected_p_value < 1 - CONFIDENCE

    @property
    def sentence(self) -> str:
        """The difference, its interval and its significance in words, without a full stop."""
        mean, low, high = self.estimate.mean, self.estimate.low, self.estimate.high
        direction = "higher" if mean > 0 else "lower"
        amount = f"{abs(mean):.4f} {direction}" if mean else "equal"
        opening = f"{self.second} against {self.first}: {self.metric} {amount}"
        if low is None or high is None:
            return f"{opening}; {self._too_few()}"
        interval = f"95 % interval {low:+.4f} to {high:+.4f}, {self._basis()}"
        return f"{opening}, {interval}: {self._verdict(low, high)}"

    def _too_few(self) -> str:
        single = [name for name, n in zip((self.first, self.second), self.seeds, strict=True) if n == 1]
        if not single:
            return "no interval, since all seeds gave the same. Train more seeds with: unrolled repeat"
        return f"no interval with one seed of {' and '.join(single)}: {_unknown_variation(len(single))}"

    def _basis(self) -> str:
        if self.method == "newcombe":
            return f"Newcombe's over {self.estimate.n:,} test examples of one run each"
        if self.method == "paired":
            return f"paired over {self.seeds[0]} seeds"
        return f"Welch's over {self.seeds[0]} and {self.seeds[1]} seeds that do not match"

    def _verdict(self, low: float, high: float) -> str:
        verdict = "significant at 95 %" if self.is_significant else "not significant at 95 %"
        corrected = f"p = {self.corrected_p_value:.2g} after Holm's correction for {self.comparisons} comparisons"
        leaves_out_0 = not low <= 0 <= high
        if self.comparisons > 1 and leaves_out_0:
            without = "" if self.is_significant else ", although the interval leaves out 0"
            verdict = f"{verdict} ({corrected}){without}"
        if self.method == "newcombe":
            return f"the difference is {verdict} on this test set; {_unknown_variation(2)}"
        return f"the difference is {verdict}"

    def to_json(self) -> dict[str, Any]:
        """Return all attributes, ``significant`` and ``sentence`` as JSON."""
        attributes = {**asdict(self), "significant": self.is_significant, "sentence": self.sentence}
        return {**attributes, "settings": [asdict(setting) for setting in self.settings]}


def _unknown_variation(single: int) -> str:
    more = f"Train {_ENOUGH_SEEDS - 1} more seeds of {'each' if single > 1 else 'it'} with: unrolled repeat"
    return f"variation between seeds is unknown. {more}"


@dataclass(frozen=True)
class Comparison:
    """Arms side by side.

    Attributes:
        metric: Metric of the differences.
        arms: Arms with a finished run, in the order of the arguments.
        differences: Difference of each arm after the first from the first.
        left_out: Runs that were left out, with the reason.
        other_machines: Properties in which the runs' machines differ, each with its values; if there are any, speeds
            are not comparable.
    """

    metric: str
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    left_out: Mapping[str, str]
    other_machines: Mapping[str, Sequence[Any]]

    @property
    def metrics(self) -> list[str]:
        """Metrics that all runs have."""
        return metrics_of(self.arms)

    @property
    def notes(self) -> list[str]:
        """Sentences that are needed to read the numbers."""
        notes = [
            f"{arm.name} pools {len(arm.results)} runs of the same experiment with the seeds "
            f"{', '.join(map(str, arm.seeds))}."
            for arm in self.arms
            if arm.pooled
        ]
        if len(self.differences) > 1:
            notes.append(
                f"The {len(self.differences)} comparisons with {self.arms[0].name} are corrected by Holm's method; the "
                "intervals themselves are 95 % each."
            )
        if self.other_machines:
            named = "; ".join(f"{key}: {' or '.join(map(str, values))}" for key, values in self.other_machines.items())
            notes.append(f"Speeds are not comparable, since the runs' machines or settings differ ({named}).")
        if on_test := [arm.name for arm in self.arms if arm.experiment.training.validation == "test"]:
            notes.append(f"Validated on the test set: {', '.join(on_test)}. Do not choose settings by these metrics.")
        return [*notes, *self._notes_on_intervals()]

    def _notes_on_intervals(self) -> list[str]:
        notes = []
        if any(len(arm.results) > 1 for arm in self.arms):
            notes.append(
                "Intervals over seeds cover the variation between seeds on this test set, not the choice of other test "
                "examples."
            )
        if any(arm.estimate(metric).basis == "examples" for arm in self.arms for metric in self.metrics):
            notes.append(
                "Intervals of a single run cover the choice of the test examples (Wilson's), not the variation between "
                "seeds."
            )
        if any(difference.method == "newcombe" for difference in self.differences):
            notes.append(
                "The interval of the difference of two single runs treats them as independent; as both are tested on "
                "the same examples, it is wider than need be."
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        """Return the whole comparison as JSON."""
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
    """Compare experiments by their runs, with confidence intervals and significance.

    The first arm is the one that the others are compared with. Intervals are over the seeds of an arm. Between the
    accuracies of two single runs the interval is Newcombe's over the test examples, which does not cover the variation
    between seeds; other metrics of single runs have no interval.

    Args:
        *arms: Each a run, a group, its folder, its name, ``"latest"``, ``"latest:2"`` (the second newest) or the first
            characters of its folder's name; or a list of runs of one experiment. Runs that are named one by one are
            pooled where they are of the same experiment and of different seeds.
        metric: Metric on the test set: ``accuracy`` or ``loss`` of a classification, ``bits per character`` or
            ``perplexity`` of a text, ``MAE``, ``RMSE`` or ``MASE`` of a forecast. Default: the first one.
        runs: Folder in which names are searched.

    Returns:
        The comparison: its ``arms``, ``differences`` and ``notes``.

    Raises:
        RunError: There is no such run, or none of them has finished.
        InvalidInput: The runs are of different data, or there is no such metric.

    Example::

        comparison = unrolled.compare("mnist-rows", "mnist-gru")
        print(comparison.differences[0].sentence)
    """
    found, left_out = collect_arms(arms, Path(runs))
    if not found:
        reasons = "; ".join(f"{run}: {reason.rstrip('.')}" for run, reason in left_out.items())
        raise RunError(f"compare: there is no finished run ({reasons or 'none was named'}). Train one.")
    _check_data(found)
    metric = _check_metric(metric, metrics_of(found))
    differences = [difference_between(found[0], arm, metric) for arm in found[1:]]
    machines = _other_machines([result for arm in found for result in arm.results])
    return Comparison(metric, tuple(found), tuple(with_correction(differences)), left_out, machines)


def metrics_of(arms: Sequence[Arm]) -> list[str]:
    """Return the metrics that all runs have."""
    results = [result for arm in arms for result in arm.results]
    return [name for name in results[0].scores if all(name in result.scores for result in results)]


def _check_metric(metric: str | None, known: Sequence[str]) -> str:
    """Return the metric, or the first one instead of None.

    Raises:
        InvalidInput: The runs have no such metric.
    """
    if metric is None:
        return known[0]
    if metric not in known:
        remedy = did_you_mean(metric, known) or f" Example: {known[0]}"
        raise InvalidInput(f'compare: expected the metric {", ".join(known)}, got "{metric}".{remedy}')
    return metric


def _check_data(arms: Sequence[Arm]) -> None:
    first = arms[0].results[0]
    for arm in arms:
        for result in arm.results:
            other = next((key for key, value in first.data.items() if result.data[key] != value), None)
            if other:
                raise InvalidInput(
                    f"compare: the runs are of different data: {other.replace('_', ' ')} "
                    f"{first.data[other]} in {first.path}, {result.data[other]} in {result.path}. "
                    "Compare runs that were tested on the same data."
                )


def _other_machines(results: Sequence[RunResult]) -> dict[str, list[Any]]:
    """Return the properties in which the machines of the runs differ, each with its values."""
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
    """Return the difference of the second arm from the first; see ``Difference.method`` for its interval."""
    one, two = first.values(metric), second.values(metric)
    shared = sorted(one.keys() & two.keys())
    match = len(shared) == min(len(one), len(two)) and (len(shared) > 1 or len(one) == len(two))
    method: Literal["paired", "welch", "newcombe"] = "paired" if match else "welch"
    seeds = (len(shared), len(shared)) if match else (len(one), len(two))
    examples = first.results[0].classified
    if metric == "accuracy" and examples and len(one) == len(two) == 1:
        method = "newcombe"
        (before,), (after,) = one.values(), two.values()
        estimate = newcombe(before, after, examples)
    elif match:
        estimate = paired([one[seed] for seed in shared], [two[seed] for seed in shared])
    else:
        estimate = welch(list(one.values()), list(two.values()))
    return Difference(
        first=first.name,
        second=second.name,
        metric=metric,
        method=method,
        seeds=seeds,
        estimate=estimate,
        corrected_p_value=None,
        comparisons=0,
        settings=diff_configs(first.experiment, second.experiment),
    )


def with_correction(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences with Holm's correction of those that have an interval."""
    p_values = [one.estimate.p_value for one in differences if one.estimate.p_value is not None]
    corrected = iter(holm(p_values))
    return [
        one
        if one.estimate.p_value is None
        else replace(one, corrected_p_value=next(corrected), comparisons=len(p_values))
        for one in differences
    ]
