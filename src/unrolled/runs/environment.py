"""The environment of a run: versions, processor, threads, backend and commit, so that it can be reproduced."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import unrolled
from unrolled.kernels import native as extension
from unrolled.runs.run import Run
from unrolled.storage import write_json
from unrolled.system import allowed_cores, cpu_model

import keras


def describe_environment(seed: int) -> dict[str, Any]:
    """Return what a run's numbers and speed depend on, as JSON.

    Args:
        seed: Seed of the experiment.
    """
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
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": len(allowed_cores()),
        "kernels": {"isa": extension.isa(), "threads": extension.threads()} if extension.available() else None,
        "thread_settings": {key: os.environ[key] for key in _THREAD_SETTINGS if key in os.environ},
        "git": _git_commit(),
    }


def record_environment(run: Run) -> None:
    """Write ``environment.json``; a resumed run's environment is added to that of its beginning."""
    name, now = "environment.json", describe_environment(run.config.seed)
    if not (run.path / name).exists():
        write_json(run.path / name, now)
        return
    before = run.read_json(name)
    write_json(run.path / name, {**before, "resumed": [*before.get("resumed", []), now]})


_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS")


def _git_commit() -> dict[str, Any] | None:
    """Return the commit of the current folder, and whether files differ from it; None outside of a repository."""
    try:
        settings = _without_programs()
        commit, changes = _git(settings, "rev-parse", "HEAD"), _git(settings, "status", "--porcelain")
        return {"commit": commit, "modified": bool(changes)}
    except (OSError, subprocess.SubprocessError):
        return None


def _without_programs() -> dict[str, str]:
    """Return settings under which looking at a repository runs none of the programs that its configuration names."""
    # Where no setting is found git says so by its exit code.
    found = subprocess.run(
        ["git", "config", "--null", "--name-only", "--get-regexp", r"^filter\."], capture_output=True, timeout=10
    )
    names = {name.rpartition(".")[0] for name in found.stdout.decode(errors="surrogateescape").split("\0") if name}
    settings = {"core.fsmonitor": "false", "core.hooksPath": os.devnull}
    for name in names:
        settings |= {f"{name}.clean": "", f"{name}.smudge": "", f"{name}.process": "", f"{name}.required": "false"}
    return settings


def _git(settings: Mapping[str, str], *arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    finished = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=10, env=environment
    )
    return finished.stdout.strip()
