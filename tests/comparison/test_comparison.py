"""Arms, intervals and sentences, on run folders whose metrics are known."""

import json
import re
import shutil
from pathlib import Path

import unrolled
from tests.comparison.written_runs import ENVIRONMENT, experiment_of, write_group, write_run
from tests.conftest import Command
from unrolled.cli.output import print_comparison
from unrolled.comparison.listing import list_runs
from unrolled.errors import InvalidInput, RunError, WriteError
from unrolled.reports.comparison import write_comparison

import pytest
from scipy import stats

ROWS = {0: 0.971, 1: 0.974, 2: 0.969, 3: 0.975, 4: 0.972}
BETTER = {0: 0.979, 1: 0.981, 2: 0.978, 3: 0.984, 4: 0.979}
GRU = ["network.1={GRU: {units: 8}}"]


def test_two_groups_of_one_experiment_do_not_differ_significantly(tmp_path: Path) -> None:
    first, second = write_group(tmp_path, ROWS), write_group(tmp_path, ROWS)
    comparison = unrolled.compare(first, second)
    (difference,) = comparison.differences
    assert [arm.name for arm in comparison.arms] == ["written (1)", "written (2)"]
    assert (difference.is_significant, difference.settings) == (False, ())
    assert difference.sentence.endswith("paired over 5 seeds: the difference is not significant at 95 %")


def test_a_difference_is_paired_where_the_seeds_match(tmp_path: Path) -> None:
    write_group(tmp_path, ROWS, name="rows")
    write_group(tmp_path, BETTER, name="gru", settings=GRU)
    (difference,) = unrolled.compare("rows", "gru", runs=tmp_path).differences
    test = stats.ttest_rel(list(BETTER.values()), list(ROWS.values()))
    assert (difference.method, difference.seeds, difference.is_significant) == ("paired", (5, 5), True)
    assert difference.estimate.mean == pytest.approx(0.008)
    assert difference.estimate.low == pytest.approx(test.confidence_interval(0.95).low)
    low, high = test.confidence_interval(0.95)
    assert difference.sentence == (
        f"gru against rows: accuracy 0.0080 higher, 95 % interval {low:+.4f} to {high:+.4f}, paired over 5 seeds: "
        "the difference is significant at 95 %"
    )
    assert [one.path for one in difference.settings] == ["network[1]"]


def test_a_difference_is_welchs_where_the_seeds_do_not_match(tmp_path: Path) -> None:
    first = write_group(tmp_path, ROWS)
    second = write_group(tmp_path, {seed + 7: value for seed, value in BETTER.items() if seed < 4}, settings=GRU)
    (difference,) = unrolled.compare(first, second, metric="loss").differences
    assert (difference.method, difference.seeds) == ("welch", (5, 4))
    assert difference.estimate.mean == pytest.approx(0.9722 - 0.9805)
    assert "loss 0.0083 lower" in difference.sentence
    assert "Welch's over 5 and 4 seeds that do not match" in difference.sentence


def test_fewer_seeds_are_paired_with_those_that_they_share(tmp_path: Path) -> None:
    first = write_group(tmp_path, ROWS)
    second = write_group(tmp_path, {1: 0.98, 3: 0.99}, settings=GRU)
    (difference,) = unrolled.compare(first, second).differences
    assert (difference.method, difference.seeds) == ("paired", (2, 2))
    assert difference.estimate.mean == pytest.approx((0.98 - 0.974 + 0.99 - 0.975) / 2)


def test_one_seed_gives_a_loss_no_interval_and_asks_for_more(tmp_path: Path) -> None:
    first, second = write_run(tmp_path, 0.97), write_run(tmp_path, 0.98, experiment=experiment_of("gru", GRU))
    comparison = unrolled.compare(first, second, metric="loss")
    assert comparison.differences[0].is_significant is None
    assert comparison.differences[0].sentence == (
        "gru against written: loss 0.0100 lower; no interval with one seed of written and gru: variation between seeds "
        "is unknown. Train 4 more seeds of each with: unrolled repeat"
    )
    assert comparison.arms[0].estimate("loss").half_width is None


def test_the_accuracies_of_single_runs_have_the_intervals_of_the_test_set(tmp_path: Path) -> None:
    many = {"test_examples": 10_000}
    first = write_run(tmp_path, 0.9773, examples=10_000, data=many)
    narrow = write_run(tmp_path, 0.8821, experiment=experiment_of("narrow", GRU), examples=10_000, data=many)
    comparison = unrolled.compare(first, narrow)
    (difference,) = comparison.differences
    assert str(comparison.arms[0].estimate("accuracy")) == "0.9773 (0.9742 to 0.9800)"
    assert (difference.method, difference.seeds, difference.is_significant) == ("newcombe", (1, 1), True)
    assert difference.sentence == (
        "narrow against written: accuracy 0.0952 lower, 95 % interval -0.1022 to -0.0883, Newcombe's over 10,000 test "
        "examples of one run each: the difference is significant at 95 % on this test set; variation between seeds is "
        "unknown. Train 4 more seeds of each with: unrolled repeat"
    )
    assert "not the variation between seeds" in comparison.notes[-2]
    assert "treats them as independent" in comparison.notes[-1]
    (said,) = comparison.to_json()["differences"]
    assert said["estimate"]["basis"] == "examples"
    assert said["estimate"]["p_value"] == said["corrected_p_value"] < 1e-100


def test_single_runs_of_few_test_examples_do_not_differ_significantly(tmp_path: Path) -> None:
    first, second = write_run(tmp_path, 0.97), write_run(tmp_path, 0.98, experiment=experiment_of("gru", GRU))
    (difference,) = unrolled.compare(first, second).differences
    assert difference.is_significant is False
    assert "the difference is not significant at 95 % on this test set; variation between seeds is unknown" in (
        difference.sentence
    )


def test_a_single_run_beside_several_seeds_has_no_interval(tmp_path: Path) -> None:
    group, single = write_group(tmp_path, ROWS), write_run(tmp_path, 0.5, experiment=experiment_of("gru", GRU))
    (difference,) = unrolled.compare(group, single).differences
    assert (difference.method, difference.is_significant) == ("welch", None)
    assert "no interval with one seed of gru: variation between seeds is unknown. Train 4 more seeds of it" in (
        difference.sentence
    )


def test_several_comparisons_are_corrected(tmp_path: Path) -> None:
    # Each differs from the first by a little more than a single comparison needs to be significant.
    other = dict(zip(ROWS, [0.974, 0.975, 0.973, 0.9756, 0.9734], strict=True))
    arms = [write_group(tmp_path, ROWS, name="rows")]
    arms += [write_group(tmp_path, other, name=f"gru-{n}", settings=[*GRU, f"training.batch_size={n}"]) for n in (1, 2)]
    alone, comparison = unrolled.compare(*arms[:2]), unrolled.compare(*arms)
    (only,) = alone.differences
    assert only.estimate.p_value is not None
    assert 0.025 < only.estimate.p_value < 0.05
    assert only.is_significant
    assert [one.corrected_p_value for one in comparison.differences] == pytest.approx([2 * only.estimate.p_value] * 2)
    for one in comparison.differences:
        assert one.is_significant is False
        assert "after Holm's correction for 2 comparisons" in one.sentence
    assert "corrected by Holm's method" in " ".join(comparison.notes)
    assert (alone.to_json()["correction"], comparison.to_json()["correction"]) == (None, "holm")


def test_runs_of_one_experiment_and_other_seeds_are_pooled(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, 0.9 + seed / 100, experiment=experiment_of(seed=seed)) for seed in (4, 2)]
    other = write_run(tmp_path, 0.95, experiment=experiment_of("gru", GRU, seed=2))
    comparison = unrolled.compare(runs[0], other, runs[1])
    assert [(arm.name, arm.seeds) for arm in comparison.arms] == [("written", (2, 4)), ("gru", (2,))]
    assert comparison.notes[0] == "written pools 2 runs of the same experiment with the seeds 2, 4."


def test_runs_of_one_experiment_and_seed_stand_on_two_sides(tmp_path: Path) -> None:
    comparison = unrolled.compare(write_run(tmp_path, 0.9), write_run(tmp_path, 0.91))
    assert [arm.seeds for arm in comparison.arms] == [(0,), (0,)]


def test_a_list_of_runs_is_an_arm(tmp_path: Path) -> None:
    mine = [write_run(tmp_path, 0.9, experiment=experiment_of(seed=seed)) for seed in (0, 1)]
    strange = write_run(tmp_path, 0.9, experiment=experiment_of("gru", GRU))
    comparison = unrolled.compare([*mine, strange, mine[0].path])
    assert [arm.seeds for arm in comparison.arms] == [(0, 1)]
    assert comparison.left_out[str(strange.path)].startswith("it is of another experiment")


def test_what_did_not_finish_is_left_out_by_name(tmp_path: Path) -> None:
    group = write_group(tmp_path, ROWS)
    group.ask_for([5])
    runs = group.runs
    runs[0].save_status("diverged", "expected a finite loss")
    (runs[1].path / "evaluation.json").write_text("{")
    (runs[2].path / "status.json").unlink()
    (runs[3].path / "experiment.yaml").write_text("data: [")
    comparison = unrolled.compare(group)
    assert comparison.arms[0].seeds == (4,)
    assert comparison.left_out[str(runs[0].path)] == "it is diverged"
    assert "damaged (not JSON)" in comparison.left_out[str(runs[1].path)]
    assert "status.json: no such file; the run did not get that far" in comparison.left_out[str(runs[2].path)]
    assert "not valid YAML" in comparison.left_out[str(runs[3].path)]
    assert comparison.left_out[f"seed 5 of {group.path}"] == "it has not been trained"


def test_a_metric_that_is_not_a_number_is_left_out(tmp_path: Path) -> None:
    good, bad = write_run(tmp_path, 0.9), write_run(tmp_path, float("nan"), experiment=experiment_of(seed=1))
    comparison = unrolled.compare(good, bad)
    assert comparison.arms[0].seeds == (0,)
    assert "expected finite test metrics" in comparison.left_out[str(bad.path)]


def test_nothing_finished_is_one_error(tmp_path: Path) -> None:
    run = write_run(tmp_path, 0.9, status="interrupted")
    with pytest.raises(RunError, match=rf"^compare: there is no finished run \({run.path}: it is interrupted"):
        unrolled.compare(run)


@pytest.mark.parametrize("change", [{"name": "kmnist"}, {"classes": ["a", "b"]}, {"test_examples": 99}])
def test_other_data_is_one_error(change: dict[str, object], tmp_path: Path) -> None:
    first, second = write_run(tmp_path, 0.9), write_run(tmp_path, 0.9, experiment=experiment_of(seed=1), data=change)
    (key,) = change
    with pytest.raises(InvalidInput, match=rf"^compare: the runs are of different data: {key.replace('_', ' ')} "):
        unrolled.compare(first, second)


def test_speeds_on_other_machines_are_not_comparable(tmp_path: Path) -> None:
    first = write_run(tmp_path, 0.9)
    other = {**ENVIRONMENT, "backend": "torch", "threads": 4}
    second = write_run(tmp_path, 0.9, experiment=experiment_of(seed=1), environment=other)
    comparison = unrolled.compare(first, second)
    assert comparison.to_json()["speeds_comparable"] is False
    differing = "(backend: jax or torch; threads: 2 or 4)"
    expected = f"Speeds are not comparable, since the runs' machines or settings differ {differing}."
    assert expected in comparison.notes
    assert unrolled.compare(first).to_json()["speeds_comparable"] is True


def test_arms_that_were_validated_on_the_test_set_are_named(tmp_path: Path) -> None:
    first = write_run(tmp_path, 0.9)
    second = write_run(tmp_path, 0.9, experiment=experiment_of("blind", ["training.validation=none"]))
    note = "Validated on the test set: written. Do not choose settings by these metrics."
    assert note in unrolled.compare(first, second).notes


def test_costs_are_means_over_the_seeds(tmp_path: Path) -> None:
    (arm,) = unrolled.compare(write_group(tmp_path, ROWS)).to_json()["arms"]
    assert (arm["n"], arm["parameters"], arm["cpu_seconds"]) == (5, 475, 36.0)
    # The first epoch compiles.
    assert (arm["seconds_per_epoch"], arm["examples_per_second"]) == (5.0, 1000.0)


def test_a_run_from_before_processor_time_was_recorded_still_works(tiny: Path) -> None:
    run = unrolled.train(tiny, runs=tiny.parent / "runs", quiet=True)
    described = run.read_json("data.json")
    parameters = described.pop("parameters")
    (run.path / "data.json").write_text(json.dumps(described))
    records = [{key: value for key, value in record.items() if key != "cpu_seconds"} for record in run.metrics]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (arm,) = unrolled.compare(run.path).arms
    assert (arm.mean("parameters"), arm.mean("cpu_seconds")) == (parameters, None)


def test_the_page_needs_nothing_else_and_has_what_the_terminal_has(tmp_path: Path, unrolled_command: Command) -> None:
    runs = tmp_path / "runs"
    write_group(runs, ROWS, name="rows")
    write_group(runs, BETTER, name="gru", settings=[*GRU, "training.epochs=3"])
    finished = unrolled_command("compare", "rows", "gru", "--html", "page.html")
    assert (finished.returncode, finished.stderr) == (0, "")
    page = (tmp_path / "page.html").read_text()
    for text in ("gru against rows: accuracy 0.0080 higher", "0.9722 ± 0.0030", "training.epochs"):
        assert text in page
        assert text in " ".join(finished.stdout.split())
    assert page.count("<polygon") == 4
    assert not re.search(r"<script|https?://|src=", page)
    again = unrolled_command("compare", "gru", "rows", "--html", "page.html")
    assert again.returncode == 0
    assert "gru against rows" not in (tmp_path / "page.html").read_text()


def test_the_page_takes_no_file_that_is_not_ours(tmp_path: Path) -> None:
    comparison = unrolled.compare(write_group(tmp_path, ROWS))
    (tmp_path / "letter.html").write_text("Dear Jo")
    with pytest.raises(WriteError, match="already exists and is not a page of unrolled"):
        write_comparison(comparison, tmp_path / "letter.html")
    assert (tmp_path / "letter.html").read_text() == "Dear Jo"


def test_the_page_escapes_names(tmp_path: Path) -> None:
    data = {"name": "<b>mine</b>"}
    write_comparison(unrolled.compare(write_run(tmp_path, 0.9, data=data)), tmp_path / "page.html")
    assert "&lt;b&gt;mine" in (tmp_path / "page.html").read_text()


def test_json_holds_what_the_value_holds(tmp_path: Path, unrolled_command: Command) -> None:
    runs = tmp_path / "runs"
    write_group(runs, ROWS, name="rows")
    write_group(runs, BETTER, name="gru", settings=GRU)
    finished = unrolled_command("compare", "rows", "gru", "--json")
    printed = json.loads(finished.stdout)
    assert (
        printed["differences"]
        == json.loads(json.dumps(unrolled.compare("rows", "gru", runs=runs).to_json()))["differences"]
    )
    assert printed["differences"][0]["significant"] is True


def test_comparing_loads_no_backend(tmp_path: Path, unrolled_command: Command) -> None:
    write_run(tmp_path / "runs", 0.9)
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError('No module', name='jax')")
    shutil.copy(tmp_path / "jax.py", tmp_path / "keras.py")
    finished = unrolled_command("compare", "latest", PYTHONPATH=str(tmp_path))
    assert (finished.returncode, finished.stderr) == (0, "")


def test_an_unknown_metric_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='expected the metric accuracy, loss, got "speed"'):
        unrolled.compare(write_run(tmp_path, 0.9), metric="speed")


def test_forecasts_are_compared_by_their_own_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["training.epochs=1"]
    runs = [unrolled.train("passengers-forecast", seed=seed, overrides=few, quiet=True) for seed in (0, 1)]
    comparison = unrolled.compare(*runs, metric="MASE")
    assert comparison.metrics == ["MAE", "RMSE", "MASE", "RMSSE", "loss"]
    assert comparison.arms[0].values("MASE") == {run.config.seed: run.evaluation.metrics["MASE"] for run in runs}
    assert unrolled.compare(*runs).metric == "MAE"
    print_comparison(comparison, as_json=False)
    assert "MASE" in capsys.readouterr().out
    write_comparison(comparison, tmp_path / "page.html")
    assert '<th class="number">MASE</th>' in (tmp_path / "page.html").read_text()
    entries, _ = list_runs(tmp_path / "runs")
    assert {entry.headline for entry in entries} == {f"MAE {run.evaluation.metrics['MAE']:.4f}" for run in runs}
