"""What a run ran on: versions, processor, threads, backend and commit, so that its numbers can be repeated."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import unrolled
from unrolled.kernels import native as extension
from unrolled.runs.run import Run
from unrolled.storage import write_json

import keras


def describe_environment(seed: int) -> dict[str, Any]:
    """The facts that decide a run's numbers and speed, as JSON."""
    backend = keras.backend.backend()
    packages = ("keras", backend, "numpy", "PIL")
    return {
        "unrolled": unrolled.__version__,
        "python": platform.python_version(),
        "packages": {package: getattr(sys.modules.get(package), "__version__", "unknown") for package in packages},
        "backend": backend,
        "floatx": keras.config.floatx(),
        "seed": seed,
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": len(os.sched_getaffinity(0)),
        "kernels": {"isa": extension.isa(), "threads": extension.threads()} if extension.available() else None,
        "thread_settings": {key: os.environ[key] for key in _THREAD_SETTINGS if key in os.environ},
        "git": _git_commit(),
    }


def record_environment(run: Run) -> None:
    """Write what a run is computed on, after what it was computed on before it was resumed."""
    name, now = "environment.json", describe_environment(run.experiment.seed)
    if not (run.path / name).exists():
        write_json(run.path / name, now)
        return
    before = run.read_json(name)
    write_json(run.path / name, {**before, "resumed": [*before.get("resumed", []), now]})


_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git_commit() -> dict[str, Any] | None:
    """The commit of the folder that the run was started in, and whether files differ from it."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "modified": bool(_git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    finished = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10)
    return finished.stdout.strip()
