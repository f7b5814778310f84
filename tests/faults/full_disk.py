"""A disk that is full from the n-th write on, and what is left to go on with: run by ``test_full_disk`` with
``full_disk.c`` loaded before the C library."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import write_tiny_data
from tests.searching.planted import learnable
from unrolled import cli
from unrolled.comparison.groups import Group
from unrolled.errors import UnrolledError
from unrolled.reports.search import write_search_report
from unrolled.runs.folders import runs_within
from unrolled.runs.run import Run
from unrolled.searching.folder import Search
from unrolled.searching.search import finalize
from unrolled.searching.worker import run_worker, train_trial
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress

DISK = ctypes.CDLL(None)
# Every write, or some of them.
EVERY = os.environ.get("UNROLLED_EVERY_WRITE") == "1"

EXPERIMENT: dict[str, Any] = {
    "network": [{"SimpleRNN": {"units": 3}}],
    "training": {
        "epochs": 2,
        "batch_size": 60,
        "validation": 0.2,
        "keep": "best",
        "early_stopping": {"patience": 2},
        "optimizer": {"Adam": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.01}}, "use_ema": True}},
    },
}


def fails_at(folder: Path | str, number: int, work: Callable[[], object]) -> str:
    """Do something on a disk that is full at the n-th write below a folder; returns the error's line."""
    DISK.disk_full_after(os.fsencode(folder), ctypes.c_long(number))
    try:
        work()
    except UnrolledError as error:
        assert "\n" not in str(error), error
        return str(error)
    except SystemExit as exit_:
        return "" if exit_.code in (None, 0) else f"exit code {exit_.code}"
    finally:
        DISK.disk_full_after(b"", ctypes.c_long(0))
    return ""


def writes_of(folder: Path | str, work: Callable[[], object], at_most: int) -> Iterator[int]:
    """Yield the numbers of the writes below a folder at which the disk is to be full."""
    DISK.disk_full_after(os.fsencode(folder), ctypes.c_long(0))
    work()
    count = DISK.disk_writes()
    DISK.disk_full_after(b"", ctypes.c_long(0))
    assert count > 0
    step = 1 if EVERY else max(1, count // at_most)
    yield from range(1, count + 1, step)


def result_of(run: Run) -> dict[str, Any]:
    """What a finished run holds, read from its folder."""
    run = Run.open(run.path)
    return {
        "status": run.status,
        "weights": [array.tobytes() for array in run.model.get_weights()],
        "losses": [(record["epoch"], record["loss"], record["val_loss"]) for record in run.metrics],
        "evaluation": run.evaluation,
        "files": sorted(path.name for path in run.path.rglob("*")),
    }


def train(home: Path) -> None:
    whole = result_of(unrolled.train(EXPERIMENT, runs=home / "whole", quiet=True))

    def start(runs: Path) -> None:
        unrolled.train(EXPERIMENT, runs=runs, quiet=True)

    for number in writes_of(home / "counted", partial(start, home / "counted"), at_most=30):
        runs = home / str(number)
        error = fails_at(runs, number, partial(start, runs))
        found = runs_within(runs)
        run = unrolled.resume(found[0], quiet=True) if found else unrolled.train(EXPERIMENT, runs=runs, quiet=True)
        assert result_of(run) == whole, (number, error)
        shutil.rmtree(runs)


def longer(home: Path) -> None:
    base = unrolled.train(EXPERIMENT, runs=home / "base", quiet=True).path

    def go_on(run: Path) -> Run:
        return unrolled.resume(run, epochs=3, quiet=True)

    whole = result_of(go_on(Path(shutil.copytree(base, home / "whole" / base.name))))
    counted = Path(shutil.copytree(base, home / "counted" / base.name))
    for number in writes_of(counted, partial(go_on, counted), at_most=12):
        run = Path(shutil.copytree(base, home / str(number) / base.name))
        error = fails_at(run, number, partial(go_on, run))
        assert result_of(go_on(run)) == whole, (number, error)
        shutil.rmtree(run)


def repeat(home: Path) -> None:
    def start(runs: Path) -> Group:
        return unrolled.repeat(EXPERIMENT, seeds=2, runs=runs, quiet=True)

    def results(group: Group) -> list[list[bytes]]:
        return [result_of(run)["weights"] for run in group.runs_by_seed()[0].values()]

    whole = results(start(home / "whole"))
    for number in writes_of(home / "counted", partial(start, home / "counted"), at_most=12):
        runs = home / str(number)
        error = fails_at(runs, number, partial(start, runs))
        found = [path for path in runs.glob("*") if (path / "group.json").exists()]
        group = unrolled.repeat(found[0], quiet=True) if found else start(runs)
        assert results(group) == whole, (number, error)
        shutil.rmtree(runs)


def search(home: Path) -> None:
    def go_on(found: Search) -> Search:
        run_worker(found, 2, StopRequest(), train_trial)
        finalize(found, Progress(), write_search_report)
        return found

    def start(folder: Path) -> Search:
        folder.mkdir(exist_ok=True)
        return go_on(learnable(folder, trials=2))

    def results(found: Search) -> list[Any]:
        return sorted((trial.value, sorted(trial.params.items())) for trial in found.ranking)

    whole = results(start(home / "whole"))
    for number in writes_of(home / "counted" / "runs", partial(start, home / "counted"), at_most=12):
        folder = home / str(number)
        error = fails_at(folder / "runs", number, partial(start, folder))
        found = [path for path in (folder / "runs").glob("*") if (path / "search.yaml").exists()]
        again = go_on(Search.open(found[0])) if found else start(folder)
        assert results(again) == whole, (number, error)
        shutil.rmtree(folder)


def outputs(home: Path) -> None:
    """What commands write where the user says: no half of it is left, and the exit code is 1."""
    write_tiny_data(home / "tiny.npz")
    run = unrolled.train(EXPERIMENT, runs=home / "base", quiet=True).path
    for name, arguments in {
        "predicted.csv": ["predict", str(run), str(home / "tiny.npz"), "--output"],
        "compared.html": ["compare", str(run), "--html"],
        "experiment.yaml": ["init", "--data", str(home / "tiny.npz"), "-o"],
    }.items():
        folder = home / "out"
        inside = f"{folder}/"  # not the folder itself, which the commands do not make
        for number in writes_of(inside, partial(refreshed, folder, name, arguments), at_most=1000):
            fresh(folder)
            error = fails_at(inside, number, partial(command, [*arguments, str(folder / name)]))
            assert error == "exit code 1", (name, number, error)
            assert list(folder.iterdir()) == [], (name, number)


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def refreshed(folder: Path, name: str, arguments: list[str]) -> None:
    command([*arguments, str(fresh(folder) / name)])


def command(arguments: list[str]) -> None:
    try:
        cli.main(arguments)
    except SystemExit as exit_:
        if exit_.code not in (None, 0):
            raise


if __name__ == "__main__":
    home = Path(sys.argv[2])
    write_tiny_data(home / "tiny.npz")
    EXPERIMENT["data"] = str(home / "tiny.npz")
    {"train": train, "longer": longer, "repeat": repeat, "search": search, "outputs": outputs}[sys.argv[1]](home)
