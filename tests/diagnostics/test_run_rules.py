"""Rules about the result of a run: its test metrics beside the baselines, and its learning curves."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import write_tiny_data
from tests.diagnostics.networks import codes
from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.diagnostics.run_rules import RUN_RULES
from unrolled.diagnostics.target import target_of_experiment
from unrolled.runs.run import Run
from unrolled.storage import write_text
from unrolled.tasks.metrics import Evaluation

import pytest

VALIDATED = "training.validation=0.2"
MAJORITY, LINEAR = "majority class", "logistic regression"


def found(
    experiment: Path,
    *,
    evaluation: Evaluation | None = None,
    losses: Sequence[float] = (),
    val_losses: Sequence[float] = (),
    overrides: Sequence[str] = (),
) -> dict[str, Diagnostic]:
    """The findings of a run with these metrics, by code."""
    config = ExperimentConfig.load(experiment, overrides=overrides)
    run = Run.create(config, experiment.parent / "runs")
    if evaluation is not None:
        run.save_evaluation(evaluation)
    validated: list[Mapping[str, float]] = [{"val_loss": loss} for loss in val_losses] or [{} for _ in losses]
    records = [{"loss": loss, "seconds": 1.0, **more} for loss, more in zip(losses, validated, strict=True)]
    write_text(run.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    return {one.code: one for one in RUN_RULES.check(target_of_experiment(config), run)}


def accuracy(value: float, *, examples: int = 400, confusion: Any = (), **baselines: float) -> Evaluation:
    """A test accuracy beside those of the majority class and of logistic regression."""
    named = {"majority": MAJORITY, "linear": LINEAR}
    return Evaluation(
        examples,
        {"accuracy": value, "loss": 1 - value},
        "accuracy",
        is_higher_better=True,
        baselines={named[name]: {"accuracy": one} for name, one in baselines.items()},
        confusion=confusion,
    )


def errors(value: float, baseline: float) -> Evaluation:
    """A mean absolute error beside that of the last value."""
    return Evaluation(100, {"MAE": value, "loss": value}, "MAE", baselines={"last value": {"MAE": baseline}})


@pytest.mark.parametrize("evaluation", [accuracy(0.6, majority=0.6), accuracy(0.4, majority=0.6), errors(5, 5)])
def test_a_network_no_better_than_the_simplest_method_is_found(tiny: Path, evaluation: Evaluation) -> None:
    finding = found(tiny, evaluation=evaluation)["nothing-learned"]
    assert finding.severity == "error"
    (name,) = evaluation.baselines
    own, other = evaluation.metrics[evaluation.headline], evaluation.baselines[name][evaluation.headline]
    assert finding.where.endswith(f", test, {evaluation.headline} {own:g} of the network, {other:g} of {name}")


@pytest.mark.parametrize(
    "evaluation",
    [
        accuracy(0.7, majority=0.6),
        accuracy(0.98, majority=0.1, linear=0.9),
        accuracy(0.9838, majority=0.08, linear=0.9892, examples=370),  # six mistakes beside four
        accuracy(1.0, majority=1.0),
        accuracy(0.5),
        errors(4, 5),
        None,
    ],
)
def test_a_network_better_than_its_baselines_or_as_good_has_no_problem(
    tiny: Path, evaluation: Evaluation | None
) -> None:
    assert found(tiny, evaluation=evaluation) == {}


def test_a_network_that_a_better_method_beats_is_found(tiny: Path) -> None:
    evaluation = accuracy(0.7, majority=0.5, linear=0.8)
    findings = found(tiny, evaluation=evaluation)
    assert list(findings) == ["below-baseline"]
    assert findings["below-baseline"].where.endswith("accuracy 0.7 of the network, 0.8 of logistic regression")
    assert findings["below-baseline"].value == pytest.approx(3.3, abs=0.1)
    assert "below-baseline" not in found(tiny, evaluation=accuracy(0.79, majority=0.5, linear=0.8))


def test_the_fix_follows_from_the_predictions_and_the_curves(tiny: Path) -> None:
    one_class = accuracy(0.6, majority=0.6, confusion=((6, 0), (4, 0)))
    assert "one class alone; weight the classes" in found(tiny, evaluation=one_class)["nothing-learned"].fix
    low = accuracy(0.4, majority=0.6)
    assert "hardly fell" in found(tiny, evaluation=low, losses=[1.1, 1.09])["nothing-learned"].fix
    by_heart = {"losses": [1.0, 0.5, 0.1], "val_losses": [1.0, 0.9, 2.0], "overrides": [VALIDATED]}
    assert "by heart" in found(tiny, evaluation=low, **by_heart)["nothing-learned"].fix  # type: ignore[arg-type]
    assert "training.epochs=4" in found(tiny, evaluation=low, losses=[1.0, 0.5])["nothing-learned"].fix


def test_class_weights_may_cost_accuracy_but_not_all_of_it(tiny: Path) -> None:
    balanced = ["training.class_weights=balanced"]
    confusion = ((60, 30), (2, 8))
    assert found(tiny, evaluation=accuracy(0.68, majority=0.9, confusion=confusion), overrides=balanced) == {}
    collapsed = accuracy(0.1, majority=0.9, confusion=((0, 90), (0, 10)))
    assert "nothing-learned" in found(tiny, evaluation=collapsed, overrides=balanced)


def test_a_training_that_ended_too_early_is_found(tiny: Path) -> None:
    falling: dict[str, Any] = {"losses": [1.0, 0.8, 0.6], "val_losses": [1.1, 0.9, 0.7]}
    finding = found(tiny, **falling, overrides=[VALIDATED])["still-improving"]
    assert 15 < finding.value < 20  # of the loss of the untrained network, about 1.1
    assert shlex.split(finding.fix)[-2:] == ["--epochs", "6"]
    schedule = "training.optimizer={Adam: {learning_rate: {OneCycle: {peak: 0.01}}}}"
    finding = found(tiny, **falling, overrides=[VALIDATED, schedule])["still-improving"]
    assert finding.fix.endswith("--set training.epochs=6")


@pytest.mark.parametrize("val_losses", [[1.1, 0.5, 0.49], [1.1, 0.4, 0.45], [1.1, 0.9, float("nan")], []])
def test_a_training_that_came_to_its_end_has_no_problem(tiny: Path, val_losses: list[float]) -> None:
    assert found(tiny, losses=[1.0, 0.5, 0.4], val_losses=val_losses, overrides=[VALIDATED]) == {}


def test_an_overfitted_network_is_found_unless_its_best_epoch_was_kept(tiny: Path) -> None:
    curves: dict[str, Any] = {"losses": [1.0, 0.6, 0.3, 0.1], "val_losses": [1.0, 0.8, 0.9, 1.2]}
    findings = found(tiny, **curves, overrides=[VALIDATED])
    assert list(findings) == ["rising-validation-loss"]
    finding = findings["rising-validation-loss"]
    assert finding.value == pytest.approx(50)
    assert "the last 2 did harm" in finding.fix
    *_, setting = (word for word in finding.fix.replace(";", " ").split() if word.startswith("training."))
    assert found(tiny, **curves, overrides=[VALIDATED, setting]) == {}
    assert "--set training.validation=0.1" in found(tiny, **curves)["rising-validation-loss"].fix


def test_a_small_rise_and_one_of_both_losses_are_no_overfitting(tiny: Path) -> None:
    assert found(tiny, losses=[1, 0.6, 0.3], val_losses=[1, 0.8, 0.95], overrides=[VALIDATED]) == {}
    assert found(tiny, losses=[1, 0.6, 0.9], val_losses=[1, 0.8, 1.2], overrides=[VALIDATED]) == {}


def test_epochs_after_the_one_that_was_kept_are_counted(tiny: Path) -> None:
    curves: dict[str, Any] = {"losses": [1, 0.6, 0.3, 0.2, 0.1], "val_losses": [1, 0.8, 0.9, 0.9, 0.9]}
    kept = [VALIDATED, "training.keep=best"]
    finding = found(tiny, **curves, overrides=kept)["wasted-epochs"]
    assert (finding.severity, finding.value) == ("info", 60)
    *_, setting = shlex.split(finding.fix)
    assert found(tiny, **curves, overrides=[*kept, setting]) == {}


def test_a_run_that_learned_nothing_is_found(tiny: Path) -> None:
    write_tiny_data(tiny.parent / "tiny.npz", examples=240)
    slow = "training.optimizer.Adam.learning_rate=1e-7"
    run = unrolled.train(tiny, runs=tiny.parent / "runs", overrides=[slow], quiet=True)
    assert {"nothing-learned", "learning-rate-too-low"} <= codes(unrolled.diagnose(run))
