"""A full disk: whatever write fails, one line says so, and once there is room the result is the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment

import pytest


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    built = tmp_path_factory.mktemp("disk") / "full_disk.so"
    source = Path(__file__).with_name("full_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"], check=True)
    return built


@pytest.mark.skipif(sys.platform != "linux", reason="the library stands before the C library of Linux")
@pytest.mark.parametrize("scenario", ["train", "longer", "repeat", "search", "outputs"])
def test_a_disk_that_is_full_at_any_write_costs_nothing_but_time(scenario: str, library: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.full_disk", scenario, str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=environment(LD_PRELOAD=os.fspath(library))
    )
    assert done.returncode == 0, done.stderr[-3000:]
