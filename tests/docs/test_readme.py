"""What the README shows, done."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment
from unrolled.data.catalogue import NAMED, load
from unrolled.experiments.document import Document, parse_yaml
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network

import pytest

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_blocks_run(tmp_path: Path) -> None:
    """On 2,000 of the images, in one process, one after another."""
    cut = (
        "import unrolled\nfrom unrolled.data import catalogue\nfull = catalogue.NAMED['mnist']\n"
        "catalogue.NAMED['mnist'] = lambda: full().head(2000)\n"
    )
    program = cut + "\n".join(blocks("python"))
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_the_experiments_are_valid() -> None:
    text, more = blocks("yaml")
    changed = Experiment.parse(Document({"data": "mnist", **parse_yaml(more, "README")}, "README"))
    build_network(changed, load("mnist"))
    experiment = Experiment.parse(Document(parse_yaml(text, "README"), "README"))
    assert experiment.data in NAMED
    assert experiment.training.validation == 0.1


def test_the_error_is_what_that_experiment_would_say(tmp_path: Path) -> None:
    text, _ = blocks("yaml")
    (tmp_path / "digits.yaml").write_text(text.replace("GRU: {units", "GRU: {unit"))
    command = [sys.executable, "-m", "unrolled", "train", "digits.yaml"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.stderr.strip() in README


@pytest.mark.parametrize("line", re.findall(r"^unrolled (\w+.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE))
def test_each_command_takes_the_options_shown(line: str) -> None:
    """Each line's words are parsed by the command itself, which is not run."""
    from unrolled.cli import cli

    command, *arguments = line.split()
    with cli.make_context("unrolled", [command]) as context:
        parsed = cli.commands[command].make_context(command, arguments, parent=context)
    assert parsed.command.name == command
