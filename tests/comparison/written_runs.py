"""Run folders as a training leaves them, written without training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.comparison.groups import Group
from unrolled.config.document import Document, parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.runs.run import Run
from unrolled.storage import write_json, write_text

SETTINGS = """\
data: mnist
network:
  - Rescaling: {scale: 0.00392156862745098}
  - LSTM: {units: 8}
  - Dense: {units: 10, activation: softmax}
training: {epochs: 2, validation: test}
"""
ENVIRONMENT = {
    "unrolled": "0.1.0",
    "python": "3.11.7",
    "packages": {"keras": "3.15.0"},
    "platform": "Linux",
    "backend": "jax",
    "cpu": "Abacus 9",
    "threads": 2,
    "kernels": {"isa": "AVX2", "threads": 2},
}


def experiment_of(name: str = "written", settings: Sequence[str] = (), seed: int = 0) -> ExperimentConfig:
    document = Document(parse_yaml(SETTINGS, "written"), "written").override(settings)
    return ExperimentConfig.load(ExperimentConfig.parse(document), name=name, seed=seed)


def write_run(
    runs: Path,
    accuracy: float,
    *,
    experiment: ExperimentConfig | None = None,
    status: str = "finished",
    data: Mapping[str, Any] | None = None,
    examples: int = 100,
    environment: Mapping[str, Any] = ENVIRONMENT,
) -> Run:
    """A run with a test accuracy; its loss is 1 - accuracy."""
    experiment = experiment or experiment_of()
    run = Run.create(experiment, runs)
    classes = [{"name": str(n), "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 10} for n in range(10)]
    metrics = {"accuracy": accuracy, "loss": 1 - accuracy}
    evaluation = {
        **metrics,
        "examples": examples,
        "metrics": metrics,
        "headline": "accuracy",
        "is_higher_better": True,
        "baselines": {},
        "classes": classes,
        "confusion": [[1]],
        "conditions": {},
    }
    described = {
        "name": "mnist",
        "classes": [str(n) for n in range(10)],
        "example_shape": [28, 28],
        "dtype": "uint8",
        "test_examples": 100,
        "parameters": 475,
    }
    epochs = [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "accuracy": accuracy - 0.1 / epoch,
            "seconds": 10.0 / epoch,
            "cpu_seconds": 18.0,
            "examples_per_second": 1000.0,
        }
        for epoch in (1, 2)
    ]
    run.save_status(status)
    write_json(run.path / "environment.json", dict(environment))
    write_json(run.path / "data.json", {**described, **(data or {})})
    write_json(run.path / "evaluation.json", evaluation)
    write_text(run.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in epochs))
    return run


def write_group(
    runs: Path, accuracies: Mapping[int, float], *, name: str = "written", settings: Sequence[str] = ()
) -> Group:
    """A group with an accuracy for each seed."""
    group = Group.create(experiment_of(name, settings), list(accuracies), runs)
    for seed, accuracy in accuracies.items():
        write_run(group.path, accuracy, experiment=group.of_seed(seed))
    return group
