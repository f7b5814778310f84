"""What tests share: a tiny data set, an experiment for it, and the command line as a user starts it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

# A case takes longer than usual wherever the machine does other work too.
hypothesis.settings.register_profile("unrolled", deadline=None)
hypothesis.settings.load_profile("unrolled")

ROOT = Path(__file__).parents[1]

# A network that a test trains has been compiled by another test or by another process of the same one, mostly.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Tests run two at a time: torch's idle threads would spin on the cores of the other one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

TINY = """\
data: {file: tiny.npz}
network:
  - Rescaling: {scale: 0.00392156862745098}
  - LSTM: {units: 8}
  - Dense: {units: 3, activation: softmax}
training: {epochs: 2, batch_size: 16, optimizer: {Adam: {learning_rate: 0.01}}}
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    """Give this session, its workers and what they start one folder for what JAX has compiled."""
    if not hasattr(config, "workerinput") and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="unrolled-jax-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name


def environment(**changes: str) -> dict[str, str]:
    """This process' environment with changes; the terminal is 100 characters wide."""
    return {**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1", **changes}


def dead_process() -> int:
    """The number of a process that has exited."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.fixture
def unrolled_command(tmp_path: Path) -> Command:
    """Runs ``unrolled ARGUMENTS...`` in an own process in ``tmp_path``."""

    def run(*arguments: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "unrolled", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment(**changes), timeout=600
        )

    return run


def write_tiny_data(path: Path, examples: int = 120) -> None:
    """Images of 6x5 pixels whose class is the third of them that is bright."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", examples), ("test", 60)):
        targets = np.arange(count) % 3
        images = random.integers(0, 60, (count, 6, 5), dtype=np.uint8)
        for image, target in zip(images, targets, strict=True):
            image[2 * target : 2 * target + 2] += 180
        arrays |= {f"x_{part}": images, f"y_{part}": targets}
    np.savez(path, **arrays)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """An experiment file that trains in a second, beside its data."""
    write_tiny_data(tmp_path / "tiny.npz")
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path
