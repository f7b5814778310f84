"""The evaluation of a network beside its baselines."""

from unrolled.tasks.metrics import Evaluation

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
