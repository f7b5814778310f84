"""Runs with a target at each step: tagged words, labels of the rows of series, and anomalies."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import unrolled
from tests.diagnostics.networks import bumps, codes, compiled
from tests.diagnostics.test_run_rules import found
from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics.data_rules import DATA_RULES
from unrolled.diagnostics.diagnose import RULES
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.diagnostics.examples import Examples
from unrolled.diagnostics.input_rules import INPUT_RULES
from unrolled.diagnostics.probe import Trace, input_gradients
from unrolled.diagnostics.target import target_of_experiment, target_of_model
from unrolled.diagnostics.training_rules import vanishing_gradient
from unrolled.layers import GRU
from unrolled.tasks.metrics import Evaluation

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("steps")

READER: list[Any] = [{"Bidirectional": {"layer": {"GRU": {"units": 12, "return_sequences": True}}}}]
FAST = {"Adam": {"learning_rate": 0.01}}
Tag = Callable[[str, str], str]


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def follows(before: str, word: str) -> str:
    """The tag of a word: that of its letter, and of the letter before."""
    return f"{'xyz'[ord(word[0]) % 3]}{'ab'[ord((before or word)[0]) % 2]}"


def write_words(name: str, tag: Tag = follows, *, seed: int = 0, sentences: int = 240, letters: str = "defghi") -> str:
    """Write sentences of 5 to 9 words with their tags."""
    random, rows = np.random.default_rng(seed), []
    for _ in range(sentences):
        words = [letters[random.integers(len(letters))] * 2 + letters[random.integers(len(letters))] for _ in range(9)]
        words = words[: 5 + random.integers(5)]
        tags = [tag(before, word) for before, word in zip(["", *words], words, strict=False)]
        rows.append(f"{' '.join(words)},{' '.join(tags)}")
    Path(name).write_text("token,tag\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return name


def labels(**data: Any) -> dict[str, Any]:
    """An experiment on tagged words."""
    return {
        "task": "label",
        "data": {"target": "tag", **data},
        "network": [{"Embedding": {"output_dim": 16}}, *READER],
        "training": {"epochs": 20, "batch_size": 16, "validation": 0.1, "optimizer": FAST, "keep": "best"},
    }


def examined(settings: dict[str, Any]) -> dict[str, Diagnostic]:
    """What the rules about data and inputs find, by code."""
    target = target_of_experiment(ExperimentConfig.load(settings))
    assert target.task is not None
    assert set(target.rules_left_out) <= {rule.code for rule in RULES}
    left_out = target.rules_left_out
    diagnostics = DATA_RULES.without(left_out).check(target)
    diagnostics += INPUT_RULES.without(left_out).check(target, target.task)
    return {one.code: one for one in diagnostics}


def test_a_healthy_run_on_tagged_words_has_no_problem_and_one_that_learned_nothing_has() -> None:
    settings = labels(file=write_words("words.csv"))
    run = unrolled.train(settings, runs="runs", quiet=True)
    assert run.evaluation.accuracy > 0.95
    assert codes(unrolled.diagnose(run)) == set()
    slow = ["training.optimizer.Adam.learning_rate=1e-7", "training.epochs=1"]
    run = unrolled.train(settings, runs="runs", overrides=slow, quiet=True)
    assert {"nothing-learned", "learning-rate-too-low"} <= codes(unrolled.diagnose(run))


def test_a_tag_that_most_words_have_makes_the_accuracy_meaningless_but_not_the_f1_of_spans() -> None:
    dominated = examined(labels(file=write_words("words.csv", lambda _, word: "X" if word == "ddd" else "O")))
    assert list(dominated) == ["majority-class"]
    finding = dominated["majority-class"]
    assert finding.where.endswith("train, class O")
    assert finding.value > 95
    assert examined(labels(file=write_words("words.csv", lambda _, word: "B-X" if word == "ddd" else "O"))) == {}


def test_sentences_of_the_training_in_the_test_are_found_and_words_of_one_form_are_no_leak() -> None:
    write_words("train.csv")
    assert "leakage" in examined(labels(train="train.csv", test="train.csv"))
    lines = ["token,tag", *(f"no{n} no{n + 1} no{n + 2},a b a" for n in range(1000, 1400, 3))]
    Path("numbers.csv").write_text("\n".join(lines) + "\n")
    assert "leakage" not in examined(labels(file="numbers.csv"))


def test_equal_sentences_with_other_tags_and_tags_that_the_training_lacks_are_found() -> None:
    write_words("train.csv", sentences=200)
    lines = Path("train.csv").read_text().splitlines()
    changed = [line.replace("xa", "yb").replace("za", "yb") for line in lines[1:60]]
    Path("train.csv").write_text("\n".join([*lines, *changed]) + "\n")
    write_words("test.csv", lambda before, word: "new" if word == "ddd" else follows(before, word), seed=1)
    diagnostics = examined(labels(train="train.csv", test="test.csv"))
    assert set(diagnostics) == {"contradictory-labels", "absent-class", "leakage"}  # some are in the validation part
    assert "class new" in diagnostics["absent-class"].fix


def test_test_words_that_the_training_lacks_are_found() -> None:
    write_words("train.csv")
    write_words("test.csv", seed=1, letters="jklmno")
    assert "unknown-tokens" in examined(labels(train="train.csv", test="test.csv"))


def write_rows(*, order: Sequence[int] = range(40), inputs: Sequence[str] = ("x",)) -> dict[str, Any]:
    """Write 30 series of 40 rows; the label is the sign of a smoothed channel."""
    random, rows = np.random.default_rng(0), list[str]()
    for name in range(30):
        x = random.normal(size=40)
        smooth = np.convolve(x, np.ones(3), "same")
        for step in order:
            label = "up" if smooth[step] > 0 else "down"
            rows.append(f"s{name},2024-01-01T00:{step:02d},{x[step]:.3f},{len(rows) + 500},{label}")
    Path("rows.csv").write_text("series,time,x,count,label\n" + "\n".join(rows) + "\n")
    data = {"file": "rows.csv", "series": "series", "time": "time", "target": "label", "input": list(inputs)}
    return {**labels(), "data": data, "network": READER}


def test_columns_that_count_rows_and_rows_in_no_order_are_found_in_labeled_series() -> None:
    assert examined(write_rows()) == {}
    diagnostics = examined(write_rows(inputs=["x", "count"], order=[*range(20), 25, *range(20, 25), *range(26, 40)]))
    assert set(diagnostics) == {"identifier-inputs", "unsorted-times"}
    assert diagnostics["identifier-inputs"].where.endswith(", count")


def test_steps_behind_the_last_target_need_no_gradient() -> None:
    inputs, _ = bumps(examples=32)
    targets, weights = (inputs[..., 0] > 0.5).astype(int), np.ones(inputs.shape[:2], np.float32)
    weights[:, 8:] = 0
    model = compiled(GRU(8, return_sequences=True), keras.layers.Dense(2))
    target = target_of_model(model, inputs, targets)
    trace = Trace(model, Examples(inputs, targets, weights))
    (measured,) = vanishing_gradient.measure(target, trace)
    assert measured.value > vanishing_gradient.threshold
    assert not input_gradients(model, trace.examples, trace.recurrent_calls)[0][:, 8:].any()


CURVES: dict[str, Any] = {"losses": [1.0, 0.6, 0.3, 0.1], "val_losses": [1.0, 0.8, 0.9, 1.2]}
STILL: dict[str, Any] = {"losses": [1.0, 0.6, 0.3, 0.1], "val_losses": [1.2, 0.9, 0.5, 0.2]}


def write_wave(name: str, steps: int, *, seed: int, planted: int = 0, labeled: bool = True, level: float = 0) -> str:
    """Write a wave by the minute in the order of time; from a step on it stands still for 8."""
    value = level + np.sin(np.arange(steps) * 2 * np.pi / 8) + 0.02 * np.random.default_rng(seed).normal(size=steps)
    if planted:
        value[planted : planted + 8] = value[planted - 1]
    begin = np.datetime64("2024-01-01T00:00")
    rows = [
        f"{begin + step},{value[step]:.4f},{step + 100}" + f",{int(0 <= step - planted < 8 and planted > 0)}" * labeled
        for step in range(steps)
    ]
    Path(name).write_text(f"time,a,count{',is_anomaly' * labeled}\n" + "\n".join(rows) + "\n")
    return name


def waves(**data: Any) -> dict[str, Any]:
    """An experiment on anomalies."""
    return {
        "task": "detect",
        "data": {"input": "a", **data},
        "detect": {"window": 32, "smooth": 4},
        "network": [{"GRU": {"units": 16, "return_sequences": True}}],
        "training": {"epochs": 25, "batch_size": 8, "validation": 0.2, "optimizer": FAST, "keep": "best"},
    }


def files(**more: Any) -> dict[str, Any]:
    """The training wave and the test wave, with two events."""
    write_wave("train.csv", 900, seed=0)
    return waves(train="train.csv", test=write_wave("test.csv", 600, seed=1, planted=300, **more))


def test_a_healthy_run_on_anomalies_has_no_problem() -> None:
    run = unrolled.train(files(), runs="runs", quiet=True)
    assert run.evaluation.metrics["event F1"] == 1
    assert codes(unrolled.diagnose(run)) == set()


def test_a_test_at_another_level_and_a_column_that_counts_rows_are_found() -> None:
    assert set(examined(files(level=3))) == {"shifted-inputs"}
    settings = files()
    settings["data"]["input"] = ["a", "count"]
    assert "identifier-inputs" in examined(settings)


def test_a_sensor_that_stands_still_in_both_parts_is_no_leak_and_an_equal_wave_is() -> None:
    settings = files()
    for name, steps in (("train.csv", 900), ("test.csv", 600)):
        lines = Path(name).read_text().splitlines()
        for step in range(150, 300):
            time, _, *rest = lines[1 + step].split(",")
            lines[1 + step] = ",".join([time, "0", *rest])
        Path(name).write_text("\n".join(lines[: 1 + steps]) + "\n")
    assert examined(settings) == {}
    settings["data"]["test"] = "train.csv"
    assert "leakage" in examined(settings)


def test_steps_without_a_value_and_rows_in_no_order_are_found_in_watched_series() -> None:
    settings = files()
    lines = Path("test.csv").read_text().splitlines()
    Path("test.csv").write_text("\n".join(line for n, line in enumerate(lines) if n < 20 or n % 3 == 2) + "\n")
    diagnostics = examined(settings)
    assert list(diagnostics) == ["missing-steps"]
    assert diagnostics["missing-steps"].fix == "Fill them in, from 2024-01-01 00:20 on."
    lines = Path("train.csv").read_text().splitlines()
    Path("train.csv").write_text("\n".join([lines[0], *lines[400:], *lines[1:400]]) + "\n")
    assert "unsorted-times" in examined(settings)


def measured(
    loss: float, f1: float | None = None, flagged: float = 0.02, auc: float = 0.9, note: str = ""
) -> Evaluation:
    """An evaluation beside the last value, of which the loss is 1, and the robust z-score, which finds all events."""
    events = {} if f1 is None else {"event F1": f1, "precision": f1, "recall": f1, "ROC AUC": auc}
    baselines = {"last value": {"loss": 1.0}} | ({"robust z-score": {"event F1": 1.0}} if events else {})
    headline = "event F1" if events else "loss"
    metrics = {**events, "flagged": flagged, "loss": loss}
    notes = (note,) if note else ()
    return Evaluation(600, metrics, headline, is_higher_better=bool(events), baselines=baselines, notes=notes)


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        (measured(0.1, 1.0), set()),
        (measured(0.1), set()),
        (measured(1.0), {"nothing-learned"}),
        (measured(1.1, 1.0), {"nothing-learned"}),
        (measured(0.1, 0.8), set()),  # one event is known, so that its F1 says little
        (measured(0.1, 0.0), {"below-baseline"}),
        (measured(0.1, 0.0, flagged=0, auc=0.95), {"below-baseline", "threshold-too-high"}),
        (measured(0.1, 1.0, flagged=0, auc=0.6), set()),
        (measured(0.1, 1.0, flagged=0.4), {"many-flagged"}),
    ],
)
def test_results_of_a_detection_are_judged(evaluation: Evaluation, expected: set[str]) -> None:
    Path("wave.yaml").write_text(json.dumps(files()))
    diagnostics = found(Path("wave.yaml").resolve(), evaluation=evaluation)
    assert set(diagnostics) == expected
    if "nothing-learned" in expected:
        assert f"loss {evaluation.loss:g} of the network, 1 of last value" in diagnostics["nothing-learned"].where


def test_a_threshold_that_is_too_high_is_fixed_as_the_evaluation_says() -> None:
    Path("wave.yaml").write_text(json.dumps(files()))
    note = "No score is above the threshold 4.2. Train again with a lower threshold: --set detect.margin=0.9"
    evaluation = measured(0.1, 0.0, flagged=0, note=note)
    finding = found(Path("wave.yaml").resolve(), evaluation=evaluation)["threshold-too-high"]
    assert finding.fix == "Train again with a lower threshold: --set detect.margin=0.9"


@pytest.mark.parametrize("settings", [files, lambda: labels(file=write_words("words.csv"))])
def test_learning_curves_are_judged_where_each_step_has_a_target(settings: Callable[[], dict[str, Any]]) -> None:
    Path("steps.yaml").write_text(json.dumps(settings()))
    file, last = Path("steps.yaml").resolve(), ["training.keep=last"]
    assert set(found(file, **CURVES, overrides=last)) == {"rising-validation-loss"}
    assert set(found(file, **STILL, overrides=last)) == {"still-improving"}
