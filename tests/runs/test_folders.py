"""Runs and groups are found by folder, by name and by short handles."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.comparison.written_runs import experiment_of, write_group, write_run
from unrolled.errors import RunError
from unrolled.runs.folders import find_folder, find_run_or_group
from unrolled.runs.run import Run

import pytest


def renamed(folder: Path, time: str) -> Path:
    """The folder as if it had been made at another time."""
    return folder.rename(folder.with_name(time + folder.name[len("20260102T030405Z") :]))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """In order: a run, a group with two runs, a run of another name, an empty group."""
    renamed(write_run(tmp_path, 0.9, experiment=experiment_of("rows")).path, "20260101T000001Z")
    group = write_group(tmp_path, {0: 0.9, 1: 0.91}, name="gru")
    for number, run in enumerate(sorted(group.path.glob("*-seed-*")), start=2):
        renamed(run, f"20260101T00000{number}Z")
    renamed(group.path, "20260101T000002Z")
    renamed(write_run(tmp_path, 0.9, experiment=experiment_of("columns")).path, "20260101T000004Z")
    renamed(write_group(tmp_path, {}, name="empty").path, "20260101T000005Z")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("latest", "20260101T000004Z-columns"),
        ("rows", "20260101T000001Z-rows"),
        ("gru", "20260101T000003Z-gru-seed-1"),
        ("gru-seed-0", "20260101T000002Z-gru-seed-0"),
        ("20260101T000002Z-gru", "20260101T000003Z-gru-seed-1"),
        ("20260101T000002Z-gru/20260101T000002Z-gru-seed-0", "20260101T000002Z-gru-seed-0"),
        ("latest:1", "20260101T000004Z-columns"),
        ("latest:2", "20260101T000003Z-gru-seed-1"),
        ("latest:4", "20260101T000001Z-rows"),
        ("gru:2", "20260101T000002Z-gru-seed-0"),
        ("20260101T000001", "20260101T000001Z-rows"),
        ("20260101T000002", "20260101T000003Z-gru-seed-1"),
        ("20260101T000003", "20260101T000003Z-gru-seed-1"),
    ],
)
def test_a_run_is_found_in_a_group_too(name: str, found: str, runs: Path) -> None:
    assert find_folder(name, runs).name == found
    assert Run.find(name, runs).path.name == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("latest", "20260101T000005Z-empty"),
        ("rows", "20260101T000001Z-rows"),
        ("gru", "20260101T000002Z-gru"),
        ("20260101T000004Z-columns", "20260101T000004Z-columns"),
        ("latest:2", "20260101T000004Z-columns"),
        ("latest:3", "20260101T000002Z-gru"),
        ("20260101T000002", "20260101T000002Z-gru"),
        ("20260101T000003", "20260101T000003Z-gru-seed-1"),
    ],
)
def test_to_compare_a_group_is_found_as_a_whole(name: str, found: str, runs: Path) -> None:
    assert find_run_or_group(name, runs).name == found


def test_the_newest_of_a_name_is_found_whether_run_or_group(runs: Path) -> None:
    renamed(write_run(runs, 0.9, experiment=experiment_of("gru")).path, "20260101T000006Z")
    assert find_run_or_group("gru", runs).name == find_folder("gru", runs).name == "20260101T000006Z-gru"


def test_a_name_that_ends_in_a_number_is_found(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path, 0.9, experiment=experiment_of("rows-2")).path for _ in range(2))
    for seconds, folder in enumerate((first, second), start=1):
        os.utime(folder / "experiment.yaml", (seconds, seconds))
    assert find_folder("rows-2", tmp_path) in (first, second)


def test_a_group_without_runs_is_one_error(runs: Path) -> None:
    with pytest.raises(RunError, match=r"there is no run in the group\. Continue it with: unrolled repeat "):
        Run.find("20260101T000005Z-empty", runs)


def test_a_misspelt_name_is_questioned(runs: Path) -> None:
    with pytest.raises(RunError, match=r'no run named "colums"\. Did you mean "columns"\?$'):
        Run.find("colums", runs)


@pytest.mark.parametrize("find", [find_folder, find_run_or_group])
def test_a_handle_that_names_no_run_is_one_error(find: Callable[[str, Path], Path], runs: Path) -> None:
    with pytest.raises(RunError, match=rf'^{runs}: no run named "zebra"\. List them with: unrolled runs$'):
        find("zebra", runs)
    with pytest.raises(RunError, match=rf'^rows:2: there is only 1 run named "rows" in {runs}\. List them with: '):
        find("rows:2", runs)
    with pytest.raises(RunError, match=r"^latest:9: there are only \d runs in "):
        find("latest:9", runs)
    with pytest.raises(RunError, match=rf"^{runs / 'none'}: there is no run in it\. Train one with: unrolled train$"):
        find("latest", runs / "none")


@pytest.mark.parametrize("find", [find_folder, find_run_or_group])
def test_an_ambiguous_beginning_lists_the_candidates(find: Callable[[str, Path], Path], runs: Path) -> None:
    with pytest.raises(RunError) as caught:
        find("2026", runs)
    assert str(caught.value) == (
        "2026: ambiguous, the beginning of 20260101T000001Z-rows, 20260101T000002Z-gru, 20260101T000004Z-columns, "
        "20260101T000005Z-empty. Add characters."
    )


def test_two_runs_of_a_recipe_have_handles(tmp_path: Path) -> None:
    older = renamed(write_run(tmp_path, 0.9).path, "20260101T000001Z")
    newer = renamed(write_run(tmp_path, 0.9).path, "20260101T000002Z")
    assert [find_run_or_group(name, tmp_path) for name in ("latest", "latest:2")] == [newer, older]
    assert find_folder("written:2", tmp_path) == older
