"""The evaluation of a network beside its baselines."""

from unrolled.tasks.metrics import ClassScore, Evaluation, evaluate_classes, label_scores

import numpy as np
import pytest


def evaluation(metric: str, value: float, baselines: dict[str, dict[str, float]]) -> Evaluation:
    return Evaluation(
        9, {metric: value, "loss": 0.5}, metric, is_higher_better=metric == "accuracy", baselines=baselines
    )


@pytest.mark.parametrize(
    ("metric", "value", "baselines", "best"),
    [
        ("accuracy", 0.9, {"a": {"accuracy": 0.5}, "b": {"accuracy": 0.8}}, "b"),
        ("MAE", 3.0, {"a": {"MAE": 5.0}, "b": {"MAE": 2.0}}, "b"),
        ("accuracy", 0.9, {"a": {"loss": 0.5}}, None),
        ("accuracy", 0.9, {}, None),
    ],
)
def test_the_best_baseline_decides(
    metric: str, value: float, baselines: dict[str, dict[str, float]], best: str | None
) -> None:
    found = evaluation(metric, value, baselines)
    assert found.best_baseline == best
    assert (found.beats_baseline is None) == (best is None)
    assert (best or "") in found.verdict


@pytest.mark.parametrize(
    ("metric", "value", "other", "words"),
    [
        ("accuracy", 0.9, 0.8, "better than"),
        ("accuracy", 0.8, 0.8, "as good as"),
        ("accuracy", 0.7, 0.8, "not better than"),
        ("MAE", 2.0, 3.0, "better than"),
        ("MAE", 3.0, 2.0, "not better than"),
    ],
)
def test_less_error_and_more_accuracy_beat_a_baseline(metric: str, value: float, other: float, words: str) -> None:
    found = evaluation(metric, value, {"baseline": {metric: other}})
    assert found.beats_baseline is (words == "better than")
    assert found.verdict == f"{words} the best baseline, baseline ({metric} {other:.4f})"


def test_metrics_stand_at_the_top_level_too_and_read_back() -> None:
    found = evaluation("MAE", 3.0, {"last value": {"MAE": 5.0}})
    written = found.to_json()
    assert written["MAE"] == written["metrics"]["MAE"] == 3.0
    assert written["headline"] == "MAE"
    assert written["baselines"] == {"last value": {"MAE": 5.0}}
    assert Evaluation.from_json(written) == found


def test_precision_is_of_the_predicted_and_recall_of_the_true() -> None:
    # Of 6 cats one is called a dog; of 4 dogs three are called cats; nothing is a bird, and one cat is called one.
    targets = np.array([0] * 6 + [1] * 4)
    predicted = np.array([0, 0, 0, 0, 1, 2, 0, 0, 0, 1])
    found = evaluate_classes(np.eye(3)[predicted], targets, ("cat", "dog", "bird"))
    assert found.classes == (
        ClassScore("cat", precision=4 / 7, recall=4 / 6, f1=8 / 13, support=6),
        ClassScore("dog", precision=1 / 2, recall=1 / 4, f1=2 / 6, support=4),
        ClassScore("bird", precision=0.0, recall=0.0, f1=0.0, support=0),
    )
    assert found.confusion == ((4, 1, 1), (3, 1, 0), (0, 0, 0))
    assert found.accuracy == 0.5


def test_each_label_has_a_precision_and_a_recall_of_its_own() -> None:
    predicted = np.array([[1, 0], [1, 0], [1, 1], [1, 0]], bool)
    targets = np.array([[1, 1], [0, 1], [0, 1], [0, 0]], bool)
    assert label_scores(predicted, targets, ("a", "b")) == (
        ClassScore("a", precision=1 / 4, recall=1.0, f1=2 / 5, support=1),
        ClassScore("b", precision=1.0, recall=1 / 3, f1=2 / 4, support=3),
    )
