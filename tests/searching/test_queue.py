"""Who is at work, and who no longer is."""

import json
import subprocess
import sys
from pathlib import Path

from unrolled.searching import queue as leases
from unrolled.searching.queue import Heartbeats, ProcessId, cut_torn_line, open_journal

import optuna
import pytest


def test_this_process_is_not_gone() -> None:
    assert not ProcessId.this_process().is_gone()


def test_a_process_that_ended_is_gone_even_where_its_number_is_used_again(tmp_path: Path) -> None:
    this = ProcessId.this_process()
    assert ProcessId(this.host, this.pid, this.started + 1).is_gone()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert ProcessId(this.host, process.pid, this.started).is_gone()


def test_a_process_that_nobody_has_asked_about_yet_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        holder = ProcessId(
            ProcessId.this_process().host, process.pid, int(stat.read_text().rpartition(")")[2].split()[19])
        )
        assert not holder.is_gone()
        process.kill()
        while ") Z " not in stat.read_text():
            pass
        assert holder.is_gone()


def test_a_lease_is_held_until_it_is_given_back(tmp_path: Path) -> None:
    held = Heartbeats(tmp_path)
    held.take(7)
    assert not Heartbeats(tmp_path).is_given_up(7)
    assert Heartbeats(tmp_path).is_given_up(8)
    held.release(7)
    assert held.is_given_up(7)


def test_a_lease_is_renewed_while_the_work_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_RENEWALS", 0.01)
    held, times = Heartbeats(tmp_path), []
    held.take(1)
    first = (tmp_path / "1.json").read_text()
    with held.renewing(1, lambda: times.append(1)):
        while (tmp_path / "1.json").read_text() == first:
            pass
    assert times
    assert not (tmp_path / "1.json").exists()


def test_another_machines_lease_is_given_up_when_it_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    lease = {"host": "elsewhere", "pid": 1, "started": 1, "renewed": 0.0}
    (tmp_path / "3.json").write_text(json.dumps(lease))
    watched = Heartbeats(tmp_path)
    assert not watched.is_given_up(3), "its clock may say anything"
    now += 59
    assert not watched.is_given_up(3)
    (tmp_path / "3.json").write_text(json.dumps({**lease, "renewed": 5.0}))
    now += 2
    assert not watched.is_given_up(3), "it has moved"
    now += 61
    assert watched.is_given_up(3)


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
