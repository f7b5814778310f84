"""One case from beginning to end: prepare every arm, refuse those that compute something else, time the others."""

import math
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from benchmarks.cases import Arm, Case
from benchmarks.equality import compare
from benchmarks.frameworks.program import Outputs
from benchmarks.processes import OthersWork, WorkerFailed, Workers
from benchmarks.tasks import LayerTask, NetworkTask

Record = dict[str, Any]
"""A part of the JSON file."""
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    block_seconds: float
    """How long an arm runs before it is the next one's turn, at least; one run if that takes longer."""
    multiplications: int = 3
    """Of large matrices, each round, with each library; the best counts."""


def measure(case: Case, workers: Workers, effort: Effort, tell: Callable[[str], None]) -> Record:
    """Everything that was found out about a case, for the JSON file."""
    records = {arm.name: _describe(arm) for arm in case.arms}
    try:
        counts = _prepare(case, workers, effort, records, tell)
        timed = [arm for arm in case.arms if arm.name in counts]
        frameworks = sorted({"processor", *(arm.worker for arm in timed)})
        peaks: dict[str, list[float]] = {framework: [] for framework in frameworks}
        others = OthersWork(workers)
        for number in range(effort.rounds if timed else 0):
            tell(f"{case.name}: round {number + 1} of {effort.rounds}")
            for arm in rotated(timed, number):
                workers.resolve()
                seconds = workers[arm.worker].run(arm.name, counts[arm.name])
                records[arm.name]["seconds"].append(seconds)
            for framework in rotated(frameworks, number):
                workers.resolve()
                peaks[framework].append(workers[framework].multiply(effort.multiplications))
        disturbed = others.share()
    finally:
        workers.forget()
    arms = [summarized(records[arm.name], records, peaks) for arm in case.arms]
    return {"name": case.name, "group": case.group, "arms": arms, "sgemm_gflops": peaks, "others_share": disturbed}


def rotated(items: list[_Item], by: int) -> list[_Item]:
    """The items in turn, beginning with another one each time."""
    start = by % len(items)
    return items[start:] + items[:start]


def _describe(arm: Arm) -> Record:
    described = {**asdict(arm), "ours": arm.ours, "flops": arm.task.flops}
    return {**described, "task": {"kind": type(arm.task).__name__, **asdict(arm.task)}, "seconds": []}


def _prepare(
    case: Case, workers: Workers, effort: Effort, records: dict[str, Record], tell: Callable[[str], None]
) -> dict[str, int]:
    """How often each arm that may be timed runs in a row. Why the others may not is put into their records."""
    results: dict[str, Outputs] = {}
    counts: dict[str, int] = {}
    # Those that others must equal come first, whatever the order in which they are shown.
    expected = {arm.equals for arm in case.arms}
    for arm in sorted(case.arms, key=lambda arm: (arm.equals is not None, arm.name not in expected)):
        tell(f"{case.name}: preparing {arm.name}")
        try:
            workers.resolve()
            prepared = workers[arm.worker].prepare(arm)
        except WorkerFailed as failure:
            records[arm.name]["failure"] = str(failure)
            continue
        results[arm.name] = prepared.results
        records[arm.name]["warm_up_seconds"] = prepared.warm_up_seconds
        records[arm.name]["failure"] = failure_text = _difference(arm, results, records)
        if failure_text is None and arm.timed:
            once = isinstance(arm.task, NetworkTask)
            counts[arm.name] = 1 if once else max(1, math.ceil(effort.block_seconds / prepared.run_seconds))
    _drop_what_a_witness_denies(case, records, counts)
    for name, count in counts.items():
        records[name]["runs_per_block"] = count
    return counts


def _difference(arm: Arm, results: dict[str, Outputs], records: dict[str, Record]) -> str | None:
    """Why an arm is not what it should equal; None if it is, or need not equal any."""
    if arm.equals is None:
        return None
    if arm.equals not in results:
        return f"{arm.equals} failed, so there is nothing to compare with"
    try:
        extreme = isinstance(arm.task, LayerTask) and arm.task.values != "ordinary"
        difference = compare(results[arm.name], results[arm.equals], extreme=extreme)
    except ValueError as error:
        return f"not comparable to {arm.equals}: {error}"
    records[arm.name]["difference"] = asdict(difference)
    if difference.is_small:
        return None
    return f"differs from {arm.equals}: outputs by {difference.outputs:.1e}, gradients by {difference.gradients:.1e}"


def _drop_what_a_witness_denies(case: Case, records: dict[str, Record], counts: dict[str, int]) -> None:
    for witness in case.arms:
        failure = records[witness.name].get("failure")
        if failure and not witness.timed and witness.equals in counts:
            del counts[witness.equals]
            records[witness.equals]["failure"] = f"its witness {witness.name}: {failure}"


def summarized(record: Record, records: dict[str, Record], peaks: dict[str, list[float]]) -> Record:
    """A record with medians, quartiles and ratios beside its samples."""
    seconds = record["seconds"]
    if not seconds:
        return record
    gflops = [record["flops"] / second / 1e9 for second in seconds]
    # Of the same round, because a machine that is slow for a while multiplies slowly too.
    split_cores = [rate / max(together) for rate, *together in zip(gflops, *peaks.values(), strict=True)]
    summary = {
        "seconds_quartiles": quartiles(seconds),
        "gflops": statistics.median(gflops),
        "share_of_peak": quartiles(split_cores),
    }
    base = records[record["against"]]["seconds"] if record["against"] else []
    if base:
        summary["ratio_quartiles"] = quartiles([ours / theirs for ours, theirs in zip(seconds, base, strict=True)])
    return record | summary


def quartiles(samples: list[float]) -> list[float]:
    """The first quartile, the median and the third quartile."""
    if len(samples) == 1:
        return samples * 3
    return statistics.quantiles(samples, n=4, method="inclusive")
