"""Commands run side by side on cores of their own, and stop when they are asked to."""

import os
import signal
import sys
import threading
import time

from unrolled.system import split_cores
from unrolled.training.processes import (
    Finished,
    StopRequest,
    WorkerPool,
    ending_signal,
    run_commands,
    worker_environment,
)

CORES = sorted(os.sched_getaffinity(0))


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_each_command_is_yielded_with_its_output() -> None:
    commands = [python(f"import sys; print({n}); print('e', file=sys.stderr); sys.exit({n})") for n in range(3)]
    ended = {finished.returncode: (command, finished) for command, finished in run_commands(commands, 2)}
    assert sorted(ended) == [0, 1, 2]
    for number, (command, finished) in ended.items():
        assert command is commands[number]
        assert (finished.stdout, finished.stderr) == (f"{number}\n", "e\n")


def test_each_of_several_keeps_to_its_share_of_the_cores() -> None:
    program = "import os, time; print(sorted(os.sched_getaffinity(0))); time.sleep(1)"
    output = [finished.stdout.strip() for _, finished in run_commands([python(program)] * 2, 2)]
    assert sorted(output) == sorted(str(share) for share in split_cores(CORES, 2))
    assert sorted(os.sched_getaffinity(0)) == CORES


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


def test_a_command_that_a_signal_ended_is_retried_where_the_pool_allows_it() -> None:
    killed = python("import os, signal; print('once more'); os.kill(os.getpid(), signal.SIGKILL)")
    seen: list[Finished] = []

    def retry(finished: Finished) -> bool:
        seen.append(finished)
        return len(seen) < 3

    ended: list[Finished] = []
    with WorkerPool(1, retry=retry) as pool:
        pool.submit([killed, python("import sys; sys.exit(3)")])
        while pool.is_busy:
            ended += pool.poll()
            time.sleep(0.01)
    assert [finished.returncode for finished in ended] == [3, -signal.SIGKILL]
    assert [finished.stdout for finished in seen] == ["once more\n"] * 3


def test_a_process_that_ignores_a_stop_is_killed_after_a_while() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    began = time.monotonic()
    with WorkerPool(1, seconds_to_stop=0.2) as pool:
        pool.submit([python(deaf)])
        time.sleep(1)
    assert time.monotonic() - began < 300


def test_the_signal_that_ended_a_process_is_known() -> None:
    assert ending_signal(-signal.SIGKILL) is signal.SIGKILL
    assert ending_signal(128 + signal.SIGTERM) is signal.SIGTERM
    assert [ending_signal(code) for code in (0, 1, 2, 127, 128, 255)] == [None] * 6
