"""Description of the machine and software of a run, so that its numbers can be reproduced."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import unrolled
from benchmarks.processes import ROOT, SLOW_DOWN

_SETTINGS = (*SLOW_DOWN, "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "XLA_FLAGS", "TF_XLA_FLAGS", "UNROLLED_ISA")


def describe_machine(cores: list[int]) -> dict[str, Any]:
    """Return processor, caches, system and commit; workers add the versions of their frameworks."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "caches": _caches(),
        "cores": os.cpu_count(),
        "cores_used": len(cores),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {"unrolled": unrolled.__version__, "numpy": version("numpy")},
        "settings": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
        "settings_removed": [name for name in SLOW_DOWN if name in os.environ],
        "commit": _commit(),
        "load_before": os.getloadavg()[0],
    }


def format_machine(machine: dict[str, Any]) -> str:
    """Return the processor, the cores that were used and the date of ``describe_machine`` as one phrase."""
    return f"{machine['cpu']}, {machine['cores_used']} cores, {machine['date']}"


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _caches() -> dict[str, str]:
    """Return the cache sizes of one core, such as {"L2": "1024K"}."""
    sizes = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            sizes[f"L{level}"] = size
    return sizes


def _commit() -> dict[str, Any] | None:
    """Return the commit and whether files differ from it; None outside a repository."""
    try:
        return {
            "commit": _git("rev-parse", "HEAD"),
            "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    finished = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    return finished.stdout.strip()
