"""Time saved by batches of texts of similar length: an epoch of reviews-lstm, padded in two ways.

Run ``python -m benchmarks.padding``. Both ways train on the same batches in the same order, from the same weights, in
turn; their losses are compared before anything is timed. The same holds for a network on Keras' own loop, which
computes the padding too.
"""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, format_machine
from benchmarks.options import PAGE
from benchmarks.sections import write_section
from unrolled.config.experiment import ExperimentConfig
from unrolled.model.build import build_model, resolve
from unrolled.storage import write_json
from unrolled.tasks.batches import TrainingBatches
from unrolled.tasks.registry import load_task
from unrolled.training.checkpoints import seed_everything

import numpy as np

RESULTS = Path(__file__).parent / "results" / "padding.json"
ROUNDS = 5
KERNELS = {"auto": "our kernels", "reference": "Keras' loop"}


def main() -> None:
    """Compare losses, time in turn, and write the section of the page."""
    times: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    programs = {
        f"{kernel} {padding}": _program(kernel, padding) for kernel in KERNELS for padding in ("batch", "longest")
    }
    for name, (model, batches) in programs.items():
        losses[name] = [_step(model, batches, step) for step in range(batches.steps)]
    for kernel in KERNELS:
        np.testing.assert_allclose(losses[f"{kernel} batch"], losses[f"{kernel} longest"], rtol=1e-4, atol=1e-4)
    for _ in range(ROUNDS):
        for name, (model, batches) in programs.items():
            began = time.perf_counter()
            for step in range(batches.steps):
                _step(model, batches, step)
            times.setdefault(name, []).append(time.perf_counter() - began)
            print(f"{name} {times[name][-1]:.2f} s", flush=True)
    write_json(RESULTS, {"machine": describe_machine(sorted(os.sched_getaffinity(0))), "seconds": times})
    render(json.loads(RESULTS.read_text(encoding="utf-8")))


def render(results: dict[str, Any]) -> None:
    """Write the table between its markers on the performance page."""
    seconds, machine = results["seconds"], results["machine"]
    lines = [
        f"{format_machine(machine)}; medians of {ROUNDS} epochs in turn.",
        "",
        "| computed by | s, padded to the longest of all | s, to the longest of the batch | ratio | range |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kernel, name in KERNELS.items():
        longest, batch = seconds[f"{kernel} longest"], seconds[f"{kernel} batch"]
        ratios = [one / other for one, other in zip(longest, batch, strict=True)]
        lines.append(
            f"| {name} | {statistics.median(longest):.2f} | {statistics.median(batch):.2f} | "
            f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"
        )
    write_section(PAGE, "padding", "\n".join(lines))


def _program(kernel: str, padding: str) -> tuple[Any, TrainingBatches]:
    overrides = [f"training.padding={padding}", f"network.2.LSTM.kernel={kernel}", "training.validation=none"]
    experiment = ExperimentConfig.load("reviews-lstm", overrides=overrides, seed=0)
    task = load_task(experiment)
    resolved = resolve(experiment, task)
    seed_everything(0)
    model = build_model(resolved, task)
    for layer in model.layers:
        if hasattr(layer, "rate"):
            layer.rate = 0.0  # so that both ways compute the same
    return model, task.batches(epochs=1)


def _step(model: Any, batches: TrainingBatches, step: int) -> float:
    model.reset_metrics()
    return float(model.train_on_batch(*batches[step], return_dict=True)["loss"])


if __name__ == "__main__":
    main()
