"""Cores, processes and the name of the machine: Linux's own interfaces, or psutil where those are missing.

Everything that depends on the operating system stands here. psutil is imported only where it is needed.
"""

import os
import platform
import socket
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import IO

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class ProcessId:
    """A process, distinct from every other one, also from a later one that gets the same number.

    Attributes:
        host: Machine and, on Linux, its boot and process namespace; see ``host_id``.
        pid: Number of the process.
        started: Time of its start: clock ticks since the boot on Linux, else milliseconds since 1970.
    """

    host: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> "ProcessId":
        """Return the identity of this process."""
        return cls(host_id(), os.getpid(), start_time(os.getpid()) or 0)

    def has_exited(self) -> bool:
        """Return True if the process has exited (zombies count as exited).

        False for a process of another machine, about which nothing can be known from here.
        """
        return self.host == host_id() and start_time(self.pid) != self.started


def start_time(pid: int) -> int | None:
    """Return the time at which a process of this machine started; None if it has exited or is a zombie."""
    if _has_proc():
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else int(fields[19])
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time() * 1000)
    except psutil.NoSuchProcess:
        return None


@cache
def host_id() -> str:
    """Return a name that processes share if they can see each other's numbers.

    On Linux it holds the host's name, the boot and the process namespace, elsewhere the host's name and its network
    address.
    """
    if _has_proc():
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {(PROC / 'self/ns/pid').stat().st_ino}"
    import uuid

    return f"{socket.gethostname()} {uuid.getnode():x}"


def allowed_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    import psutil

    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return sorted(process.cpu_affinity())
    return list(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return the number of cores this process may run on, no more than its control group has a quota for."""
    cores, quota = len(allowed_cores()), _cgroup_quota()
    return max(1, cores if quota is None else min(cores, int(quota)))


def _cgroup_quota() -> float | None:
    """Return the seconds of computing per second that a container may use, by version 2 or 1 of control groups."""
    for limits in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            allowed, period, *_ = " ".join((CGROUP / name).read_text() for name in limits).split()
        except (OSError, ValueError):
            continue
        return int(allowed) / int(period) if allowed.isdigit() and int(period) > 0 else None
    return None


def split_cores(cores: Collection[int], jobs: int) -> list[list[int]]:
    """Split cores among processes; where there are fewer cores than processes, several share one.

    Example:
        >>> split_cores(range(8), 3), split_cores(range(2), 3)
        ([[0, 1, 2], [3, 4], [5, 6, 7]], [[0], [1], [0]])
    """
    each = sorted(cores)
    if jobs > len(each):
        return [[each[job % len(each)]] for job in range(jobs)]
    ends = [round(job * len(each) / jobs) for job in range(jobs + 1)]
    return [each[begin:end] for begin, end in pairwise(ends)]


def start_process(
    command: Sequence[str],
    cores: Collection[int],
    environment: Mapping[str, str],
    *,
    stdout: IO[str],
    stderr: IO[str],
) -> "subprocess.Popen[bytes]":
    """Start a process on some of the cores; on all where the operating system pins no process (macOS).

    Args:
        command: A program and its arguments.
        cores: The cores that it and its threads may use.
        environment: All of its environment variables.
        stdout: File that takes its output.
        stderr: File that takes its errors.
    """

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)

    if hasattr(os, "sched_setaffinity"):
        # Of this thread alone. The process inherits it, so that JAX, BLAS and OpenMP, which count the cores when they
        # are loaded, count the right ones.
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            return start()
        finally:
            os.sched_setaffinity(0, before)
    import psutil

    process = start()
    with suppress(psutil.NoSuchProcess):  # it has exited already
        pinned = psutil.Process(process.pid)
        if hasattr(pinned, "cpu_affinity"):
            pinned.cpu_affinity(list(cores))
    return process


def flush_folder(folder: Path) -> None:
    """Write a folder's entries to the disk: a new name survives a loss of power only once they are there.

    Windows, which opens no folders, writes them by itself.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cpu_model() -> str:
    """Return the processor's model, such as "AMD EPYC 7B13"; its architecture where the model is not known."""
    try:
        lines = (PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def cpu_features() -> str:
    """Return the names of the processor's instruction sets, between spaces; empty where they are not known."""
    try:
        lines = (PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(("flags", "Features"))), "")


def _has_proc() -> bool:
    return (PROC / "self/stat").exists()


def memory_bytes() -> int:
    """Return the memory that this process may use, in bytes: the machine's, or the limit of its control group."""
    import psutil

    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):
        return min(total, int((CGROUP / "memory.max").read_text()))
    return total
