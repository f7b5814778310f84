"""The code, the commands and the error message in the README."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment
from tests.docs.pages import blocks, on_small_data, parse
from unrolled.config.document import Document, parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import DATASETS
from unrolled.model.build import build_model, resolve
from unrolled.tasks.registry import load_task

import pytest

README = (ROOT / "README.md").read_text()
TOUR = README[README.index("## A tour") : README.index("## A run is a folder")]
COMMANDS = [line.partition("  #")[0].strip() for block in blocks(TOUR, "sh") for line in block.splitlines() if line]

# The commands of the tour that train, with the settings that make them short.
SHORT = "--set training.epochs=1"
UNROLLED = f"""\
#!/bin/sh
case $1 in
  train | repeat | search) exec {sys.executable} -m unrolled "$@" {SHORT} ;;
  *) exec {sys.executable} -m unrolled "$@" ;;
esac
"""


def test_the_tour_runs(tmp_path: Path) -> None:
    """Every command in order, in one folder, on small data and for one epoch."""
    tools, work = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    (tools / "unrolled").write_text(UNROLLED)
    (tools / "unrolled").chmod(0o755)
    (tools / "sitecustomize.py").write_text(on_small_data(400))  # read by every Python process, workers included
    (work / "digits.yaml").write_text(blocks(README, "yaml")[0])
    changed = environment(
        PATH=f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        PYTHONPATH=f"{tools}:{os.environ.get('PYTHONPATH', '')}",
    )
    for command in COMMANDS:
        finished = subprocess.run(command, shell=True, cwd=work, capture_output=True, text=True, env=changed)
        allowed = (0, 1) if command.startswith("unrolled doctor") else (0,)  # 1: problems were found
        assert finished.returncode in allowed, f"{command}\n{finished.stderr}"
    made = {"mnist.png", "seven.png", "seen.png", "mnist-gru.yaml", "forecast.html", "runs"}
    assert {path.name for path in work.iterdir()} == made | {"digits.yaml", "passengers.csv", "passengers.yaml"}
    assert len(list((work / "runs").glob("*/report.html"))) == 8


def test_the_tour_shows_every_command() -> None:
    from unrolled.cli import cli

    assert set(cli.commands) == {command.split()[1] for command in COMMANDS if command.startswith("unrolled ")}


def test_python_blocks_run(tmp_path: Path) -> None:
    """On 2,000 of the images, in one process, one after another."""
    program = on_small_data(2000) + "\n".join(blocks(README, "python"))
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("recipe", "layer"),
    [("mnist-gru", None), ("reviews-lstm", None), ("mnist-columns", "ReadImage"), ("vowels-gru", "ReadSeries")],
)
def test_models_that_load_without_unrolled(recipe: str, layer: str | None, tmp_path: Path) -> None:
    import unrolled

    config = ExperimentConfig.load(recipe)
    task = load_task(config)
    unrolled.to_keras(build_model(resolve(config, task), task)).save(tmp_path / "plain.keras")
    program = "import sys; sys.modules['unrolled'] = None; import keras; keras.saving.load_model('plain.keras')"
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=environment()
    )
    if layer is None:
        assert finished.returncode == 0, finished.stderr
    else:
        assert layer in finished.stderr
        assert f"`{layer}`" in README


def test_the_experiments_are_valid() -> None:
    text, more = blocks(README, "yaml")
    changed = ExperimentConfig.parse(Document({"data": "mnist", **parse_yaml(more, "README")}, "README"))
    task = load_task(changed)
    build_model(resolve(changed, task), task)
    experiment = ExperimentConfig.parse(Document(parse_yaml(text, "README"), "README"))
    assert experiment.data in DATASETS
    assert experiment.training.validation == 0.1


def test_the_error_is_that_of_the_experiment(tmp_path: Path) -> None:
    text, _ = blocks(README, "yaml")
    (tmp_path / "digits.yaml").write_text(text.replace("GRU: {units", "GRU: {unit"))
    command = [sys.executable, "-m", "unrolled", "train", "digits.yaml"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.stderr.strip() in README


@pytest.mark.parametrize("line", re.findall(r"^unrolled (\w+.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE))
def test_each_command_takes_the_options_shown(line: str) -> None:
    """Each line's words are parsed by the command itself, which is not run."""
    command, *arguments = shlex.split(line)
    assert parse(command, arguments).command.name == command
