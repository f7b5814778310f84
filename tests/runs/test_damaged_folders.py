"""Folders of runs and searches that are damaged at random: each command says so in a line, or works."""

import csv
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import unrolled
from tests.conftest import write_tiny_data
from tests.runs.damage import damage
from tests.searching.planted import learnable
from unrolled import cli
from unrolled.comparison.groups import Group
from unrolled.config.experiment import ExperimentConfig
from unrolled.reports.search import write_search_report
from unrolled.searching.search import finalize
from unrolled.searching.worker import run_worker, train_trial
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress

import pytest

pytestmark = pytest.mark.xdist_group("damaged-folders")

CASES, SEED = int(os.environ.get("UNROLLED_FUZZ_CASES", "120")), int(os.environ.get("UNROLLED_FUZZ_SEED", "0"))
SECONDS, BYTES = 30, 1 << 30
_NETWORK = [{"SimpleRNN": {"units": 4}}]
_TRAINING = {"epochs": 1, "batch_size": 32}


def write_words(path: Path) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows([f"a {word} day number {n}", word] for n in range(40) for word in ("good", "bad"))
    return path


def write_sales(path: Path) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["date", "sales"])
        rows.writerows([f"2026-{1 + n // 28:02}-{1 + n % 28:02}", n % 7] for n in range(28 * 6))
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind, a group and a search, by name."""
    home = tmp_path_factory.mktemp("folders")
    write_tiny_data(home / "tiny.npz")
    settings: dict[str, Any] = {"network": _NETWORK, "training": _TRAINING}
    images = {**settings, "data": str(home / "tiny.npz")}
    kinds: dict[str, dict[str, Any]] = {
        "images": images,
        "words": {
            "data": {"file": str(write_words(home / "words.csv"))},
            "network": [{"Embedding": {"output_dim": 4}}, *_NETWORK],
            "training": {**_TRAINING, "validation": 0.2},
        },
        "sales": {
            "data": {"file": str(write_sales(home / "sales.csv"))},
            "forecast": {"window": 14, "horizon": 7, "test_steps": 28, "quantiles": [0.1, 0.5, 0.9]},
            **settings,
        },
    }
    made = {name: unrolled.train(kind, runs=home / name, quiet=True).path for name, kind in kinds.items()}
    group = Group.create(ExperimentConfig.load(images, name="group"), [0, 1], home / "groups")
    for seed in group.seeds:
        unrolled.train(images, seed=seed, runs=group.path, name=f"group-seed-{seed}", quiet=True)
    search = learnable(home, trials=2)
    run_worker(search, 2, StopRequest(), train_trial)
    finalize(search, Progress(), write_search_report)
    return {**made, "group": group.path, "search": search.path}


def commands(kind: str, folder: Path, home: Path, draw: random.Random) -> list[str]:
    """A command that reads the folder."""
    inputs = {
        "images": [str(home / "tiny.npz")],
        "words": ["a good day"],
        "sales": [str(home / "sales.csv")],
    }
    listing = ["runs", "--runs", str(folder.parent), *draw.choice([[], ["--json"]])]
    if kind == "search":
        return draw.choice([listing, ["search", str(folder), "--trials", "2"], ["doctor", str(folder)]])
    if kind == "group":
        return draw.choice([listing, ["compare", str(folder)], ["compare", str(folder), "--json"]])
    ask = ["forecast" if kind == "sales" else "predict", str(folder), *inputs[kind]]
    alone = [[name, str(folder)] for name in ("evaluate", "resume", "report", "compare", "doctor")]
    return draw.choice([listing, ask, ask, *alone])


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


_watched: list[tuple[str, list[str]]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note each file that is opened, renamed or removed below the watched folder."""
    if not _watched or not event.startswith(("open", "os.", "shutil.")):
        return
    folder, touched = _watched[-1]
    for argument in arguments:
        if isinstance(argument, str | bytes | os.PathLike) and folder in os.path.realpath(os.fsdecode(argument)):
            touched.append(f"{event} {arguments}")


sys.addaudithook(_watch)


@contextmanager
def nothing_touched_in(folder: Path) -> Iterator[None]:
    touched: list[str] = []
    _watched.append((str(folder), touched))
    try:
        yield
    finally:
        _watched.pop()
    assert touched == []


def test_no_command_fails_leaves_the_folder_or_hangs(
    folders: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(SEED)
    home, outside = folders["images"].parents[1], tmp_path / "outside"
    (outside / "notes").mkdir(parents=True)
    (outside / "mine.txt").write_text("precious")
    (outside / "notes" / "000001-00000001.npz").write_text("precious")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failures = []
    for case in range(CASES):
        kind = draw.choice(list(folders))
        folder = tmp_path / "runs" / folders[kind].name
        shutil.copytree(folders[kind], folder)
        paths = sorted(path for path in folder.rglob("*") if path.name != "experiment.yaml" or draw.random() < 0.3)
        done = [damage(draw.choice(paths), outside, draw) for _ in range(1)]
        arguments = commands(kind, folder, home, draw)
        try:
            with at_most(SECONDS), nothing_touched_in(outside), pytest.raises(SystemExit) as exit_:
                cli.main(arguments)
        except AssertionError as error:
            failures.append(f"{case} {kind} {done} {arguments[0]}: {error}")
        printed = "".join(capfd.readouterr())
        if "internal error" in printed or "Traceback" in printed or exit_.value.code not in (None, 0, 1, 2):
            line = next((line for line in printed.splitlines() if "error" in line), printed[-300:])
            failures.append(f"{case} {kind} {done} {arguments[0]} {exit_.value.code}: {line[:400]}")
        shutil.rmtree(tmp_path / "runs")
    assert not failures, "\n".join(failures)
    assert (outside / "mine.txt").read_text() == "precious"
    assert [path.name for path in (outside / "notes").iterdir()] == ["000001-00000001.npz"]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES
