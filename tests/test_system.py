"""Linux's own interfaces and the portable fallback tell the same about cores and processes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from unrolled import system
from unrolled.system import (
    ProcessId,
    allowed_cores,
    cpu_model,
    host_id,
    split_cores,
    start_process,
    start_time,
    usable_cores,
)

import psutil
import pytest

CORES = sorted(os.sched_getaffinity(0))


@pytest.fixture(params=["linux", "portable"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Linux's interfaces, or none of them."""
    host_id.cache_clear()
    if request.param == "portable":
        monkeypatch.setattr(system, "PROC", tmp_path / "proc")
        monkeypatch.setattr(system, "CGROUP", tmp_path / "cgroup")
        monkeypatch.delattr(os, "sched_getaffinity")
        monkeypatch.delattr(os, "sched_setaffinity")
    yield request.param
    host_id.cache_clear()


def test_this_process_has_not_exited(ways: str) -> None:
    assert not ProcessId.current().has_exited()
    assert ProcessId.current() == ProcessId.current()


def test_a_process_that_exited_has_even_where_its_number_is_used_again(ways: str) -> None:
    this = ProcessId.current()
    assert ProcessId(this.host, this.pid, this.started + 1).has_exited()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert ProcessId(this.host, process.pid, this.started).has_exited()


def test_a_zombie_has_exited(ways: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = start_time(process.pid)
        assert started is not None
        identity = ProcessId(host_id(), process.pid, started)
        assert not identity.has_exited()
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert identity.has_exited()


def test_nothing_is_known_of_another_machines_process(ways: str) -> None:
    assert not ProcessId("elsewhere", 1, 1).has_exited()


def test_the_cores_are_those_that_this_process_may_run_on(ways: str) -> None:
    assert allowed_cores() == CORES
    assert 1 <= usable_cores() <= len(CORES)


def test_a_process_is_started_on_its_cores_and_this_one_keeps_its_own(ways: str) -> None:
    program = "import os, time; time.sleep(0.5); print(sorted(os.sched_getaffinity(0)))"
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-c", program]
        process = start_process(command, CORES[:1], dict(os.environ), stdout=output, stderr=output)
        assert process.wait() == 0
        output.seek(0)
        assert output.read().strip() == str(CORES[:1])
    assert psutil.Process().cpu_affinity() == CORES


def test_the_processor_has_a_name(ways: str) -> None:
    assert cpu_model()


def test_a_quota_of_the_control_group_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "CGROUP", tmp_path)
    monkeypatch.setattr(system, "allowed_cores", lambda: list(range(8)))
    assert system._cgroup_quota() is None
    assert usable_cores() == 8
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert system._cgroup_quota() == 3
    assert usable_cores() == 3
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert system._cgroup_quota() == 1.5
    assert usable_cores() == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert system._cgroup_quota() is None


@pytest.mark.parametrize("jobs", [1, 2, 3, 7, 8, 20])
def test_shares_leave_out_no_core_and_no_job(jobs: int) -> None:
    shares = split_cores(range(8), jobs)
    assert len(shares) == jobs
    assert all(shares)
    assert {core for share in shares for core in share} == set(range(8))
    if jobs <= 8:
        assert sum(map(len, shares)) == 8
