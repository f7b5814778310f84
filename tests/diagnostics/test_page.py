"""The doctor's page says what the code says."""

import os
import re
import subprocess
import sys

from tests.conftest import ROOT, environment
from tests.docs.pages import blocks
from unrolled.diagnostics.diagnose import RULES
from unrolled.diagnostics.diagnostic import Rule

PAGE = ROOT / "docs/doctor.md"
TABLE = re.compile(r"(?<=test_page\.py -->\n).*(?=<!-- end -->)", re.DOTALL)


def row(kind: Rule) -> str:
    bound = f"{'above' if kind.side == 'above' else 'below'} {kind.bound:g} {kind.unit}"
    return f"| `{kind.name}` | {kind.severity} | {kind.meaning} | {bound} | {kind.reason} | {kind.remedy} |\n"


def test_the_table_lists_every_kind_with_its_bound() -> None:
    """To record a changed one: UNROLLED_RECORD=1 pytest tests/diagnostics/test_page.py."""
    head = "| finding | | what it means | found | why there | what to do |\n|---|---|---|---|---|---|\n"
    table = f"\n{head}{''.join(map(row, RULES))}\n"
    if os.environ.get("UNROLLED_RECORD"):
        PAGE.write_text(TABLE.sub(lambda _: table, PAGE.read_text()))
    found = TABLE.search(PAGE.read_text())
    assert found is not None
    assert found[0] == table


def test_kinds_are_named_apart() -> None:
    assert len({kind.name for kind in RULES}) == len(RULES)
    for kind in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+|leakage", kind.name)


def test_the_python_block_runs_and_finds_what_it_says() -> None:
    (program,) = blocks(PAGE.read_text(), "python")
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("logits-as-probabilities layers[1].Dense ")
