"""The smallest benchmark from start to end: checked equal, timed, saved and rendered. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, environment

import pytest

pytest.importorskip("matplotlib", reason="the charts of the benchmarks are drawn with it")


def benchmarks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the results and the page of the smallest case."""
    folder = tmp_path_factory.mktemp("benchmarks")
    ended = benchmarks(
        *("--quick", "--cases", "layer/lstm/*/tanh", "--shapes", "2x3x4x5", "--backends", "jax", "--rounds", "2"),
        *("--results", folder, "--page", folder / "performance.md"),
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*-part.json")
    run: dict[str, Any] = json.loads(path.read_text())
    return run


def test_both_programs_compute_the_same_and_are_timed_in_turn(run: dict[str, Any]) -> None:
    (case,) = run["cases"]
    assert case["name"] == "layer/lstm/2x3x4x5/tanh"
    ours, keras = case["arms"]
    assert (ours["name"], keras["name"], keras["against"]) == ("unrolled on JAX", "Keras on JAX", "unrolled on JAX")
    assert keras["failure"] is None
    assert 0 <= keras["difference"]["outputs"] <= 1e-5
    assert 0 < keras["difference"]["gradients"] <= 1e-4
    for arm in (ours, keras):
        assert len(arm["seconds"]) == 2
        assert arm["warm_up_seconds"] > 0
        assert arm["flops"] == 3 * 2 * (2 * 3) * (4 + 5) * (4 * 5)
    low, middle, high = keras["ratio_quartiles"]
    assert 0 < low <= middle <= high
    assert {name: len(rates) for name, rates in case["sgemm_gflops"].items()} == {"jax": 2, "processor": 2}


def test_the_machine_is_described(run: dict[str, Any]) -> None:
    machine = run["machine"]
    assert machine["versions"].keys() >= {"unrolled", "keras", "jax", "numpy"}
    assert machine["isa"]
    assert machine["threads"] >= 1


def test_the_page_is_generated_between_its_markers(folder: Path) -> None:
    page, original = (path.read_text() for path in (folder / "performance.md", ROOT / "docs" / "performance.md"))
    assert "| 2x3x4x5 | tanh | " in page
    assert (folder / "performance" / "layer-lstm.svg").read_text().rstrip().endswith("</svg>")
    assert "(performance/layer-lstm.svg)" in page
    assert _by_hand(page) == _by_hand(original)


def test_the_same_results_give_the_same_page(folder: Path) -> None:
    (results,) = folder.glob("*-part.json")
    files = [folder / "performance.md", folder / "performance" / "layer-lstm.svg"]
    before = [path.read_bytes() for path in files]
    assert benchmarks("--render", results, "--page", files[0]).returncode == 0
    assert [path.read_bytes() for path in files] == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases", "layr"], '--cases: no case matches "layr". Did you mean "layer"?'),
        (["--threads", "4096"], "--threads: expected 1 to"),
        (["--shapes", "3x4"], 'expected batch, time, features and units such as 32x28x28x128, got "3x4"'),
        (["--render", "nothing.json"], "--render: nothing.json: no such file."),
        (["--render", "pyproject.toml"], "pyproject.toml: not a result of python -m benchmarks"),
    ],
)
def test_impossible_arguments_are_rejected(arguments: list[str], message: str) -> None:
    ended = benchmarks(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr.splitlines()[-1]


def _by_hand(page: str) -> list[str]:
    """The lines outside the generated sections, which no run may change."""
    kept, is_generated = [], False
    for line in page.splitlines():
        is_generated = is_generated and not line.startswith("<!-- end of ")
        if not is_generated:
            kept.append(line)
        is_generated = is_generated or line.startswith("<!-- generated: ")
    return kept


def test_layers_in_sequence_wait_for_each_other() -> None:
    program = """
import re
from benchmarks.catalogue import MIDDLE, layer_arms, layer_task
from benchmarks.frameworks.jax import prepare

def waiting(in_sequence):
    task = replace(layer_task("gru", MIDDLE, "bidirectional"), in_sequence=in_sequence)
    layer = prepare(layer_arms(task, unroll=False)[0])
    text = layer.compute.lower(*layer.arguments).compile().as_text()
    calls, needed = [], {}
    for name, computed in re.findall(r"%([\\w.-]+) = (.*)", text[text.index("ENTRY"):]):
        operands = set(re.findall(r"%([\\w.-]+)", computed)) & needed.keys()
        needed[name] = operands.union(*(needed[operand] for operand in operands))
        if "unrolled_" in computed:
            calls.append(name)
    return [len(needed[call] & set(calls)) for call in calls]

print(waiting(True), sorted(waiting(False)))
"""
    command = [sys.executable, "-c", "from dataclasses import replace\n" + program]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=120, env=environment(KERAS_BACKEND="jax")
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "[0, 1, 2, 3] [0, 0, 1, 1]\n"
