"""A failure while a network trains ends with one line, an exit code, and nothing lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import Command, environment
from unrolled.data.registry import NAMES
from unrolled.errors import Interrupted
from unrolled.runs.inference import evaluate
from unrolled.runs.run import Run

import numpy as np
import pytest


def one_line(text: str) -> str:
    """The text, which must be a single line."""
    assert text.count("\n") == 1, text
    return text.strip()


def start(tiny: Path, *arguments: str) -> "subprocess.Popen[str]":
    """``unrolled train`` on the tiny data for so long that it must be stopped, once its first batch is trained."""
    command = [sys.executable, "-m", "unrolled", "train", str(tiny), "--set", "training.epochs=100000", *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=tiny.parent, stdout=pipe, stderr=pipe, text=True, env=environment())
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 3/"):
            return process
    raise AssertionError(process.communicate())


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_after_the_batch_and_keeps_the_network(
    tiny: Path, number: signal.Signals, exit_code: int
) -> None:
    process = start(tiny)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == exit_code
    message = one_line(errors)
    kept = r"train: tiny: interrupted in epoch \d+, after step \d; the network is kept in (\S+)\. "
    assert re.fullmatch(kept + r"Continue with: unrolled resume \1", message)
    run = Run.open(tiny.parent / output.splitlines()[-1])
    assert run.status["status"] == "interrupted"
    assert len(run.metrics) >= 3
    assert evaluate(run).accuracy > 0.5
    assert [path.name for path in run.path.glob(".*")] == [".lock"]


def test_an_interruption_from_python_carries_the_run(tiny: Path) -> None:
    program = f"""
import os, signal, threading, unrolled
from unrolled.training import trainer

class Impatient(trainer.MetricsLogger):
    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        os.kill(os.getpid(), signal.SIGINT)

trainer.MetricsLogger = Impatient
before = signal.getsignal(signal.SIGINT)
try:
    unrolled.train({str(tiny)!r}, quiet=True)
except unrolled.errors.Interrupted as interrupted:
    print(interrupted.run)
assert signal.getsignal(signal.SIGINT) is before
"""
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, cwd=tiny.parent, capture_output=True, text=True, env=environment(), check=True)
    run = Run.open(tiny.parent / finished.stdout.strip())
    assert run.status["status"] == Interrupted.status
    assert run.predict(np.zeros((1, 6, 5), np.uint8)).shape == (1, 3)


def test_a_loss_that_is_not_finite_stops_the_run(tiny: Path, unrolled_command: Command) -> None:
    # A relu network without a bound, at a rate no network can take.
    network = "network.1={SimpleRNN: {units: 8, activation: relu}}"
    optimizer = "training.optimizer={SGD: {learning_rate: 1e+9}}"
    finished = unrolled_command("train", tiny, "--set", network, "--set", optimizer)
    assert finished.returncode == 1
    assert re.fullmatch(
        r"train: tiny: the loss became (nan|inf) in epoch 1 at step \d; kept the weights of epoch 1, "
        r"step \d in \S+\. Lower the learning rate \(--set training\.optimizer\.SGD\.learning_rate=1e\+08\), clip the "
        r"gradients \(clipnorm: 1\), or use activation tanh\.",
        one_line(finished.stderr),
    )
    run = Run.open(tiny.parent / finished.stdout.splitlines()[-1])
    assert run.status["status"] == "diverged"
    assert all(np.isfinite(array).all() for array in run.model.get_weights())
    assert np.isfinite(run.predict(np.full((2, 6, 5), 255, np.uint8))).all()


def test_the_weights_kept_are_those_before_the_loss_broke(tiny: Path, unrolled_command: Command) -> None:
    # The rate is harmless for 100 steps and then impossible.
    schedule = "{PiecewiseConstantDecay: {boundaries: [100], values: [0.01, 1e+30]}}"
    settings = ["--set", f"training.optimizer={{SGD: {{learning_rate: {schedule}}}}}", "--set", "training.epochs=50"]
    network = ["--set", "network.1={SimpleRNN: {units: 8, activation: relu}}"]
    finished = unrolled_command("train", tiny, *network, *settings)
    assert finished.returncode == 1
    kept = re.search(r"in epoch (\d+) at step \d; kept the weights of epoch (\d+), step (\d)", finished.stderr)
    assert kept is not None
    broke, epoch, step = (int(number) for number in kept.groups())
    assert broke in (13, 14)
    # 8 batches an epoch, and a copy every 50th step: the last good one is of step 100.
    assert (epoch, step) == (13, 4)
    run = Run.open(tiny.parent / finished.stdout.splitlines()[-1])
    assert evaluate(run).loss < 1.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mnist-row"],
            'train: unknown recipe "mnist-row". Did you mean "mnist-rows"? List them with: unrolled recipes',
        ),
        (["no.yaml"], "no.yaml: no such file. Check the path."),
        (
            ["tiny.yaml", "--set", "training.epoch=3"],
            '--set training.epoch: unknown setting "epoch". Did you mean "epochs"?',
        ),
        (
            ["tiny.yaml", "--set", "network.1.LSTM.unit=3"],
            'tiny.yaml:4: network[1].LSTM: unknown argument "unit". Did you mean "units"?',
        ),
        (
            ["tiny.yaml", "--set", "network.1={LTSM: {units: 3}}"],
            '--set network.1: unknown layer "LTSM". Did you mean "LSTM"?',
        ),
        (
            ["tiny.yaml", "--set", "network.2.Dense.units=4"],
            "tiny.yaml:5: network[2].Dense: expected outputs [B, 3] for the 3 classes of tiny.npz, got [B, 4]. "
            "Set units: 3.",
        ),
        (
            ["tiny.yaml", "--set", "network.0={LSTM: {units: 3}}"],
            "tiny.yaml:4: network[1].LSTM: expected inputs [B, T, F], got [B, 3]. "
            "Give the recurrent layer before it return_sequences: true.",
        ),
        (
            ["tiny.yaml", "--set", "training.keep=best", "--set", "training.validation=test"],
            "tiny.yaml:6: training: expected a validation fraction for keep: best, got validation: test "
            "(selecting on the test set makes its accuracy meaningless). Set validation: 0.1",
        ),
        (
            ["tiny.yaml", "--set", "data=mnits"],
            f'--set data: expected {", ".join(NAMES)} or a file, got "mnits". Did you mean "mnist"?',
        ),
        (
            ["tiny.yaml", "--set", "network.1.LSTM.return_state=true"],
            "tiny.yaml:4: network[1].LSTM: expected one output, got 3. "
            "Leave out return_state: a network is a chain of layers.",
        ),
        (
            ["tiny.yaml", "--set", "network.0={Input: {shape: [6, 5]}}"],
            "--set network.0: network[0].Input: the input is no layer of the network. "
            "Leave it out: the shape comes from the data.",
        ),
        (
            ["tiny.yaml", "--set", "network.2.Dense.activation=sigmoid"],
            "tiny.yaml:5: network[2].Dense: expected activation softmax, or none, in the last layer, got sigmoid. "
            "Set activation: softmax.",
        ),
        (
            ["tiny.yaml", "--set", "network.1.LSTM.name=same", "--set", "network.2.Dense.name=same"],
            "tiny.yaml:2: network: the layers do not fit together "
            '(The name "same" is used 2 times in the model. All operation names should be unique). Change one of them.',
        ),
        (
            ["tiny.yaml", "--set", "data={file: no.npz}"],
            "{folder}/no.npz: no such file. Check the path.",
        ),
    ],
    ids=lambda value: value[-1][:40] if isinstance(value, list) else "",
)
def test_bad_settings_end_in_one_line(
    tiny: Path, unrolled_command: Command, arguments: list[str], message: str
) -> None:
    finished = unrolled_command("train", *arguments)
    assert one_line(finished.stderr) == message.replace("{folder}", str(tiny.parent))
    assert finished.returncode == 2
    assert not (tiny.parent / "runs").exists()


def test_a_truncated_data_file_names_itself(tiny: Path, unrolled_command: Command) -> None:
    data = tiny.parent / "tiny.npz"
    data.write_bytes(data.read_bytes()[:2000])
    finished = unrolled_command("train", tiny)
    assert finished.returncode == 2
    message = one_line(finished.stderr)
    assert message.startswith(f"{data}: expected an NPZ file of plain arrays, got a damaged or pickled one (")
    assert message.endswith("). Save it again with numpy.savez.")


def test_a_full_disk_ends_in_one_line(tiny: Path) -> None:
    """A quota on the size of files stands for the disk: the same call fails, with EFBIG for ENOSPC."""
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)); "
    program = limited + "from unrolled.cli import main; main(['train', 'tiny.yaml'])"
    command = [sys.executable, "-c", program]
    no_cache = environment(JAX_ENABLE_COMPILATION_CACHE="false")  # whose files are limited, too
    finished = subprocess.run(command, cwd=tiny.parent, capture_output=True, text=True, env=no_cache)
    assert finished.returncode == 1
    message = one_line(finished.stderr)
    assert re.fullmatch(
        r"runs/\S+/model\.keras: cannot be written: File too large\. Free some space, or write elsewhere\.",
        message,
    )
    (run,) = (tiny.parent / "runs").iterdir()
    assert json.loads((run / "status.json").read_text())["status"] == "failed"
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    assert [path.name for path in run.glob(".*")] == [".lock"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root can mount a small disk")
def test_a_disk_without_room_ends_in_one_line(tiny: Path, unrolled_command: Command) -> None:
    disk = tiny.parent / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this container may not mount")
    try:
        finished = unrolled_command("train", tiny, "--runs", disk)
        assert finished.returncode == 1
        assert re.search(
            r"cannot be written: No space left on device\. Free some space, or write elsewhere\.$",
            one_line(finished.stderr),
        )
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_made_is_named(tiny: Path, unrolled_command: Command) -> None:
    (tiny.parent / "runs").write_text("mine")
    finished = unrolled_command("train", tiny)
    assert finished.returncode == 1
    assert "cannot be written: File exists." in one_line(finished.stderr)
    assert (tiny.parent / "runs").read_text() == "mine"
