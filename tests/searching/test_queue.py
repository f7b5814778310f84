"""Heartbeats of living and dead processes, and the journal."""

import json
import os
from pathlib import Path

from tests.conftest import dead_process
from unrolled.searching import queue
from unrolled.searching.queue import Heartbeats, cut_torn_line, open_journal

import optuna
import pytest


def test_a_task_is_lost_without_a_heartbeat(tmp_path: Path) -> None:
    held = Heartbeats(tmp_path)
    held.start(7)
    assert not Heartbeats(tmp_path).is_lost(7)
    assert Heartbeats(tmp_path).is_lost(8)
    held.stop(7)
    assert held.is_lost(7)


def test_what_a_killed_process_left_of_a_heartbeat_is_removed_with_it(tmp_path: Path) -> None:
    left = [tmp_path / f".7.{dead_process()}.part.json", tmp_path / f".7.{os.getppid()}.part.json"]
    for path in left:
        path.write_text("{")
    Heartbeats(tmp_path).stop(7)
    assert [path.exists() for path in left] == [False, True]


def test_the_heartbeat_is_renewed_while_the_task_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "SECONDS_BETWEEN_HEARTBEATS", 0.01)
    held, times = Heartbeats(tmp_path), []
    held.start(1)
    first = (tmp_path / "1.json").read_text()
    with held.beating(1, lambda: times.append(1)):
        while (tmp_path / "1.json").read_text() == first:
            pass
    assert times
    assert not (tmp_path / "1.json").exists()


def test_another_machines_task_is_lost_when_its_heartbeat_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    heartbeat = {"host": "elsewhere", "pid": 1, "started": 1, "time": 0.0}
    (tmp_path / "3.json").write_text(json.dumps(heartbeat))
    watched = Heartbeats(tmp_path)
    assert not watched.is_lost(3), "its clock may say anything"
    now += 59
    assert not watched.is_lost(3)
    (tmp_path / "3.json").write_text(json.dumps({**heartbeat, "time": 5.0}))
    now += 2
    assert not watched.is_lost(3), "it has moved"
    now += 61
    assert watched.is_lost(3)


def test_a_line_that_was_torn_is_cut_before_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = optuna.create_study(study_name="torn", storage=open_journal(path))
    study.ask()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"worker_')
    study.ask()
    assert path.read_bytes().startswith(whole + b'{"')
    assert len(optuna.load_study(study_name="torn", storage=open_journal(path)).trials) == 2


def test_a_file_without_a_whole_line_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"half")
    cut_torn_line(tmp_path / "torn")
    assert (tmp_path / "torn").read_bytes() == b""
