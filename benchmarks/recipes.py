"""Train recipes with several seeds, remember what they reach, and write it into docs/recipes.md.

``python -m benchmarks.recipes mnist-gru --seeds 3`` adds to docs/recipes.json, or replaces what is there of that
recipe; without a recipe the page alone is written again. A recipe is trained as it is; the test set is measured once in
each training.
"""

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import unrolled
from benchmarks.sections import write_section
from unrolled.experiments.comparing.intervals import student
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.sources import recipes
from unrolled.experiments.training.environment import describe_environment
from unrolled.storage import write_json

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "recipes.json"
PAGE = DOCS / "recipes.md"


def main() -> None:
    """Measure what is named, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for recipe in options.recipes:
        for seed in range(options.seeds):
            training = _train(recipe, seed)
            _remember(recipe, training)
            print(f"{recipe} seed {seed}: {training['accuracy']:.4f} in {training['seconds'] / 60:.1f} min", flush=True)
    write_section(PAGE, "recipes", _table(_results()))


def _train(recipe: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = unrolled.train(recipe, seed=seed, runs=folder, quiet=True)
        environment = describe_environment(seed)
        return {
            "seed": seed,
            "accuracy": run.evaluation.accuracy,
            "seconds": sum(record["seconds"] for record in run.metrics),
            "parameters": run.data["parameters"],
            "experiment": run.experiment.model_dump(mode="json", exclude={"seed"}),
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpu": environment["cpu"],
            "cores": environment["threads"],
            "backend": environment["backend"],
        }


def _results() -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = (
        json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    )
    return results


def _remember(recipe: str, training: dict[str, Any]) -> None:
    """Put a training in the place of one with the same seed, and of those of an older form of the recipe."""
    results = _results()
    same = [
        kept
        for kept in results.get(recipe, [])
        if kept["experiment"] == training["experiment"] and kept["seed"] != training["seed"]
    ]
    results[recipe] = sorted([*same, training], key=lambda kept: int(kept["seed"]))
    write_json(RESULTS, results)


def _table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| recipe | what it is | parameters | test accuracy | seeds | minutes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, path in recipes().items():
        words = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        current = Experiment.find(recipe).model_dump(mode="json", exclude={"seed"})
        trainings = [training for training in results.get(recipe, []) if training["experiment"] == current]
        lines.append(f"| `{recipe}` | {words} | {_figures(trainings)} |")
    machines = sorted({f"{t['cpu']}, {t['cores']} cores, {t['backend']}" for ts in results.values() for t in ts})
    measured = ["", f"Measured on: {'; '.join(machines)}."] if machines else []
    return "\n".join([*lines, *measured])


def _figures(trainings: list[dict[str, Any]]) -> str:
    if not trainings:
        return "not measured | | | "
    accuracy = student([training["accuracy"] for training in trainings])
    spelled = f"{accuracy.mean:.4f}"
    if accuracy.low is not None and accuracy.high is not None:
        spelled += f" ({accuracy.low:.4f} to {accuracy.high:.4f})"
    minutes = sum(training["seconds"] for training in trainings) / len(trainings) / 60
    seeds = ", ".join(str(training["seed"]) for training in trainings)
    return f"{trainings[0]['parameters']:,} | {spelled} | {seeds} | {minutes:.1f}"


if __name__ == "__main__":
    main()
