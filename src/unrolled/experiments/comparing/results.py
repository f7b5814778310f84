"""What one finished run gave, and what it cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from unrolled.errors import RunError, UnrolledError
from unrolled.experiments.run import Run


@dataclass(frozen=True)
class Result:
    """What one finished run gave and cost.

    Attributes:
        path: Its folder.
        seed: Its seed.
        scores: What the test set gave, by name, as in ``Evaluation.scores``.
        parameters: How many the network has; None where that is not known.
        cpu_seconds: Processor time of all epochs; None where it was not recorded.
        seconds_per_epoch: Their mean without the first, which compiles, where there are more.
        examples_per_second: The mean over the epochs, without what compiles.
        metrics: One mapping an epoch.
        data: What makes a data set another: its name, classes, shape and number of test examples.
        machine: What makes speeds incomparable, by name; empty where it was not recorded.
    """

    path: Path
    seed: int
    scores: Mapping[str, float]
    parameters: int | None
    cpu_seconds: float | None
    seconds_per_epoch: float
    examples_per_second: float
    metrics: Sequence[Mapping[str, Any]]
    data: Mapping[str, Any]
    machine: Mapping[str, Any]


def read_result(run: Run) -> Result:
    """The figures of a finished run.

    Raises:
        RunError: One of its files is missing, damaged, or holds a figure that is not a number.
    """
    seed = run.experiment.seed
    try:
        evaluation, metrics, data = run.evaluation, run.metrics, run.data
        seconds = [float(record["seconds"]) for record in metrics]
        scores = evaluation.scores
        if not all(map(math.isfinite, scores.values())):
            raise RunError(f"{run.path}: expected finite test figures, got {scores}. Train again.")
        known = all("cpu_seconds" in record for record in metrics)
        return Result(
            path=run.path,
            seed=seed,
            scores=scores,
            parameters=_parameters(run),
            cpu_seconds=sum(record["cpu_seconds"] for record in metrics) if known else None,
            seconds_per_epoch=fmean(seconds[1:] or seconds),
            examples_per_second=fmean(record["examples_per_second"] for record in metrics),
            metrics=metrics,
            data={
                **{key: data[key] for key in ("name", "classes", "example_shape", "test_examples")},
                "checksum_of_the_test_set": data.get("fingerprints", {}).get("test"),
                **_measured(run),
            },
            machine=_machine(run),
        )
    except UnrolledError:
        raise
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise RunError(
            f"{run.path}: expected a complete run, got {type(error).__name__}: {error}. Train again."
        ) from None


def _measured(run: Run) -> dict[str, Any]:
    """What else decides what a figure means."""
    experiment = run.experiment
    if experiment.task == "generate":
        tokens = {"tokens": experiment.text.tokenizer, "vocabulary": run.encoding.vocabulary}
        return {**tokens, "test_examples": run.evaluation.examples}
    if experiment.forecast is not None:
        told = {"horizon": experiment.forecast.horizon, "held_out": experiment.forecast.held_out}
        return {**told, "test_examples": run.evaluation.examples}
    return {}


def _parameters(run: Run) -> int | None:
    """From ``data.json``, or from the saved network of a run that was made before it was written there."""
    if "parameters" in run.data:
        return int(run.data["parameters"])
    try:
        return int(run.model.count_params())
    except RunError:
        return None


def _machine(run: Run) -> dict[str, Any]:
    try:
        facts = run.read_json("environment.json")
    except RunError:
        return {}
    each = [_facts_of_machine(described) for described in (facts, *facts.get("resumed", []))]
    return {name: " then ".join(dict.fromkeys(str(facts[name]) for facts in each)) for name in each[0]}


def _facts_of_machine(facts: dict[str, Any]) -> dict[str, Any]:
    kernels, settings = facts.get("kernels") or {}, facts.get("thread_settings") or {}
    return {
        "backend": facts.get("backend"),
        "processor": facts.get("cpu"),
        "threads": facts.get("threads"),
        "threads of the kernels": kernels.get("threads"),
        "instruction set": kernels.get("isa"),
        "thread settings": " ".join(f"{key}={value}" for key, value in settings.items()) or "none",
    }
