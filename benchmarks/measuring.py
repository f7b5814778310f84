"""One case from start to end: prepare every arm, exclude those that compute something else, time the others."""

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
    """The number and length of measurements."""

    rounds: int
    block_seconds: float
    """The time for which an arm runs before the next one's turn, at least; one run if that takes longer."""
    multiplications: int = 3
    """Products of large matrices per round and library; the fastest counts."""


def measure(case: Case, workers: Workers, effort: Effort, report: Callable[[str], None]) -> Record:
    """Measure a case; return its record for the JSON file."""
    records = {arm.name: _describe(arm) for arm in case.arms}
    try:
        counts = _prepare(case, workers, effort, records, report)
        timed = [arm for arm in case.arms if arm.name in counts]
        frameworks = sorted({"processor", *(arm.worker for arm in timed)})
        peaks: dict[str, list[float]] = {framework: [] for framework in frameworks}
        others = OthersWork(workers)
        for number in range(effort.rounds if timed else 0):
            report(f"{case.name}: round {number + 1} of {effort.rounds}")
            for arm in rotated(timed, number):
                workers.wait_until_idle()
                seconds = workers[arm.worker].run(arm.name, counts[arm.name])
                records[arm.name]["seconds"].append(seconds)
            for framework in rotated(frameworks, number):
                workers.wait_until_idle()
                peaks[framework].append(workers[framework].multiply(effort.multiplications))
        disturbed = others.share()
    finally:
        workers.forget()
    arms = [summarized(records[arm.name], records, peaks) for arm in case.arms]
    return {"name": case.name, "group": case.group, "arms": arms, "sgemm_gflops": peaks, "others_share": disturbed}


def rotated(items: list[_Item], by: int) -> list[_Item]:
    """Return the items in turn, starting at index ``by``."""
    start = by % len(items)
    return items[start:] + items[:start]


def _describe(arm: Arm) -> Record:
    described = {**asdict(arm), "ours": arm.ours, "flops": arm.task.flops}
    return {**described, "task": {"kind": type(arm.task).__name__, **asdict(arm.task)}, "seconds": []}


def _prepare(
    case: Case, workers: Workers, effort: Effort, records: dict[str, Record], report: Callable[[str], None]
) -> dict[str, int]:
    """Return the runs per block of each arm to be timed; record the failures of the others."""
    results: dict[str, Outputs] = {}
    counts: dict[str, int] = {}
    # Arms that others must equal come first, whatever their order in the case.
    expected = {arm.equals for arm in case.arms}
    for arm in sorted(case.arms, key=lambda arm: (arm.equals is not None, arm.name not in expected)):
        report(f"{case.name}: preparing {arm.name}")
        try:
            workers.wait_until_idle()
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
    _drop_denied_by_witness(case, records, counts)
    for name, count in counts.items():
        records[name]["runs_per_block"] = count
    return counts


def _difference(arm: Arm, results: dict[str, Outputs], records: dict[str, Record]) -> str | None:
    """Return the reason why an arm differs from the one that it must equal; None if it does not, or must equal none."""
    if arm.equals is None:
        return None
    if arm.equals not in results:
        return f"{arm.equals} failed: nothing to compare with"
    try:
        extreme = isinstance(arm.task, LayerTask) and arm.task.values != "ordinary"
        difference = compare(results[arm.name], results[arm.equals], extreme=extreme)
    except ValueError as error:
        return f"not comparable to {arm.equals}: {error}"
    records[arm.name]["difference"] = asdict(difference)
    if difference.is_small:
        return None
    return f"differs from {arm.equals}: outputs by {difference.outputs:.1e}, gradients by {difference.gradients:.1e}"


def _drop_denied_by_witness(case: Case, records: dict[str, Record], counts: dict[str, int]) -> None:
    for witness in case.arms:
        failure = records[witness.name].get("failure")
        if failure and not witness.timed and witness.equals in counts:
            del counts[witness.equals]
            records[witness.equals]["failure"] = f"its witness {witness.name}: {failure}"


def summarized(record: Record, records: dict[str, Record], peaks: dict[str, list[float]]) -> Record:
    """Return a record with medians, quartiles and ratios added to its samples."""
    seconds = record["seconds"]
    if not seconds:
        return record
    gflops = [record["flops"] / second / 1e9 for second in seconds]
    # Of the same round, because a slow phase of the machine slows matrix products too.
    shares = [rate / max(together) for rate, *together in zip(gflops, *peaks.values(), strict=True)]
    summary = {
        "seconds_quartiles": quartiles(seconds),
        "gflops": statistics.median(gflops),
        "share_of_peak": quartiles(shares),
    }
    base = records[record["against"]]["seconds"] if record["against"] else []
    if base:
        summary["ratio_quartiles"] = quartiles([ours / theirs for ours, theirs in zip(seconds, base, strict=True)])
    return record | summary


def quartiles(samples: list[float]) -> list[float]:
    """Return the first quartile, the median and the third quartile."""
    if len(samples) == 1:
        return samples * 3
    return statistics.quantiles(samples, n=4, method="inclusive")
