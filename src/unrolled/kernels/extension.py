"""The compiled extension: whether it is here, how many threads its kernels use, and which instruction set.

It is built when unrolled is installed. Where it is missing, importing this module does no harm: `load_failure` says
why, and what needs the extension raises.

Environment:
    UNROLLED_THREADS: how many threads a kernel may use; else as many as this process has cores.
    UNROLLED_ISA: the instruction set, one of `isas()`; else the fastest of them.
"""

import os
from functools import cache
from pathlib import Path

from unrolled.errors import InvalidSetting

_load_failure: str | None = None
try:
    import unrolled.kernels._extension as _extension
except ImportError as failure:
    _extension = None  # type: ignore[assignment]
    _load_failure = str(failure)

compiled = _extension
"""What csrc/python.cc defines. Its constants may be read where it is `available`; all else wants `require` before."""

_MOST_THREADS = 1024


def available() -> bool:
    """Whether the extension is here, for any recurrence at all."""
    return _load_failure is None


def load_failure() -> str | None:
    """Why the extension could not be loaded, in Python's or the linker's words; None if it was."""
    return _load_failure


def require() -> None:
    """To be called before `compiled` is used: it must be here, and is set up as the environment asks.

    Raises:
        InvalidSetting: It is not here, or the environment names impossible settings.
    """
    if _load_failure is not None:
        raise InvalidSetting(
            f"native kernel: expected the extension of unrolled, got none ({_load_failure}). "
            "Install unrolled where it can be compiled, with GCC or Clang."
        )
    _set_up()


def set_threads(count: int) -> None:
    """How many threads the next kernel may use, the caller's included. Results do not depend on it, bit for bit.

    On JAX and torch a kernel computes on their threads, and uses no more of them than they have. Elsewhere they are its
    own; for the moment in which they wake up, the caller's core is not among those that they may run on.

    Raises:
        InvalidSetting: The count is not a whole number from 1 to 1024.
    """
    require()
    compiled.set_threads(_thread_count("set_threads", count))


def threads() -> int:
    """How many threads the next kernel may use."""
    require()
    return compiled.threads()


def share_threads(library: Path) -> bool:
    """Compute on the OpenMP threads that a loaded library computes on, so that the two do not fight over the cores.

    Returns:
        Whether that is so now; False where the library is not loaded or uses no OpenMP like GCC's.
    """
    require()
    return compiled.share_threads(str(library))


def isas() -> tuple[str, ...]:
    """The instruction sets of this processor that there are kernels for, the fastest first."""
    require()
    return compiled.isas()


def isa() -> str:
    """The instruction set of the kernels in use: "avx512", "avx2", "neon" or "baseline"."""
    require()
    return compiled.isa()


def set_isa(name: str) -> None:
    """Use the kernels of another instruction set, for tests and benchmarks. A tape is good for those that wrote it.

    Raises:
        InvalidSetting: This processor has no such instruction set, or there are no kernels for it.
    """
    require()
    if not compiled.set_isa(name):
        raise InvalidSetting(_no_such_isa("set_isa", name))


@cache
def _set_up() -> None:
    wish = os.environ.get("UNROLLED_ISA", "")
    if wish and wish not in compiled.isas():
        raise InvalidSetting(_no_such_isa("UNROLLED_ISA", wish))
    count = os.environ.get("UNROLLED_THREADS", "")
    whole = int(count) if count.isdecimal() and len(count) <= len(str(_MOST_THREADS)) else count
    compiled.set_threads(_thread_count("UNROLLED_THREADS", whole) if count else _usable_cores())


def _no_such_isa(where: str, name: str) -> str:
    return f'{where}: expected one of {", ".join(compiled.isas())}, got "{name}". Name one that this processor has.'


def _thread_count(where: str, count: object) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST_THREADS:
        raise InvalidSetting(
            f"{where}: expected a whole number from 1 to {_MOST_THREADS}, got {count!r}."
            f" Name the number of cores to use, or leave it out for {_usable_cores()}."
        )
    return count


def _usable_cores() -> int:
    """The cores that this process may run on, no more than its control group pays for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup"))
    return max(1, cores if quota is None else min(cores, int(quota)))


def _quota(folder: Path) -> float | None:
    """Seconds of computing per second that a container is allowed, from version 2 or 1 of control groups."""
    for limits in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            allowed, period, *_ = " ".join((folder / name).read_text() for name in limits).split()
        except (OSError, ValueError):
            continue
        return int(allowed) / int(period) if allowed.isdigit() and int(period) > 0 else None
    return None
