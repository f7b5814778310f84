"""Output on the terminal during a run."""

import sys
from typing import Any

from benchmarks.tables import QUIET, median_seconds

Record = dict[str, Any]


def show_progress(text: str) -> None:
    """Show a text on one line of a terminal, in place of the previous one."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)


def describe_case(case: Record) -> str:
    """Format the name of a case and a line for each arm."""
    lines = [case["name"], *map(_describe_arm, case["arms"])]
    if (case.get("others_share") or 0) > QUIET:
        lines.append(
            f"  other processes took {case['others_share']:.0%} of the cores: measure again on a quiet machine"
        )
    return "\n".join(lines)


def _describe_arm(arm: Record) -> str:
    name = f"  {arm['name']:<42}"
    if arm.get("failure"):
        return f"{name}  {arm['failure']}"
    if not arm["seconds"]:
        return f"{name}  computes the same"
    low, middle, high = arm.get("ratio_quartiles", (0, 0, 0))
    ratio = f"x {middle:.2f} ({low:.2f} to {high:.2f})" if middle else ""
    share = f"{arm['gflops']:6.3g} GFLOP/s {arm['share_of_peak'][1]:4.0%} of sgemm"
    return f"{name} {median_seconds(arm) * 1e3:9.3f} ms {share}  ready in {arm['warm_up_seconds']:4.1f} s  {ratio}"
