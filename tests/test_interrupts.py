"""Ctrl-C at any moment of any command ends it in one line or in silence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import environment
from tests.test_cli import COMMANDS
from unrolled.cli.interrupts import ctrl_c_interrupts

import pytest

# As the installed command starts; and it says when the first of our own lines have run. What comes before is Python's.
PROGRAM = (
    "import os, sys; sys.argv[0] = 'unrolled'; "
    "sys.addaudithook(lambda event, what: event == 'import' and what[0] == 'unrolled.backends' and os.write(1, b'.')); "
    "from unrolled.cli import main; main(sys.argv[1:])"
)
ARGUMENTS = {
    "": ["--help"],
    "show": ["show", "mnist"],
    "predict": ["predict", "latest", "a"],
    "check": ["check", "mnist-gru"],
    "generate": ["generate", "latest", "--prompt", "a"],
    "forecast": ["forecast", "latest", "a.csv"],
    "search": ["search", "mnist-gru", "--set", "network.1.GRU.units={search: [2, 4]}"],
    **{name: [name, "latest"] for name in ("resume", "compare", "evaluate", "backtest", "report")},
}
DELAYS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5)
# Killed by the signal, ended by it, or quicker than the signal: with success, or as there is no run.
ALLOWED = {-signal.SIGINT, 128 + signal.SIGINT, 0, 2}


def interrupted(arguments: list[str], delay: float, folder: Path) -> tuple[int, str]:
    """Start a command, interrupt it, and return its exit code and errors."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
        return process.returncode, errors


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_is_one_line_or_silence(command: str, tmp_path: Path) -> None:
    # All moments in all commands together.
    delay = DELAYS[COMMANDS.index(command) % len(DELAYS)]
    code, errors = interrupted(ARGUMENTS.get(command, [command]), delay, tmp_path)
    assert "Traceback" not in errors, delay
    assert code in ALLOWED, (delay, errors)
    assert len(errors.strip().splitlines()) <= 1


def test_what_swallows_an_exception_does_not_swallow_ctrl_c() -> None:
    program = (
        "import os, signal, time\n"
        "from unrolled.cli.interrupts import ctrl_c_interrupts\n"
        "class Swallows:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT); time.sleep(1)\n"
        "with ctrl_c_interrupts():\n"
        "    one = Swallows(); del one\n"
        "    print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_an_import_is_not_unwound_in_its_middle(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(1)\n")
    program = (
        "from unrolled.cli.interrupts import ctrl_c_interrupts\n"
        "with ctrl_c_interrupts():\n"
        "    try:\n"
        "        import slow\n"
        "    finally:\n"
        "        print('unwound')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_program_that_ignores_ctrl_c_goes_on_to() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ctrl_c_interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        assert not interrupts.arrived
    finally:
        signal.signal(signal.SIGINT, before)
