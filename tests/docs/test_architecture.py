"""The files, functions and JSON keys in docs/architecture.md and in the README's tree exist."""

import re
from dataclasses import fields
from importlib import import_module
from itertools import accumulate
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.pages import blocks
from unrolled.comparison.listing import ListingEntry
from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.model.build import describe
from unrolled.tasks.metrics import Evaluation
from unrolled.training.lr_finder import LearningRateSweep

import pytest

PAGE = (ROOT / "docs" / "architecture.md").read_text()
README = (ROOT / "README.md").read_text()
PACKAGE = ROOT / "src" / "unrolled"
ROAD = re.findall(r"^\| \d+ \| `(.+?)` \| (.+?) \|", PAGE, flags=re.MULTILINE)


def tree(page: str) -> list[Path]:
    """Return the paths in the tree of a page, relative to the repository."""
    (block,) = [block for block in page.split("```")[1::2] if "\nsrc/unrolled/\n" in block]
    lines = [re.match(r"( *)(\S+)", line) for line in block.splitlines()]
    entries = [(len(found[1]) // 2, found[2]) for found in lines if found and len(found[1]) <= 4]

    def below(stack: tuple[str, ...], entry: tuple[int, str]) -> tuple[str, ...]:
        return (*stack[: entry[0]], entry[1])

    start: tuple[str, ...] = ()
    return [Path(*stack) for stack in accumulate(entries, below, initial=start) if stack]


def documented(command: str) -> set[str]:
    """Return the words in backquotes in the row of a file or of a command's JSON."""
    (row,) = re.findall(rf"^\| `{re.escape(command)}` \| (.+) \|$", PAGE, flags=re.MULTILINE)
    return set(re.findall(r"`([\w]+)`", row))


@pytest.mark.parametrize("page", [PAGE, README], ids=["architecture", "readme"])
def test_the_tree_is_the_real_one(page: str) -> None:
    paths = tree(page)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == {path.name for path in paths if path.parent == Path("src/unrolled") and path.suffix == ""}
    files = {path.name for path in PACKAGE.glob("*.py")} - {"__main__.py"}
    assert files == {path.name for path in paths if path.parent == Path("src/unrolled") and path.suffix == ".py"}


def test_the_main_road_passes_through_each_of_at_most_twelve_files_once() -> None:
    files = [file for file, _ in ROAD]
    assert len(files) == len(set(files)) <= 12
    for file, functions in ROAD:
        module = import_module(f"unrolled.{file.removesuffix('.py').replace('/', '.')}")
        owner = None
        for name in re.findall(r"`([\w.]+)`", functions):
            first, _, rest = name.partition(".")
            owner = getattr(module, first) if first else owner
            assert not rest or hasattr(owner, rest), name


def test_the_steps_of_the_road_are_those_of_the_trainer() -> None:
    (road,) = blocks(PAGE, "python")
    trainer = (PACKAGE / "training" / "trainer.py").read_text()
    body = trainer[trainer.index("def train_experiment") :]
    for step in re.findall(r"^(?:[\w, ]+ = )?([\w.]+)\(", road, flags=re.MULTILINE):
        assert f"{step}(" in body, step
        body = body[body.index(f"{step}(") :]


def test_the_keys_of_the_files_and_commands_are_documented() -> None:
    described = describe(ExperimentConfig.load("mnist-rows", overrides=["network.1.LSTM.units=4"]))
    assert set(described) | set(described["layers"][0]) == documented("check")
    assert {field.name for field in fields(Evaluation)} <= documented("evaluation.json")
    assert {field.name for field in fields(Diagnostic)} == documented("doctor")
    assert {field.name for field in fields(LearningRateSweep)} == documented("find-lr") - {"rate", "loss"}
    assert {field.name for field in fields(ListingEntry)} == documented("runs") - {"runs", "broken"}
