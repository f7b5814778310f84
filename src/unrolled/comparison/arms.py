"""Finished runs as values, and the arms of a comparison that they make up."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from unrolled.comparison.groups import Group
from unrolled.comparison.statistics import Estimate, student, wilson
from unrolled.config.diff import settings_of
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import RunError, UnrolledError
from unrolled.runs.folders import find_run_or_group, is_group
from unrolled.runs.run import Run


@dataclass(frozen=True)
class RunResult:
    """Results and cost of one finished run.

    Attributes:
        path: Folder of the run.
        seed: Seed of the run.
        scores: Metrics on the test set, by name, such as ``accuracy`` and ``loss``.
        classified: Number of test examples that the accuracy is the share of; None where no class was predicted (the
            tokens of a text depend on each other, and so do the steps of a series).
        parameters: Number of weights; None where it is not known.
        cpu_seconds: Processor time of all epochs; None where it was not recorded.
        seconds_per_epoch: Mean over the epochs, without the first, which compiles, where there are more.
        examples_per_second: Mean over the epochs, without compilation.
        metrics: One mapping for each epoch.
        data: Properties that two runs must share to be compared: the data set's name, classes, shape, test examples.
        machine: Properties that two runs must share for their speeds to be compared; empty where not recorded.
    """

    path: Path
    seed: int
    scores: Mapping[str, float]
    classified: int | None
    parameters: int | None
    cpu_seconds: float | None
    seconds_per_epoch: float
    examples_per_second: float
    metrics: Sequence[Mapping[str, Any]]
    data: Mapping[str, Any]
    machine: Mapping[str, Any]


def read_result(run: Run) -> RunResult:
    """Read the results of a finished run.

    Raises:
        RunError: One of its files is missing or damaged, or one of its metrics is not finite.
    """
    seed = run.config.seed
    try:
        evaluation, metrics, data = run.evaluation, run.metrics, run.data
        seconds = [float(record["seconds"]) for record in metrics]
        scores = evaluation.metrics
        if not all(map(math.isfinite, scores.values())):
            raise RunError(f"{run.path}: expected finite test metrics, got {scores}. Train again.")
        known = all("cpu_seconds" in record for record in metrics)
        return RunResult(
            path=run.path,
            seed=seed,
            scores=scores,
            classified=evaluation.examples if evaluation.classes else None,
            parameters=_parameters(run),
            cpu_seconds=sum(record["cpu_seconds"] for record in metrics) if known else None,
            seconds_per_epoch=fmean(seconds[1:] or seconds),
            examples_per_second=fmean(record["examples_per_second"] for record in metrics),
            metrics=metrics,
            data={
                **{key: data[key] for key in ("name", "classes", "example_shape", "test_examples")},
                "checksum_of_the_test_set": data.get("fingerprints", {}).get("test"),
                **_tested_on(run),
            },
            machine=_machine(run),
        )
    except UnrolledError:
        raise
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"{run.path}: the run is incomplete ({type(error).__name__}: {error}). Train again.") from None


def _tested_on(run: Run) -> dict[str, Any]:
    """Return the settings without which two evaluations cannot be compared."""
    evaluation = run.evaluation
    return {**evaluation.conditions, "test_examples": evaluation.examples} if evaluation.conditions else {}


def _parameters(run: Run) -> int | None:
    """Return the number from ``data.json``, or from the network where it is not written there."""
    if "parameters" in run.data:
        return int(run.data["parameters"])
    try:
        return int(run.model.count_params())
    except RunError:
        return None


def _machine(run: Run) -> dict[str, Any]:
    try:
        facts = run.environment
    except RunError:
        return {}
    each = [_facts_of_machine(described) for described in (facts, *facts.get("resumed", []))]
    return {name: " then ".join(dict.fromkeys(str(facts[name]) for facts in each)) for name in each[0]}


def _facts_of_machine(facts: Mapping[str, Any]) -> dict[str, Any]:
    kernels, settings = facts.get("kernels") or {}, facts.get("thread_settings") or {}
    return {
        "backend": facts.get("backend"),
        "processor": facts.get("cpu"),
        "threads": facts.get("threads"),
        "threads of the kernels": kernels.get("threads"),
        "instruction set": kernels.get("isa"),
        "thread settings": " ".join(f"{key}={value}" for key, value in settings.items()) or "none",
    }


@dataclass(frozen=True)
class Arm:
    """The finished runs of one experiment.

    Attributes:
        name: Name in tables.
        experiment: The experiment; the seed is that of one run.
        results: One for each seed, sorted by seed.
        kind: ``group``, a ``list`` of runs, or ``runs`` that were named one by one.
    """

    name: str
    experiment: ExperimentConfig
    results: tuple[RunResult, ...]
    kind: Literal["group", "list", "runs"] = "runs"

    @property
    def pooled(self) -> bool:
        """True if its seeds are several runs that were named one by one."""
        return self.kind == "runs" and len(self.results) > 1

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(result.seed for result in self.results)

    def values(self, metric: str) -> dict[int, float]:
        """Return one of the metrics on the test set, by seed."""
        return {result.seed: result.scores[metric] for result in self.results}

    def estimate(self, metric: str) -> Estimate:
        """Estimate one of the metrics on the test set.

        The interval is Student's over the seeds. The accuracy of a single run has Wilson's interval over the test
        examples, which does not cover the variation between seeds. Other metrics of a single run have none.
        """
        if metric == "accuracy" and len(self.results) == 1 and (n := self.results[0].classified):
            return wilson(self.results[0].scores[metric], n)
        return student(list(self.values(metric).values()))

    def mean(self, attribute: str) -> float | None:
        """Return the mean over seeds of an attribute of ``RunResult``; None where a run has not recorded it."""
        values = [getattr(result, attribute) for result in self.results]
        return None if None in values else fmean(values)

    def curve(self, name: str) -> list[list[float]]:
        """Return a metric's values over the epochs that every seed has reached, a list for each seed."""
        shortest = min(len(result.metrics) for result in self.results)
        epochs = [result.metrics[:shortest] for result in self.results]
        return [[record[name] for record in records] for records in epochs if all(name in one for one in records)]


def collect_arms(named: Iterable[Any], runs: Path) -> tuple[list[Arm], dict[str, str]]:
    """Collect the arms of a comparison, and the runs that are left out of them, with the reason.

    A group is an arm; so is a list of runs. Runs that are named one by one are pooled where they are of the same
    experiment and of different seeds.

    Args:
        named: Runs, groups, their folders or names, or lists of runs.
        runs: Folder in which names are searched.

    Raises:
        RunError: There is no such run or group.
        InvalidSetting: The experiment of one of them cannot be read.
    """
    arms: list[Arm] = []
    left_out: dict[str, str] = {}
    for source in (_find(each, runs) for each in named):
        if isinstance(source, Run):
            _add_run(source, arms, left_out)
            continue
        finished, others = _runs_of(source)
        left_out |= others
        read = [result for run in finished if (result := _read(run, left_out))]
        if read:
            experiment = source.experiment if isinstance(source, Group) else finished[0].config
            name = source.name if isinstance(source, Group) else experiment.name
            arms.append(Arm(name, experiment, _by_seed(read), "group" if isinstance(source, Group) else "list"))
    return _with_distinct_names(arms), left_out


def _find(source: Any, runs: Path) -> Run | Group | list[Run]:
    if isinstance(source, Run | Group):
        return source
    if isinstance(source, str | Path):
        folder = find_run_or_group(str(source), runs)
        return Group.open(folder) if is_group(folder) else Run.open(folder)
    return [one if isinstance(one, Run) else Run.find(str(one), runs) for one in source]


def _runs_of(source: Group | list[Run]) -> tuple[list[Run], dict[str, str]]:
    if isinstance(source, Group):
        finished, left_out = source.runs_by_seed()
        untried = {seed for seed in source.seeds if seed not in finished} - _seeds_of(left_out)
        reasons = {str(path): reason for path, reason in left_out.items()}
        missing = {f"seed {seed} of {source.path}": "it has not been trained" for seed in sorted(untried)}
        return list(finished.values()), reasons | missing
    newest: dict[int, Run] = {}
    others: dict[str, str] = {}
    for run in source:
        if settings_of(run.config) != settings_of(source[0].config):
            others[str(run.path)] = f"it is of another experiment than {source[0].path}"
        elif run.config.seed in newest:
            others[str(run.path)] = f"seed {run.config.seed} is there already"
        else:
            newest[run.config.seed] = run
    return list(newest.values()), others


def _seeds_of(folders: Iterable[Path]) -> set[int]:
    """Return the seeds of the runs that can be read."""
    seeds: set[int] = set()
    for folder in folders:
        with suppress(UnrolledError):
            seeds.add(Run.open(folder).config.seed)
    return seeds


def _add_run(run: Run, arms: list[Arm], left_out: dict[str, str]) -> None:
    """Add a single run to the arm of its experiment that lacks its seed, or make a new arm of it."""
    result = _read(run, left_out)
    if result is None:
        return
    settings = settings_of(run.config)
    for index, arm in enumerate(arms):
        if arm.kind == "runs" and settings_of(arm.experiment) == settings and result.seed not in arm.seeds:
            arms[index] = Arm(arm.name, arm.experiment, _by_seed([*arm.results, result]))
            return
    arms.append(Arm(run.config.name, run.config, (result,)))


def _by_seed(results: Iterable[RunResult]) -> tuple[RunResult, ...]:
    return tuple(sorted(results, key=lambda result: result.seed))


def _read(run: Run, left_out: dict[str, str]) -> RunResult | None:
    """Read a run's results; note the reason and return None where it has not finished or a file is damaged."""
    try:
        status = run.current_status
        if status == "finished":
            return read_result(run)
        left_out[str(run.path)] = f"it is {status}"
    except (UnrolledError, OSError) as error:
        left_out[str(run.path)] = str(error)
    return None


def _with_distinct_names(arms: Sequence[Arm]) -> list[Arm]:
    """Return the arms with distinct names: those that share one get numbers."""
    names = [arm.name for arm in arms]
    return [
        arm if names.count(arm.name) == 1 else replace(arm, name=f"{arm.name} ({number})")
        for number, arm in enumerate(arms, start=1)
    ]
