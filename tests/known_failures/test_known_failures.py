"""Programs that show a known failure: each exits with 0 where all is right, and with a line that says what is wrong.

A program that is right at last fails here as well, until its name is removed from the list; it then stands guard.
"""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import environment

import pytest

PROGRAMS = {
    path.stem: path
    for path in sorted(Path(__file__).parent.glob("*.py"))
    if path.stem != "conftest" and not path.stem.startswith("test_")
}
FAILING = ("convolution_before_recurrence",)
"""The programs that fail for the reason in the first line of their docstring."""


class StillWrongError(AssertionError):
    """A program found what it looks for; a program that crashes is another failure."""


def programs() -> list[Any]:
    """Every program; those known to fail with the reason that they state."""
    parameters = []
    for name, path in PROGRAMS.items():
        reason = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
        mark = pytest.mark.xfail(strict=True, raises=StillWrongError, reason=reason)
        parameters.append(pytest.param(path, id=name, marks=mark if name in FAILING else ()))
    return parameters


@pytest.mark.parametrize("program", programs())
def test_a_known_failure_is_still_one(program: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, program],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in finished.stderr, finished.stderr
    if finished.returncode:
        raise StillWrongError(finished.stderr)


def test_every_failing_program_is_there() -> None:
    assert set(FAILING) <= set(PROGRAMS)
