"""The main job as a user runs it, on all of MNIST: train, evaluate, and predict digits that are not from MNIST."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

from tests.conftest import Command, environment
from tests.drawing import FONTS, draw_digit
from unrolled.data import bundled
from unrolled.runs.run import Run

import numpy as np
import pytest
from PIL import Image, ImageOps

pytestmark = pytest.mark.xdist_group("end-to-end")

MOST_MEMORY = 1.5e9


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str, int]:
    """A run of ``unrolled train``, what it printed, and its peak memory in bytes."""
    folder = tmp_path_factory.mktemp("main job")
    # A child's peak begins at its parent's, so the parent is a process that has imported nothing.
    program = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'unrolled', 'train'], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, env=environment(), check=True
    )
    return Run.open(folder / finished.stdout.splitlines()[-1]), finished.stdout, int(finished.stderr) * 1024


def test_the_main_job_reaches_the_articles_accuracy(trained: tuple[Run, str, int]) -> None:
    run, output, _ = trained
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    assert 0.965 <= evaluation["accuracy"] <= 0.995
    assert evaluation["examples"] == 10_000
    assert output.splitlines()[0] == "mnist-rows: 3 epochs in batches of 32, seed 0"
    assert [line.split()[1] for line in output.splitlines() if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]


def test_peak_memory_is_bounded(trained: tuple[Run, str, int]) -> None:
    assert trained[2] < MOST_MEMORY


@pytest.mark.parametrize(
    "load",
    [
        "import unrolled; model = unrolled.Run.open(sys.argv[1]).model",
        "import unrolled.layers, keras; model = keras.saving.load_model(sys.argv[1] + '/model.keras')",
    ],
)
def test_the_saved_network_takes_raw_digits(load: str, trained: tuple[Run, str, int]) -> None:
    program = (
        f"import sys; {load}\nfrom unrolled.data import bundled\n_, (images, labels) = bundled.load_data()\n"
        "print((model.predict(images[:1000], verbose=0).argmax(axis=1) == labels[:1000]).mean())"
    )
    command = [sys.executable, "-c", program, str(trained[0].path)]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert float(finished.stdout) > 0.95


def test_evaluate_prints_the_evaluation_of_the_run(trained: tuple[Run, str, int], unrolled_command: Command) -> None:
    run, _, _ = trained
    finished = unrolled_command("evaluate", run.path, "--json")
    again = json.loads(finished.stdout)
    assert again["confusion"] == json.loads((run.path / "evaluation.json").read_text())["confusion"]
    table = unrolled_command("evaluate", "latest", "--runs", run.path.parent).stdout
    assert f"accuracy {run.evaluation.accuracy:.4f}" in table
    assert [line.split()[0] for line in table.splitlines()[2:12]] == list("0123456789")


def test_digits_that_are_not_from_mnist_are_read(
    trained: tuple[Run, str, int], tmp_path: Path, unrolled_command: Command
) -> None:
    """Every font at every size once, with stroke widths, modes, polarity and margins going round."""
    run, _, _ = trained
    files, digits = [], []
    drawings = product(FONTS, (16, 28, 60, 200, 600), range(10))
    for number, (font, size, digit) in enumerate(drawings):
        picture = draw_digit(
            digit,
            font=font,
            size=size,
            stroke=round(size * (0, 0.03, 0.06)[number % 3]),
            ink=(0, 255)[number % 2],
            paper=(255, 0)[number % 2],
            margin=round(size * (0.02, 0.2, 0.7)[number % 7 % 3]),
            mode=("L", "RGB", "RGBA")[number % 5 % 3],
        )
        files.append(tmp_path / f"{number}.png")
        picture.save(files[-1])
        digits.append(str(digit))
    finished = unrolled_command("predict", run.path, *files, "--json")
    predictions = json.loads(finished.stdout)
    assert [prediction["file"] for prediction in predictions] == [str(path) for path in files]
    right = [prediction["label"] == digit for prediction, digit in zip(predictions, digits, strict=True)]
    assert np.mean(right) >= 0.75


def test_polarity_and_position_do_not_change_the_prediction(
    trained: tuple[Run, str, int], tmp_path: Path, unrolled_command: Command
) -> None:
    run, _, _ = trained
    drawing = draw_digit(3, font=FONTS[0], size=80, stroke=0, ink=20, paper=235, margin=10, mode="L")
    moved = Image.new("L", (400, 300), 235)
    moved.paste(drawing, (260, 40))
    for name, picture in {"drawn": drawing, "inverted": ImageOps.invert(drawing), "moved": moved}.items():
        picture.save(tmp_path / f"{name}.png")
    files = [tmp_path / f"{name}.png" for name in ("drawn", "inverted", "moved")]
    explained = tmp_path / "explained.png"
    finished = unrolled_command("predict", run.path, *files, "--json", "--explain-input", explained)
    drawn, inverted, placed = (prediction["probabilities"] for prediction in json.loads(finished.stdout))
    assert drawn == inverted == placed
    assert Image.open(explained).size[0] > 3 * 28


def test_batches_are_predicted_one_image_at_a_time(
    trained: tuple[Run, str, int], tmp_path: Path, unrolled_command: Command
) -> None:
    run, _, _ = trained
    _, (images, labels) = bundled.load_data()
    np.savez(tmp_path / "batch.npz", x=images[:20])
    predictions = json.loads(unrolled_command("predict", run.path, tmp_path / "batch.npz", "--json").stdout)
    assert [prediction["index"] for prediction in predictions] == list(range(20))
    assert sum(p["label"] == str(label) for p, label in zip(predictions, labels[:20], strict=True)) >= 18


def test_a_broken_picture_ends_in_one_line(
    trained: tuple[Run, str, int], tmp_path: Path, unrolled_command: Command
) -> None:
    run, _, _ = trained
    (tmp_path / "notes.png").write_text("not a picture")
    finished = unrolled_command("predict", run.path, tmp_path / "notes.png")
    assert finished.returncode == 2
    assert finished.stderr == (
        f"{tmp_path / 'notes.png'}: expected a PNG or JPEG, got another kind of file. Convert it first.\n"
    )
