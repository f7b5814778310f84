"""The code and the commands in docs/comparing.md."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment
from tests.docs.pages import blocks, on_small_data, parse

import pytest

PAGE = (ROOT / "docs/comparing.md").read_text()
COMMANDS = [line for block in blocks(PAGE, "sh") for line in block.splitlines() if line]


def test_the_python_block_runs(tmp_path: Path) -> None:
    """On 500 of the images."""
    (program,) = blocks(PAGE, "python")
    command = [sys.executable, "-c", on_small_data(500) + program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert "network[5].Dense.units 32 64\n" in finished.stdout
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_takes_the_options_shown(line: str) -> None:
    """Each line's words are parsed by the command itself, which is not run."""
    program, command, *arguments = line.partition("#")[0].split()
    assert program == "unrolled"
    assert parse(command, arguments).command.name == command
