"""The command that looks for what is wrong."""

from collections.abc import Sequence
from pathlib import Path

from unrolled.backend import check_backend
from unrolled.cli.options import JSON, RUNS, SETTINGS

import click


@click.command()
@click.argument("subject", metavar="[FILE, RECIPE or RUN]", default="mnist-rows")
@SETTINGS
@RUNS
@JSON
@click.pass_context
def doctor(context: click.Context, subject: str, settings: Sequence[str], runs: Path, as_json: bool) -> None:
    """Look for what goes wrong with recurrent networks, and say what to do.

    Of an experiment, its data is looked at and its network tries a few steps; of a run, the trained network is
    examined. Exits with 0 where nothing was found, and with 1 where something was.

    \b
    unrolled doctor digits.yaml                       before training
    unrolled doctor latest                            after it
    """  # noqa: D301 - click reads the backspace
    check_backend()
    from unrolled.insight.doctor import diagnose
    from unrolled.tables.findings import print_findings

    findings = diagnose(subject, settings=settings, runs=runs)
    print_findings(findings, as_json=as_json)
    context.exit(1 if findings else 0)
