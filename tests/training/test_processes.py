"""Commands run side by side on cores of their own, and end when they are told to."""

import os
import signal
import sys
import threading
import time

from unrolled.training.processes import StopRequest, run_commands, split_cores, worker_environment

import pytest

CORES = sorted(os.sched_getaffinity(0))


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_each_command_is_given_with_what_it_said() -> None:
    commands = [python(f"import sys; print({n}); print('e', file=sys.stderr); sys.exit({n})") for n in range(3)]
    ended = {finished.returncode: (command, finished) for command, finished in run_commands(commands, 2)}
    assert sorted(ended) == [0, 1, 2]
    for number, (command, finished) in ended.items():
        assert command is commands[number]
        assert (finished.stdout, finished.stderr) == (f"{number}\n", "e\n")


def test_each_of_several_keeps_to_its_share_of_the_cores() -> None:
    # Each waits for the other, so that one thread cannot begin both.
    program = "import os, time; print(sorted(os.sched_getaffinity(0))); time.sleep(1)"
    said = [finished.stdout.strip() for _, finished in run_commands([python(program)] * 2, 2)]
    assert sorted(said) == sorted(str(share) for share in split_cores(CORES, 2))
    assert sorted(os.sched_getaffinity(0)) == CORES


@pytest.mark.parametrize("jobs", [1, 2, 3, 7, 8, 20])
def test_shares_leave_out_no_core_and_nobody(jobs: int) -> None:
    given = split_cores(range(8), jobs)
    assert len(given) == jobs
    assert all(given)
    assert {core for share in given for core in share} == set(range(8))
    if jobs <= 8:
        assert sum(map(len, given)) == 8


def test_one_job_has_the_environment_of_its_parent() -> None:
    assert worker_environment(1) == dict(os.environ)
    assert worker_environment(len(CORES))["UNROLLED_THREADS"] == "1"


def test_a_stop_reaches_what_runs_and_begins_no_more() -> None:
    request = StopRequest()
    program = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint('up', flush=True)\n"
        "time.sleep(600)"
    )
    threading.Timer(1.0, lambda: request.receive(signal.SIGTERM, None)).start()
    ended = [finished.returncode for _, finished in run_commands([python(program)] * 5, 2, request)]
    # A process that had not got so far as to listen dies of the signal itself.
    assert len(ended) == 2
    assert set(ended) <= {7, -signal.SIGTERM}


def test_leaving_early_stops_what_runs() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    commands = [python("pass"), python(deaf)]
    began = time.monotonic()
    for command, _ in run_commands(commands, 2):
        assert command is commands[0]
        break
    assert time.monotonic() - began < 300
