"""Train recipes with several seeds, save their metrics, and write them into docs/recipes.md.

``python -m benchmarks.recipes mnist-gru --seeds 3`` adds to docs/recipes.json, or replaces the results of that recipe;
without a recipe, only the page is written again. A recipe is trained unchanged; each training is evaluated once on the
test set.
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
from unrolled.tasks.registry import task_type

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "recipes.json"
PAGE = DOCS / "recipes.md"


def main() -> None:
    """Train the named recipes, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    leave_out_tensorflow()
    for recipe in options.recipes:
        for seed in range(options.seeds):
            training = _train(recipe, seed)
            _save(recipe, training)
            metric = training["headline"]
            minutes = training["seconds"] / 60
            print(f"{recipe} seed {seed}: {metric} {training[metric]:.4f} in {minutes:.1f} min", flush=True)
    write_section(PAGE, "recipes", _table(_results()))


def _train(recipe: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = unrolled.train(recipe, seed=seed, runs=folder, quiet=True)
        environment = describe_environment(seed)
        return {
            "seed": seed,
            "headline": run.evaluation.headline,
            "is_higher_better": run.evaluation.is_higher_better,
            **_metrics(run.evaluation),
            "seconds": sum(record["seconds"] for record in run.metrics),
            "parameters": run.data["parameters"],
            "experiment": _with_defaults(ExperimentConfig.load(recipe)).model_dump(mode="json", exclude={"seed"}),
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


def _save(recipe: str, training: dict[str, Any]) -> None:
    """Save a training in place of one with the same seed and of those of an older version of the recipe."""
    results = _results()
    same = [kept for kept in results.get(recipe, []) if _is_of(kept, recipe) and kept["seed"] != training["seed"]]
    results[recipe] = sorted([*same, training], key=lambda kept: int(kept["seed"]))
    write_json(RESULTS, results)


def _table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| recipe | description | parameters | test set | best baseline | seeds | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, path in recipes().items():
        words = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        trainings = [training for training in results.get(recipe, []) if _is_of(training, recipe)]
        lines.append(f"| `{recipe}` | {words} | {_format_metrics(trainings)} |")
    machines = sorted({f"{t['cpu']}, {t['cores']} cores, {t['backend']}" for ts in results.values() for t in ts})
    measured = ["", f"Measured on: {'; '.join(machines)}."] if machines else []
    return "\n".join([*lines, *measured])


def _format_metrics(trainings: list[dict[str, Any]]) -> str:
    if not trainings:
        return "not measured | | | | "
    metric, is_higher_better = trainings[0]["headline"], trainings[0]["is_higher_better"]
    digits = 4 if metric == "accuracy" else 3
    estimate = student([training[metric] for training in trainings])
    text = f"{metric} {estimate.mean:.{digits}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"
    baselines = {name: found for name, found in trainings[0].get("baselines", {}).items() if metric in found}
    best = sorted(baselines, key=lambda method: baselines[method][metric], reverse=is_higher_better)[:1]
    simple = "; ".join(f"{method}: {baselines[method][metric]:.{digits}f}" for method in best)
    minutes = sum(training["seconds"] for training in trainings) / len(trainings) / 60
    seeds = ", ".join(str(training["seed"]) for training in trainings)
    duration = f"{minutes:.1f}" if minutes >= 0.1 else "below 0.1"
    return f"{trainings[0]['parameters']:,} | {text} | {simple} | {seeds} | {duration}"


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    metrics = {name: value for name, value in evaluation.metrics.items() if name != "loss"}
    return {**metrics, "baselines": {method: dict(reached) for method, reached in evaluation.baselines.items()}}


def _is_of(training: dict[str, Any], recipe: str) -> bool:
    """Return True if the training is one of the current recipe; options added since then have their defaults."""
    try:
        trained = _with_defaults(ExperimentConfig.load(training["experiment"], seed=0))
    except UnrolledError:
        return False
    return trained == _with_defaults(ExperimentConfig.load(recipe, seed=0))


def _with_defaults(config: ExperimentConfig) -> ExperimentConfig:
    """Return an experiment with what its task decides, so that it does not matter which of it a file spells out."""
    return task_type(config).with_defaults(config)


if __name__ == "__main__":
    main()
