"""Anomalies: which steps are learned, which are flagged, and what users get of them."""

import csv
import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.data.anomalies import UNKNOWN, load_anomalies
from unrolled.data.dataset import Split
from unrolled.data.ragged import Ragged, objects
from unrolled.errors import DataError, InvalidInput, InvalidSetting
from unrolled.runs.run import Run
from unrolled.tasks.detection import Detection
from unrolled.tasks.events import (
    ORDINARY,
    event_metrics,
    events_above,
    highest_ordinary,
    known_events,
    moving_mean,
    roc_auc,
)
from unrolled.tasks.registry import load_task
from unrolled.tasks.seasons import SeasonalScores

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

pytestmark = pytest.mark.xdist_group("detection")

SEASON = 8
EXPERIMENT: dict[str, Any] = {
    "task": "detect",
    "detect": {"window": 32, "smooth": 4, "season": SEASON},
    "network": [{"GRU": {"units": 16, "return_sequences": True}}],
    "training": {
        "epochs": 30,
        "batch_size": 8,
        "validation": 0.2,
        "optimizer": {"Adam": {"learning_rate": 0.01}},
    },
}
PLANTED = {300: 6, 420: 8}
"""In the test file the steps of the sensor are still that many times from here."""


def write(path: Path, steps: int, planted: dict[int, int], *, seed: int, labels: bool = True) -> Path:
    """Write a wave of two sensors by the minute, the rows in no order; sensor b follows a."""
    noise = np.random.default_rng(seed)
    begin, lines = np.datetime64("2024-01-01T00:00"), []
    value = np.sin(2 * np.pi * np.arange(steps) / SEASON) + 0.02 * noise.normal(size=steps)
    is_anomaly = np.zeros(steps, int)
    for start, length in planted.items():
        value[start : start + length] = value[start - 1]
        is_anomaly[start : start + length] = 1
    for step in noise.permutation(steps).tolist():
        cells = [str(begin + step), f"{value[step]:.4f}", f"{10 + 5 * value[step - 1]:.4f}"]
        lines.append(",".join(cells + [str(is_anomaly[step])] * labels))
    path.write_text("time,a,b" + ",is_anomaly" * labels + "\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detection")
    write(folder / "train.csv", 900, {200: 7}, seed=0)
    write(folder / "test.csv", 600, PLANTED, seed=1)
    write(folder / "new.csv", 200, {100: 8}, seed=2, labels=False)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    data = {"train": str(folder / "train.csv"), "test": str(folder / "test.csv")}
    return unrolled.train({"data": data, **EXPERIMENT}, runs=folder / "runs", quiet=True)


def test_planted_anomalies_are_found_and_no_others(run: Run) -> None:
    evaluation = run.evaluation
    assert evaluation is not None
    assert (evaluation.headline, evaluation.metrics["event F1"]) == ("event F1", 1.0)
    assert evaluation.metrics["ROC AUC"] > 0.95
    assert list(evaluation.baselines) == ["last value", "robust z-score by season of 8"]
    assert evaluation.loss < 0.1 * evaluation.baselines["last value"]["loss"]
    assert evaluation.notes == ()
    assert 0.02 < evaluation.metrics["flagged"] < 0.12


def test_a_table_gets_a_score_and_an_event_for_each_row_in_its_own_order(
    run: Run, folder: Path, unrolled_command: Command, tmp_path: Path
) -> None:
    finished = unrolled_command("predict", run.path, folder / "new.csv", "--output", "found.csv")
    assert finished.returncode == 0, finished.stderr
    with (tmp_path / "found.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    with (folder / "new.csv").open() as lines:
        assert [row["time"] for row in rows] == [row["time"] for row in csv.DictReader(lines)]
    begin = np.datetime64("2024-01-01T00:00")
    by_step = {int((np.datetime64(row["time"]) - begin).astype(int)): row for row in rows}
    flagged = {step for step, row in by_step.items() if row["anomaly"] == "1"}
    assert flagged, "the planted event"
    assert min(flagged) >= 100 - 4
    assert max(flagged) <= 108 + 4
    assert {by_step[step]["event"] for step in flagged} == {"1"}
    assert all(by_step[step]["score"] == "" for step in range(16)), "nothing is read before the first half window"
    printed = json.loads(unrolled_command("predict", run.path, folder / "new.csv", "--json").stdout)
    assert {"score", "anomaly", "event"} <= set(printed[0])


def test_scores_depend_on_no_later_step(run: Run) -> None:
    task = run.task
    wave = np.sin(2 * np.pi * np.arange(80) / SEASON)
    series = np.stack([wave, 10 + 5 * np.roll(wave, 1)], axis=1)
    changed = series.copy()
    changed[60:] += 3
    scores, others = task.predict_inputs(run.model, [series, changed])
    reach = EXPERIMENT["detect"]["smooth"] // 2
    np.testing.assert_allclose(scores[: 60 - reach], others[: 60 - reach], rtol=1e-5)
    assert others[60] > 3 * scores[60]


def test_known_anomalies_are_not_learned_and_windows_cover_each_step_once(folder: Path) -> None:
    data = {"train": str(folder / "train.csv"), "test": str(folder / "test.csv")}
    task = load_task(unrolled.ExperimentConfig.load({"data": data, **EXPERIMENT}))
    assert isinstance(task, Detection)
    train, validation = task._parts
    assert validation is not None
    assert [len(one) for one in (*train.inputs, *validation.inputs)] == [720, 180 + 16]
    targets = np.concatenate([*task.encode(train).targets])
    ordinary = np.concatenate([*task.encode(train._replace(targets=[0 * train.targets[0]])).targets])
    assert np.isnan(targets).sum() > np.isnan(ordinary).sum()
    outputs = [np.zeros((len(one), 2)) for one in task.encode(train).inputs]
    errors = task._errors(outputs, train)[0]
    assert np.isnan(errors[:17]).all()
    np.testing.assert_allclose(errors[17:], task._differences(train.inputs[0])[17:])


def test_without_known_anomalies_the_end_of_the_table_is_watched(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "plain.csv", 600, {560: 8}, seed=3, labels=False)
    settings = {**EXPERIMENT["detect"], "test_steps": 100}
    run = unrolled.train(
        {"data": {"file": str(file), "input": "a"}, **EXPERIMENT, "detect": settings}, runs=tmp_path, quiet=True
    )
    evaluation = run.evaluation
    assert evaluation is not None
    assert (evaluation.examples, evaluation.headline) == (100, "loss")
    assert set(evaluation.metrics) == {"flagged", "loss"}
    report = (run.path / "report.html").read_text()
    assert "2024-01-01 09:2" in report, "the time at which the event begins"


def test_the_report_lists_events_with_times(run: Run) -> None:
    report = (run.path / "report.html").read_text()
    for words in ("Events", "2024-01-01 05:0", "Scores on the test set", "The events with the highest scores"):
        assert words in report


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": [{"Bidirectional": {"layer": {"GRU": {"units": 4, "return_sequences": True}}}}]}, "later steps"),
        ({"network": [{"Conv1D": {"filters": 4, "kernel_size": 3, "padding": "same"}}]}, "set padding: causal"),
        ({"network": [{"AveragePooling1D": {"pool_size": 2, "strides": 1, "padding": "same"}}]}, "later steps"),
        ({"training": {"validation": "none"}}, "from which the threshold is chosen, got none"),
        ({"detect": {"window": 2000}}, "expected a window shorter than twice the 810 training steps, got 2000"),
        ({"data": "mnist"}, "expected a table with a row for each step, got the data set mnist"),
    ],
)
def test_settings_that_cannot_be_are_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    experiment = {"data": {"train": str(folder / "train.csv"), "test": str(folder / "test.csv")}, **EXPERIMENT}
    experiment["training"] = {"epochs": 1, "validation": 0.1}
    with pytest.raises(InvalidSetting, match=message):
        unrolled.train({**experiment, **changes}, runs=folder / "none", quiet=True)
    assert not (folder / "none").exists()


def test_a_series_of_other_channels_is_refused(run: Run) -> None:
    with pytest.raises(InvalidInput, match=r"series 0: expected \[T, 2\], got \[40, 1\]\. Give the channels a, b\."):
        run.predict([np.zeros((40, 1))])


def test_words_for_anomalies_are_read_and_others_refused(tmp_path: Path) -> None:
    table = tmp_path / "words.csv"
    rows = [f"{step},{step % 3},{word}" for step, word in enumerate(["normal", "Anomaly", "", "0", "TRUE", "no"] * 2)]
    table.write_text("step,x,state\n" + "\n".join(rows) + "\n")
    options: dict[str, Any] = {"test_steps": 6, "read_options": {}}
    data = load_anomalies(table, None, columns={"target": "state"}, **options)
    assert data.test.targets[0].tolist() == [0, 1, UNKNOWN, 0, 1, 0]
    table.write_text(table.read_text().replace("TRUE", "odd"))
    with pytest.raises(DataError, match=r'words\.csv:6: state: expected 1 for an anomaly .*, got "odd"'):
        load_anomalies(table, None, columns={"target": "state"}, **options)


def test_several_series_each_have_events_of_their_own(tmp_path: Path) -> None:
    table = tmp_path / "two.csv"
    rows = [f"{name},{step},{np.sin(step):.3f},{int((name, step) == ('b', 5))}" for step in range(9) for name in "ab"]
    table.write_text("machine,step,x,anomaly\n" + "\n".join(rows) + "\n")
    data = load_anomalies(table, None, test_steps=4, columns={"series": "machine", "time": "step"}, read_options={})
    assert [one.tolist() for one in data.test.targets] == [[0, 0, 0, 0], [1, 0, 0, 0]]
    assert [timeline.name for timeline in data.timelines] == ["a", "b"]
    assert data.notes == ("columns read: x; in the order of step",)


def test_events_are_joined_where_they_are_close() -> None:
    scores = np.array([np.nan, 2, 0, 2, 0, 0, 0, 3, np.nan])
    spans = {apart: [(one.start, one.end) for one in events_above(scores, 1, apart)] for apart in (1, 2, 4)}
    assert spans == {1: [(1, 2), (3, 4), (7, 8)], 2: [(1, 4), (7, 8)], 4: [(1, 8)]}
    assert events_above(scores, 5) == []
    assert event_metrics([[]], [[]]) == {"event F1": 0.0, "precision": 0.0, "recall": 0.0}


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, is_true = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.3
        if 0 < is_true.sum() < 40:
            assert roc_auc(scores, is_true) == pytest.approx(roc_auc_score(is_true, scores))


def test_a_moving_mean_passes_over_gaps() -> None:
    values = np.array([1.0, np.nan, 3.0, 5.0])
    np.testing.assert_allclose(moving_mean(values, 3), [1, np.nan, 4, 4])
    assert moving_mean(values, 1) is values


def test_a_seasonal_score_finds_the_place_in_the_season() -> None:
    season = np.array([0.0, 5.0, 1.0, -3.0])
    noise = np.random.default_rng(0)
    train = np.tile(season, 30)[:, None] + 0.1 * noise.normal(size=(120, 1))
    method = SeasonalScores.fit([train], 4)
    other = np.tile(season, 10)[2:, None].copy()
    other[20] += 4
    squares = method.squares(other)
    assert squares.argmax() == 20
    assert np.delete(squares, 20).max() < 9 < squares[20] / 50


def test_a_known_anomaly_in_the_validation_part_sets_no_threshold(run: Run, folder: Path) -> None:
    lines = (folder / "train.csv").read_text().splitlines()
    by_time = sorted(lines[1:])
    time, a, b, _ = by_time[800].split(",")
    by_time[800] = f"{time},{float(a) + 5},{b},1"
    (folder / "spike.csv").write_text("\n".join([lines[0], *by_time]) + "\n")
    data = {"train": str(folder / "spike.csv"), "test": str(folder / "test.csv")}
    other = unrolled.train({"data": data, **EXPERIMENT}, runs=folder / "spike", quiet=True)
    assert other.evaluation is not None
    assert other.evaluation.metrics["event F1"] == 1.0
    assert other.calibration["threshold"] == pytest.approx(run.calibration["threshold"], rel=0.3)
    assert other.evaluation.baselines["robust z-score by season of 8"]["event F1"] > 0


def test_the_test_of_one_table_is_scored_from_its_first_step(tmp_path: Path) -> None:
    file = write(tmp_path / "one.csv", 600, {590: 6}, seed=4)
    settings = {**EXPERIMENT["detect"], "test_steps": 14}
    run = unrolled.train({"data": {"file": str(file)}, **EXPERIMENT, "detect": settings}, runs=tmp_path, quiet=True)
    assert run.evaluation is not None
    assert run.evaluation.examples == 14, "fewer than half a window"
    assert run.evaluation.metrics["event F1"] == 1.0


def test_test_series_without_a_window_are_refused(folder: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.csv", 12, {}, seed=5)
    data = {"train": str(folder / "train.csv"), "test": str(short)}
    with pytest.raises(InvalidSetting, match="a window shorter than twice the 12 test steps, got 32"):
        unrolled.train({"data": data, **EXPERIMENT}, runs=tmp_path / "runs", quiet=True)


def test_rows_that_share_a_step_are_refused_and_times_in_columns_are_joined(tmp_path: Path) -> None:
    rows = [f"2024,1,{1 + hour // 24},{hour % 24},{hour % 5},{int(hour == 40)}" for hour in range(48)]
    table = tmp_path / "parts.csv"
    table.write_text("year,month,day,hour,x,is_anomaly\n" + "\n".join(rows) + "\n")
    options: dict[str, Any] = {"test_steps": 12, "read_options": {}}
    for columns in ({}, {"time": ["year", "month", "day", "hour"]}):
        data = load_anomalies(table, None, columns=columns, **options)
        assert data.test.inputs[0].shape == (12, 1), "the parts of the time are not watched"
        labels = data.timelines[0].labels()
        assert labels is not None
        assert labels[4] == "2024-01-02 16:00"
        assert data.test.targets[0].tolist() == [0] * 4 + [1] + [0] * 7
    with pytest.raises(DataError, match=r"resample averages rows, but each gets a score of its own"):
        load_anomalies(table, None, columns={"every": "2h", "irregular": "resample"}, **options)


def test_one_huge_value_hides_none_behind_it() -> None:
    values = np.ones(50)
    values[10] = 1e18
    np.testing.assert_allclose(moving_mean(values, 4)[20:], 1)


def test_steps_without_a_label_between_two_of_an_event_belong_to_it() -> None:
    labels = np.array([0, 1, UNKNOWN, UNKNOWN, 1, 0, UNKNOWN, 1, UNKNOWN, 0])
    assert [(one.start, one.end) for one in known_events(labels)] == [(1, 5), (7, 8)]


def test_an_anomaly_that_nobody_knows_of_sets_no_threshold(run: Run) -> None:
    task = Run.open(run.path).task
    assert isinstance(task, Detection)
    train, validation = task._parts
    assert validation is not None
    values = np.array(validation.inputs[0])
    spoiled = values.copy()
    spoiled[120:128] = spoiled[119]

    def threshold(values: Any, label: int) -> Any:
        split = Split(objects([values]), Ragged.of([np.full(len(values), label)]))
        vars(task)["_parts"] = train, split
        return task.calibrate(task.predict(run.model, task.encode(split)), split)["threshold"]

    assert threshold(values, UNKNOWN) == pytest.approx(threshold(values, ORDINARY), rel=0.3)
    assert threshold(spoiled, ORDINARY) > 3 * threshold(spoiled, UNKNOWN)


def test_stretches_with_unusual_scores_are_left_out() -> None:
    scores = np.tile([1.0, 2.0, np.nan, 0.0], 5)
    scores[[0, 4]] = 2.5, 9.0
    nobody, everybody = np.zeros(20, bool), np.ones(20, bool)
    assert highest_ordinary([scores], [nobody], 4) == 2.5
    assert highest_ordinary([scores], [everybody], 4) == 9
    assert highest_ordinary([scores[:4], scores[4:]], [everybody[:4], nobody[4:]], 4) == 2.5
    assert highest_ordinary([np.array([np.nan, 7.0])], [nobody[:2]], 4) == 7


def test_a_threshold_above_all_scores_is_named_with_a_margin_that_is_not(
    run: Run, folder: Path, unrolled_command: Command
) -> None:
    high = unrolled.train(run.config, overrides=["detect.margin=100"], runs=folder / "high", quiet=True)
    assert high.evaluation.metrics["flagged"] == 0
    (note,) = high.evaluation.notes
    assert note.startswith("No score is above the threshold ")
    printed = unrolled_command("evaluate", high.path).stdout
    assert note in printed
    assert html.escape(note) in (high.path / "report.html").read_text()
    margin = float(note.rpartition("=")[2])
    lower = unrolled.train(run.config, overrides=[f"detect.margin={margin}"], runs=folder / "lower", quiet=True)
    assert lower.evaluation.metrics["flagged"] > 0
    assert lower.evaluation.notes == ()


def test_anomalies_that_nobody_knows_of_do_not_decide_the_loss(run: Run) -> None:
    task = Run.open(run.path).task
    assert isinstance(task, Detection)
    values = np.array(task.data.test.inputs[0])
    values[200:240, 1] += 60  # which the last value forecasts wrongly at two steps, and the network at all
    unknown = Split(objects([values]), Ragged.of([np.full(len(values), UNKNOWN)]))
    ordinary = unknown._replace(targets=Ragged.of([np.zeros(len(values), np.int64)]))

    def losses(test: Split) -> tuple[float, float]:
        task.data = replace(task.data, test=test)
        for name in ("test", "_test"):
            vars(task).pop(name, None)
        evaluation = task.evaluate(task.predict(run.model, task.test), task.test)
        return evaluation.loss, evaluation.baselines["last value"]["loss"]

    assert run.evaluation is not None
    own, other = losses(unknown)
    assert own < run.evaluation.loss, "steps that nothing flags"
    assert other == pytest.approx(run.evaluation.baselines["last value"]["loss"], rel=0.3)
    assert losses(ordinary)[0] > 100 * own, "what is known to be ordinary counts"


def test_labels_may_be_in_the_test_file_alone(folder: Path, tmp_path: Path) -> None:
    plain, labeled = write(tmp_path / "plain.csv", 900, {}, seed=0, labels=False), folder / "test.csv"
    options: dict[str, Any] = {"test_steps": 0, "read_options": {}}
    data = load_anomalies(plain, labeled, columns={"target": "is_anomaly"}, **options)
    assert len(known_events(data.test.targets[0])) == len(PLANTED)
    assert set(data.train.targets[0].tolist()) == {UNKNOWN}
    assert "is_anomaly is in test.csv alone: all steps of plain.csv are learned as ordinary ones" in data.notes
    data = load_anomalies(plain, labeled, columns={}, **options)
    assert set(data.test.targets[0].tolist()) == {UNKNOWN}
    (note,) = [note for note in data.notes if "is_anomaly" in note]
    assert note.startswith("is_anomaly is in test.csv alone, and is not read.")
    assert note.endswith("data: {target: is_anomaly}")
    data = load_anomalies(labeled, plain, columns={}, **options)
    assert "is_anomaly is in test.csv alone: of plain.csv nobody knows which steps are anomalies" in data.notes
    with pytest.raises(DataError, match=r'test\.csv: unknown column "is_wrong"'):
        load_anomalies(plain, labeled, columns={"target": "is_wrong"}, **options)
    settings = {"train": str(plain), "test": str(labeled), "target": "is_anomaly"}
    run = unrolled.train({"data": settings, **EXPERIMENT}, runs=tmp_path / "runs", quiet=True)
    assert run.evaluation is not None
    assert run.evaluation.metrics["event F1"] == 1.0
    assert Run.open(run.path).predict([np.zeros((40, 2))])[0].shape == (40,)
