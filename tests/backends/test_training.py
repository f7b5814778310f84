"""The command on each backend: it trains and evaluates, and ends in one line when it is interrupted."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import Command, environment
from unrolled.runs.run import Run

import pytest

BACKENDS = ("jax", "tensorflow", "torch")


def without_tensorflows_log(text: str) -> str:
    """Remove the lines that TensorFlow's C++ code writes to stderr, whatever its log level."""
    return re.sub(
        r"^(WARNING: All log messages before absl|[IWE]\d{4} |To enable the following|\t ).*\n",
        "",
        text,
        flags=re.MULTILINE,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_command_trains_and_evaluates(backend: str, tiny: Path, unrolled_command: Command) -> None:
    trained = unrolled_command("train", tiny, "--quiet", KERAS_BACKEND=backend)
    assert (trained.returncode, without_tensorflows_log(trained.stderr)) == (0, "")
    run = Run.open(tiny.parent / trained.stdout.strip())
    assert run.read_json("environment.json")["backend"] == backend
    evaluated = unrolled_command("evaluate", "latest", KERAS_BACKEND=backend)
    assert without_tensorflows_log(evaluated.stderr) == ""
    assert f"accuracy {run.evaluation.accuracy:.4f}" in evaluated.stdout


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_interruption_is_one_line(backend: str, tiny: Path) -> None:
    command = [sys.executable, "-m", "unrolled", "train", str(tiny), "--set", "training.epochs=100000"]
    with subprocess.Popen(
        command,
        cwd=tiny.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(KERAS_BACKEND=backend),
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("epoch 2/"))
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert without_tensorflows_log(errors).count("\n") == 1, errors
    assert Run.open(tiny.parent / output.splitlines()[-1]).status["status"] == "interrupted"


@pytest.mark.parametrize("backend", ["numpy", "abacus"])
def test_a_backend_that_cannot_train_is_rejected(backend: str, tiny: Path, unrolled_command: Command) -> None:
    finished = unrolled_command("train", tiny, KERAS_BACKEND=backend)
    assert finished.returncode == 2
    assert finished.stderr == (
        f'KERAS_BACKEND: expected jax, tensorflow, torch, got "{backend}". Set KERAS_BACKEND=jax\n'
    )
