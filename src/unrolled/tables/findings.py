"""What the doctor found."""

from collections.abc import Sequence
from textwrap import fill

from unrolled.insight.findings import Finding
from unrolled.insight.kinds import KINDS
from unrolled.tables.layout import print_json

from rich.console import Console
from rich.text import Text

_COLOURS = {"fatal": "bold red", "harmful": "yellow", "doubtful": "cyan"}
_SIDES = {kind.name: kind.side for kind in KINDS}


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Each finding: its name and place, what is wrong, how much, and what to do."""
    if as_json:
        print_json([finding.to_json() for finding in findings])
        return
    console = Console(highlight=False)
    if not findings:
        console.print("Nothing found: the network is healthy, as far as the doctor can tell.")
        return
    for finding in findings:
        colour = _COLOURS[finding.severity]
        heading = Text.assemble((finding.name, colour), "  ", finding.where, f"  ({finding.severity})")
        console.print(heading, soft_wrap=True)
        text = f"{finding.meaning} {spell_measurement(finding)}"
        console.print(Text(fill(text, console.width, initial_indent="  ", subsequent_indent="  ")))
        console.print(Text(f"  {finding.remedy}", style="bold"), soft_wrap=True)  # to be copied whole


def spell_measurement(finding: Finding) -> str:
    """The value, its unit and the bound that it crossed.

    Example:
        >>> from unrolled.insight.network_kinds import DEAD_UNITS
        >>> spell_measurement(*DEAD_UNITS.judge(75.0, "layers[0].Dense"))
        "75 % of the layer's units; healthy at 50 or less."
    """
    side = "less" if _SIDES[finding.name] == "above" else "more"
    return f"{finding.value:.3g} {finding.unit}; healthy at {finding.bound:g} or {side}."
