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
from unrolled.backends import leave_out_tensorflow
from unrolled.comparison.statistics import student
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.errors import UnrolledError
from unrolled.runs.environment import describe_environment
from unrolled.storage import write_json
from unrolled.tasks.metrics import Evaluation

# What a recipe is measured by, the first that it has.
_FIGURES = ("bits per character", "MASE", "accuracy")
DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "recipes.json"
PAGE = DOCS / "recipes.md"


def main() -> None:
    """Measure what is named, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    leave_out_tensorflow()
    for recipe in options.recipes:
        for seed in range(options.seeds):
            training = _train(recipe, seed)
            _remember(recipe, training)
            figure = next(name for name in _FIGURES if name in training)
            minutes = training["seconds"] / 60
            print(f"{recipe} seed {seed}: {figure} {training[figure]:.4f} in {minutes:.1f} min", flush=True)
    write_section(PAGE, "recipes", _table(_results()))


def _train(recipe: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = unrolled.train(recipe, seed=seed, runs=folder, quiet=True)
        environment = describe_environment(seed)
        return {
            "seed": seed,
            **_measured(run.evaluation),
            "seconds": sum(record["seconds"] for record in run.metrics),
            "parameters": run.data["parameters"],
            "experiment": run.config.model_dump(mode="json", exclude={"seed"}),
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
    same = [kept for kept in results.get(recipe, []) if _is_of(kept, recipe) and kept["seed"] != training["seed"]]
    results[recipe] = sorted([*same, training], key=lambda kept: int(kept["seed"]))
    write_json(RESULTS, results)


def _table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| recipe | what it is | parameters | on the test set | a simple method | seeds | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, path in recipes().items():
        words = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        trainings = [training for training in results.get(recipe, []) if _is_of(training, recipe)]
        lines.append(f"| `{recipe}` | {words} | {_figures(trainings)} |")
    machines = sorted({f"{t['cpu']}, {t['cores']} cores, {t['backend']}" for ts in results.values() for t in ts})
    measured = ["", f"Measured on: {'; '.join(machines)}."] if machines else []
    return "\n".join([*lines, *measured])


def _figures(trainings: list[dict[str, Any]]) -> str:
    if not trainings:
        return "not measured | | | | "
    figure = next(name for name in _FIGURES if name in trainings[0])
    digits = 4 if figure == "accuracy" else 3
    estimate = student([training[figure] for training in trainings])
    spelled = f"{figure} {estimate.mean:.{digits}f}"
    if estimate.low is not None and estimate.high is not None:
        spelled += f" ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"
    baselines = trainings[0].get("baselines", {})
    best = sorted(baselines, key=lambda method: baselines[method][figure], reverse=figure == "accuracy")[:1]
    simple = "; ".join(f"{method}: {baselines[method][figure]:.{digits}f}" for method in best)
    minutes = sum(training["seconds"] for training in trainings) / len(trainings) / 60
    seeds = ", ".join(str(training["seed"]) for training in trainings)
    return f"{trainings[0]['parameters']:,} | {spelled} | {simple} | {seeds} | {minutes:.1f}"


def _measured(evaluation: Evaluation) -> dict[str, Any]:
    figures = dict(evaluation.figures) or {"accuracy": evaluation.accuracy}
    return {**figures, "baselines": {method: dict(reached) for method, reached in evaluation.baselines.items()}}


def _is_of(training: dict[str, Any], recipe: str) -> bool:
    """Whether it is a training of the recipe as it is now; settings that came later have their defaults."""
    try:
        trained = ExperimentConfig.load(training["experiment"], seed=0)
    except UnrolledError:
        return False
    return trained == ExperimentConfig.load(recipe, seed=0)


if __name__ == "__main__":
    main()
