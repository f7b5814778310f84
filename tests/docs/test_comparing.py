"""What the page on comparing shows, done."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment

import pytest

PAGE = (ROOT / "docs/comparing.md").read_text()
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines() if line
]


def test_the_python_block_runs(tmp_path: Path) -> None:
    """On 500 of the images."""
    cut = (
        "import unrolled\nfrom unrolled.data import catalogue\nfull = catalogue.NAMED['mnist']\n"
        "catalogue.NAMED['mnist'] = lambda: full().head(500)\n"
    )
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    command = [sys.executable, "-c", cut + program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert "network[5].Dense.units 32 64\n" in finished.stdout
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_takes_the_options_shown(line: str) -> None:
    """Each line's words are parsed by the command itself, which is not run."""
    from unrolled.cli import cli

    program, command, *arguments = line.partition("#")[0].split()
    assert program == "unrolled"
    with cli.make_context("unrolled", [command]) as context:
        assert cli.commands[command].make_context(command, arguments, parent=context).command.name == command
