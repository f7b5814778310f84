"""The page about the doctor agrees with the rules."""

import os
import re
import subprocess
import sys
from typing import Any

from tests.conftest import ROOT, environment
from tests.docs.pages import blocks
from unrolled.diagnostics.diagnose import RULE_SETS, RULES
from unrolled.diagnostics.diagnostic import SEVERITIES, Rule

PAGE = ROOT / "docs/doctor.md"
SECTION = re.compile(r"(?<=test_page\.py -->\n).*(?=<!-- end -->)", re.DOTALL)


def entry(rule: Rule[Any]) -> str:
    return (
        f"\n#### {rule.code}\n\n**{rule.severity.capitalize()}.** {rule.summary}\n\n"
        f"- Threshold: {rule.side} {rule.threshold:g} {rule.unit}. {rule.why}\n- Fix: {rule.fix}\n"
    )


def test_the_page_lists_every_rule_with_its_threshold() -> None:
    """To record a changed one: UNROLLED_RECORD=1 pytest tests/diagnostics/test_page.py."""
    section = "".join(f"\n### {rules.title}\n{''.join(map(entry, rules.rules))}" for rules in RULE_SETS) + "\n"
    if os.environ.get("UNROLLED_RECORD"):
        PAGE.write_text(SECTION.sub(lambda _: section, PAGE.read_text()))
    found = SECTION.search(PAGE.read_text())
    assert found is not None
    assert found[0] == section


def test_codes_are_unique_and_in_kebab_case() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+|leakage", rule.code)
        assert rule.severity in SEVERITIES


def test_the_python_block_runs_and_prints_its_comment() -> None:
    (program,) = blocks(PAGE.read_text(), "python")
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("logits-as-probabilities layers[1].Dense ")
