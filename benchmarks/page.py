"""The tables of docs/performance.md, from a result file. Text outside the markers is never changed."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.charts import draw_charts
from benchmarks.options import PAGE
from benchmarks.results import Run
from benchmarks.sections import replace_section
from unrolled.storage import write_text

_NOT_MEASURED = "*Not measured in this run.*"


def render(run: Run, page: Path) -> None:
    """Write the run's tables between the markers of a page, and its charts into the folder beside it.

    A new page starts as a copy of docs/performance.md.

    Raises:
        DataError: A marker is missing.
    """
    charts = draw_charts(run, page.with_suffix(""))
    text = (page if page.is_file() else PAGE).read_text(encoding="utf-8")
    for name, write in SECTIONS.items():
        pictures = [f"![{chart.title}]({page.stem}/{chart.path.name})" for chart in charts if chart.section == name]
        body = "\n\n".join([*pictures, *write(run)]) or _NOT_MEASURED
        text = replace_section(text, name, body, page)
    write_text(page, text)


def _machine(run: Run) -> list[str]:
    machine, effort = run["machine"], run["effort"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(machine["versions"].items()))
    caches = ", ".join(f"{level} {size}" for level, size in machine["caches"].items())
    commit = machine["commit"]
    removed = ", ".join(machine["settings_removed"])
    lines = [
        f"- {machine['date']}, {machine['cpu']}, {machine['cores_used']} of {machine['cores']} cores ({caches})",
        f"- our kernels: {machine.get('isa')}, {machine.get('threads')} threads; {machine['platform']}",
        f"- Python {machine['python']}; {versions}",
        f"- {_rounds(run)} rounds, in each of which every program ran for at least {effort['block_seconds']} s",
        f"- {_peak(run)}",
        f"- {_others(run)}",
        f"- commit {commit['commit'][:12]}{', with changes' if commit['modified'] else ''}" if commit else "",
        f"- taken out of the environment, because they slow NumPy down: {removed}" if removed else "",
    ]
    return ["\n".join(line for line in lines if line)]


def _rounds(run: Run) -> str:
    """Return the number of rounds; cases measured on their own may have more of them than others."""
    counts = sorted({len(arm["seconds"]) for case in run["cases"] for arm in case["arms"] if arm["seconds"]})
    return " to ".join(str(count) for count in dict.fromkeys((counts or [0])[:1] + counts[-1:]))


def _peak(run: Run) -> str:
    """Describe the library that multiplies large matrices fastest on this machine."""
    rates: dict[str, list[float]] = {}
    for case in run["cases"]:
        for framework, samples in case["sgemm_gflops"].items():
            rates.setdefault(framework, []).extend(samples)
    medians = {name: statistics.median(samples) for name, samples in rates.items() if samples}
    if not medians:
        return "nothing was timed"
    names = {"processor": "NumPy", "jax": "JAX", "tensorflow": "TensorFlow", "torch": "torch"}
    best = max(medians, key=lambda name: medians[name])
    others = ", ".join(f"{names[name]} {rate:.0f}" for name, rate in medians.items() if name != best)
    return f"sgemm peak, the best library of each round: mostly {names[best]}, {medians[best]:.0f} GFLOP/s" + (
        f" (medians of the others: {others})" if others else ""
    )


def _others(run: Run) -> str:
    shares = [case["others_share"] for case in run["cases"] if case.get("others_share") is not None]
    if not shares:
        return "whether other processes computed meanwhile is not known"
    loud = sum(share > tables.QUIET for share in shares)
    return (
        f"other processes took {statistics.median(shares):.1%} of the cores meanwhile, {max(shares):.1%} at worst;"
        f" more than {tables.QUIET:.0%} in {loud} of {len(shares)} cases"
    )


def _failures(run: Run) -> list[str]:
    failed = [
        f"- `{case['name']}`, {arm['name']}: {arm['failure']}"
        for case in run["cases"]
        for arm in case["arms"]
        if arm.get("failure")
    ]
    return ["\n".join(failed) if failed else "Nothing."]


def _of_group(group: str, write: Callable[[list[dict[str, Any]]], list[str]]) -> Callable[[Run], list[str]]:
    def section(run: Run) -> list[str]:
        cases = [case for case in run["cases"] if case["group"] == group and tables.is_timed(case)]
        return write(cases) if cases else []

    return section


SECTIONS: dict[str, Callable[[Run], list[str]]] = {
    "machine": _machine,
    "article": _of_group("article", tables.article),
    "layers": _of_group("layer", tables.layers),
    "inference": _of_group("inference", tables.inference),
    "stream": _of_group("stream", tables.stream),
    "denormals": _of_group("denormals", tables.denormals),
    "cost": _of_group("cost", tables.costs),
    "scaling": _of_group("scaling", tables.scaling),
    "failures": _failures,
}
"""The generated sections, by the names in their markers."""
