"""Markdown tables of the cases of one group."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.catalogue import IN_SEQUENCE, KERAS, OURS, VARIANTS
from benchmarks.measuring import quartiles
from benchmarks.tasks import CELLS, KERAS_NAMES

Record = dict[str, Any]
QUIET = 0.05
"""The share of the cores that other processes may take in a reliable measurement."""
_NONE = ""


def is_timed(case: Record) -> bool:
    """Return True if any arm of the case was timed."""
    return any(arm["seconds"] for arm in case["arms"])


def article(cases: Sequence[Record]) -> list[str]:
    """Return a table for each activation; times are those of 60,000 images."""
    return [_article(case) for case in cases]


def layers(cases: Sequence[Record]) -> list[str]:
    """Return a table for each cell, and one of Keras' layers with ``unroll=True``."""
    return [*inference(cases), *_unrolled(cases)]


def inference(cases: Sequence[Record]) -> list[str]:
    """Return a table for each cell."""
    parts = []
    for cell in CELLS:
        rows = [_layer_row(case) for case in cases if case["name"].split("/")[1] == cell]
        if rows:
            parts += [f"### {KERAS_NAMES[cell]}", table(_LAYER_HEADINGS, rows)]
    return parts


def stream(cases: Sequence[Record]) -> list[str]:
    """Return a table of the microseconds of one step."""
    rows = []
    for arm in _timed_arms(cases[0]):
        weights = (arm["task"]["shape"]["features"] + arm["task"]["shape"]["units"]) * 4 * arm["task"]["shape"]["units"]
        rate = f"{4 * weights / median_seconds(arm) / 1e9:.0f} GB/s" if arm["program"] == "reading" else _NONE
        rows.append([arm["name"], f"{median_seconds(arm) * 1e6:.1f}", rate, ratio(arm)])
    return [table(["program", "µs", "weights read at", "time / our stream's"], rows)]


def denormals(cases: Sequence[Record]) -> list[str]:
    """Return a table of the slowdown by denormal numbers."""
    rows = []
    for case in cases:
        arms = {arm["name"]: arm for arm in case["arms"]}
        programs = [name for name, arm in arms.items() if not arm["against"]]
        for name in programs:
            cells = [
                ratio(arm) for other, arm in arms.items() if other.startswith(f"{name}, ") and arm["against"] == name
            ]
            if len(cells) == 2:
                rows.append([case["name"].partition("/")[2].replace("/", ", "), name, *cells])
    return [table(["layer", "program", "all -0.1", "inputs of 1e-38"], rows)]


def costs(cases: Sequence[Record]) -> list[str]:
    """Return a table of the cost of each feature relative to the plain layer."""
    rows = []
    for case in cases:
        arms = {arm["name"].removeprefix(f"{OURS}, "): arm for arm in case["arms"]}
        cells = [ratio(arms[variant]) for variant in (*VARIANTS[1:], IN_SEQUENCE)]
        rows.append([KERAS_NAMES[case["name"].split("/")[1]], f"{milliseconds(arms['tanh'])}", *cells])
    return [table(["layer", "plain, ms", *VARIANTS[1:], f"{IN_SEQUENCE} / bidirectional"], rows)]


def scaling(cases: Sequence[Record]) -> list[str]:
    """Return a table of every point of the charts."""
    rows = []
    for case in cases:
        arms = {arm["name"]: arm for arm in case["arms"]}
        for arm in _timed_arms(case):
            if arm["ours"]:
                peer = arms.get(arm["name"].replace(OURS, KERAS))
                point = arm["name"].removeprefix(f"{OURS}, ")
                rows.append([point, milliseconds(arm), *_rate(arm), ratio(peer) if peer else _NONE])
    return [table(["B x T x F x H", "ours, ms", "GFLOP/s", "of the peak", "Keras on JAX / ours"], rows)]


_LAYER_HEADINGS = [
    "B x T x F x H",
    "variant",
    "ours on JAX, ms",
    "GFLOP/s",
    "of the peak",
    "on TensorFlow, ms",
    "on torch, ms",
    "Keras on JAX",
    "Keras on TensorFlow",
    "Keras on torch",
    "torch.nn",
]


def _layer_row(case: Record) -> list[str]:
    _, _, shape, *variant = case["name"].split("/")
    arms = {arm["name"]: arm for arm in case["arms"]}
    ours = [arms.get(name) for name in (OURS, "unrolled on TensorFlow", "unrolled on torch")]
    peers = [
        arms.get(KERAS),
        best([arms.get("Keras on TensorFlow, XLA"), arms.get("Keras on TensorFlow, no XLA")]),
        arms.get("Keras on torch"),
        next((arm for arm in case["arms"] if arm["program"] == "torch.nn"), None),
    ]
    first, *others = [milliseconds(arm) for arm in ours]
    return [shape, *(variant or ["tanh"]), first, *_rate(ours[0]), *others, *map(ratio, peers)]


def _unrolled(cases: Sequence[Record]) -> list[str]:
    rows = []
    for case in cases:
        for arm in _timed_arms(case):
            if arm["unroll"]:
                _, cell, shape, _ = case["name"].split("/")
                seconds = f"{arm['warm_up_seconds']:.0f}"
                rows.append([f"{KERAS_NAMES[cell]} {shape}", arm["name"].partition(", unroll")[0], seconds, ratio(arm)])
    headings = ["layer", "program", "compiling, s", "time / ours on the same framework"]
    return ["### Keras with `unroll=True`", table(headings, rows)] if rows else []


def _article(case: Record) -> str:
    arms = _timed_arms(case)
    first = next((arm for arm in arms if arm["name"] == OURS), None)
    rows = []
    for arm in arms:
        epoch = median_seconds(arm) * 60_000 / arm["task"]["images"]
        both = [first is not None and arm is not first, arm["against"] is not None]
        against_first = _ratio_text(_ratios(arm, first)) if both[0] else _NONE
        warm_up = f"{arm['warm_up_seconds']:.1f}"
        rows.append([arm["name"], f"{epoch:.1f}", _rate(arm)[1], against_first, ratio(arm), warm_up])
    activation = case["name"].partition("/")[2]
    headings = [
        activation,
        "s per epoch",
        "of the peak",
        "time / ours on JAX",
        "time / ours on its framework",
        "first epoch, s",
    ]
    return table(headings, rows)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format rows of text as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def best(arms: Sequence[Record | None]) -> Record | None:
    """Return the fastest timed arm."""
    timed = [arm for arm in arms if arm and arm["seconds"]]
    return min(timed, key=median_seconds) if timed else None


def median_seconds(arm: Record) -> float:
    """Return the median seconds of one run."""
    return float(statistics.median(arm["seconds"]))


def milliseconds(arm: Record | None) -> str:
    """Format the median of one run with three digits."""
    return f"{median_seconds(arm) * 1e3:#.3g}".rstrip(".") if arm and arm["seconds"] else _NONE


def ratio(arm: Record | None) -> str:
    """Format an arm's time divided by that of the arm it is compared with: the median and the quartiles."""
    return _ratio_text(arm.get("ratio_quartiles")) if arm else _NONE


def _ratio_text(found: Sequence[float] | None) -> str:
    return f"**{found[1]:.2f}** ({found[0]:.2f} to {found[2]:.2f})" if found else _NONE


def _ratios(arm: Record, base: Record | None) -> list[float] | None:
    if base is None or not base["seconds"]:
        return None
    return quartiles([ours / theirs for ours, theirs in zip(arm["seconds"], base["seconds"], strict=True)])


def _rate(arm: Record | None) -> list[str]:
    return [f"{arm['gflops']:.3g}", f"{arm['share_of_peak'][1]:.0%}"] if arm and arm["seconds"] else [_NONE, _NONE]


def _timed_arms(case: Record) -> list[Record]:
    return [arm for arm in case["arms"] if arm["seconds"]]
