"""The list of runs names what each folder is, and is not stopped by one that is no run."""

import json
from pathlib import Path

from tests.comparison.written_runs import experiment_of, write_group, write_run
from tests.conftest import Command
from tests.runs.test_folders import renamed
from unrolled.comparison.groups import Group
from unrolled.comparison.listing import list_runs
from unrolled.errors import InvalidSetting, RunError
from unrolled.storage import locked

import pytest


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A run that finished, one that did not, and a group, made in this order."""
    runs = tmp_path / "runs"
    renamed(write_run(runs, 0.9, experiment=experiment_of("first")).path, "20260101T000001Z")
    stopped = write_run(runs, 0.5, experiment=experiment_of("stopped", ["training.epochs=7"], seed=3))
    stopped.save_status("interrupted")
    (stopped.path / "evaluation.json").unlink()
    renamed(stopped.path, "20260101T000002Z")
    renamed(write_group(runs, {0: 0.8, 1: 0.9}, name="group").path, "20260101T000003Z")
    return runs


def names(runs: Path, **arguments: object) -> list[str]:
    return [entry.name for entry in list_runs(runs, **arguments)[0]]  # type: ignore[arg-type]


def test_an_entry_has_the_status_and_the_results(runs: Path) -> None:
    entries, broken = list_runs(runs)
    assert broken == {}
    group, stopped, first = entries
    assert (group.kind, group.status, group.seeds, group.finished) == ("group", "finished", (0, 1), 2)
    assert group.scores["accuracy"] == pytest.approx(0.85)
    assert (group.epochs, group.seconds) == (2, 30.0)
    assert (first.kind, first.made, first.status, first.data) == ("run", "20260101T000001Z", "finished", "mnist")
    assert (stopped.status, stopped.seeds, stopped.scores) == ("interrupted", (3,), {})


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("time", ["group", "stopped", "first"]),
        ("name", ["first", "group", "stopped"]),
        ("accuracy", ["first", "group", "stopped"]),
        ("loss", ["first", "group", "stopped"]),
    ],
)
def test_runs_without_the_metric_come_last(sort: str, order: list[str], runs: Path) -> None:
    assert names(runs, sort=sort) == order


def test_a_list_can_be_narrowed(runs: Path) -> None:
    assert names(runs, status="finished") == ["group", "first"]
    assert names(runs, where=["training.epochs=7"]) == ["stopped"]
    assert names(runs, where=["network.1.LSTM.units=8", "seed=0"]) == ["group", "first"]
    assert names(runs, where=["network.1.GRU.units=8"]) == []
    assert names(runs, where=["network.99=8"]) == []
    assert names(runs, limit=1) == ["group"]


def test_bad_conditions_are_one_error(runs: Path) -> None:
    with pytest.raises(InvalidSetting, match=r'^--where: expected PATH=VALUE, got "epochs"\.'):
        list_runs(runs, where=["epochs"])
    with pytest.raises(InvalidSetting, match=r'got "finish"\. Did you mean "finished"\?$'):
        list_runs(runs, status="finish")
    with pytest.raises(RunError, match=r"none: no such folder\. Train a network with: unrolled train$"):
        list_runs(runs / "none")


def test_broken_and_foreign_folders_are_named_and_the_others_listed(runs: Path) -> None:
    for name in ("foreign", "no-status", "bad-yaml", "bad-metrics", "bad-group", ".hidden"):
        (runs / name).mkdir()
    for name in ("no-status", "bad-metrics"):
        (runs / name / "experiment.yaml").write_text(experiment_of().to_yaml())
    (runs / "bad-yaml" / "experiment.yaml").write_text("network: 3")
    (runs / "bad-metrics" / "status.json").write_text('{"status": "finished", "message": ""}')
    (runs / "bad-metrics" / "metrics.jsonl").write_text('{"epoch"')
    (runs / "bad-group" / "group.json").write_text('{"seeds": 5}')
    (runs / "page.html").write_text("not a folder")
    entries, broken = list_runs(runs)
    assert len(entries) == 3
    assert {path.name for path in broken} == {"foreign", "no-status", "bad-yaml", "bad-metrics", "bad-group"}
    assert all(reason and "\n" not in reason for reason in broken.values())


def test_a_broken_run_does_not_hide_its_group(runs: Path) -> None:
    group = Group.open(runs / "20260101T000003Z-group")
    (group.runs[0].path / "experiment.yaml").write_text("network: 3")
    entry = list_runs(runs)[0][0]
    assert (entry.status, entry.finished) == ("incomplete", 1)
    assert entry.scores["accuracy"] == pytest.approx(0.9)


def test_a_running_run_whose_process_has_exited_is_killed(runs: Path) -> None:
    run = write_run(runs, 0.9, experiment=experiment_of("lost"), status="running")
    with locked(run.path):
        assert list_runs(runs)[0][0].status == "running"
    assert names(runs, status="killed") == ["lost"]


def test_the_command_prints_a_table_or_json(runs: Path, unrolled_command: Command) -> None:
    (runs / "foreign").mkdir()
    finished = unrolled_command("runs", "--sort", "name")
    assert (finished.returncode, finished.stderr) == (0, "")
    rows = finished.stdout.splitlines()
    assert rows[0].split() == ["folder", "status", "seed", "data", "test", "epochs", "seconds"]
    assert [row.split()[0] for row in rows[2:5]] == [
        "20260101T000001Z-first",
        "20260101T000003Z-group",
        "20260101T000002Z-stopped",
    ]
    assert rows[5] == "runs/foreign: not a run folder; ignored"
    printed = json.loads(unrolled_command("runs", "--json", "--limit", "2").stdout)
    assert [entry["name"] for entry in printed["runs"]] == ["group", "stopped"]
    assert list(printed["broken"]) == ["runs/foreign"]
