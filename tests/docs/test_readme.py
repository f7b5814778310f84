"""What the README shows, done."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment
from tests.docs.pages import blocks, on_few_images, parse
from unrolled.config.document import Document, parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import DATASETS, load
from unrolled.model.build import build_network

import pytest

README = (ROOT / "README.md").read_text()


def test_python_blocks_run(tmp_path: Path) -> None:
    """On 2,000 of the images, in one process, one after another."""
    program = on_few_images(2000) + "\n".join(blocks(README, "python"))
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_the_experiments_are_valid() -> None:
    text, more = blocks(README, "yaml")
    changed = ExperimentConfig.parse(Document({"data": "mnist", **parse_yaml(more, "README")}, "README"))
    build_network(changed, load("mnist"))
    experiment = ExperimentConfig.parse(Document(parse_yaml(text, "README"), "README"))
    assert experiment.data in DATASETS
    assert experiment.training.validation == 0.1


def test_the_error_is_what_that_experiment_would_say(tmp_path: Path) -> None:
    text, _ = blocks(README, "yaml")
    (tmp_path / "digits.yaml").write_text(text.replace("GRU: {units", "GRU: {unit"))
    command = [sys.executable, "-m", "unrolled", "train", "digits.yaml"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.stderr.strip() in README


@pytest.mark.parametrize("line", re.findall(r"^unrolled (\w+.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE))
def test_each_command_takes_the_options_shown(line: str) -> None:
    """Each line's words are parsed by the command itself, which is not run."""
    command, *arguments = line.split()
    assert parse(command, arguments).command.name == command
