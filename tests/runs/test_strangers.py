"""Folders that somebody else made: nothing outside of them is read, changed or run."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import unrolled
from tests.conftest import Command, write_tiny_data
from unrolled.comparison.groups import Group
from unrolled.errors import RunError
from unrolled.runs.environment import describe_environment
from unrolled.runs.run import Run
from unrolled.searching.folder import Search

import pytest

pytestmark = pytest.mark.xdist_group("strangers")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers")
    write_tiny_data(folder / "tiny.npz")
    settings = {
        "data": str(folder / "tiny.npz"),
        "network": [{"SimpleRNN": {"units": 4}}],
        "training": {"epochs": 1, "batch_size": 32},
    }
    return unrolled.train(settings, runs=folder / "runs", quiet=True).path


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, beside a file of the user's own."""
    (tmp_path / "mine.txt").write_text("precious")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "my-notes.npz").write_text("precious")
    return Path(shutil.copytree(trained, tmp_path / "runs" / trained.name))


def link(name: str, to: str) -> Callable[[Path], None]:
    def plant(run: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(run.parent.parent / to if not to.startswith("/") else to)

    return plant


def pipe(run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")


PLANTED = {
    "a lock that is a link": link(".lock", "mine.txt"),
    "checkpoints that are a link": link("checkpoints", "notes"),
    "a checkpoint that is a link": lambda run: (run / "checkpoints" / "000001-00000001.npz").symlink_to("/etc/passwd"),
    "metrics from a device": link("metrics.jsonl", "/dev/zero"),
    "metrics from a pipe": pipe,
    "a status that is a link": link("status.json", "mine.txt"),
}
COMMANDS = ("resume", "evaluate", "report", "doctor", "predict", "runs")


@pytest.mark.parametrize("name", PLANTED)
def test_nothing_that_leads_out_of_a_run_is_followed(name: str, folder: Path) -> None:
    (folder / "checkpoints").mkdir(exist_ok=True)
    PLANTED[name](folder)
    with pytest.raises(RunError, match="none is followed in a folder of runs"):
        Run.open(folder)
    assert (folder.parent.parent / "mine.txt").read_text() == "precious"
    assert [path.name for path in (folder.parent.parent / "notes").iterdir()] == ["my-notes.npz"]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_say_so_and_go_on(command: str, folder: Path, unrolled_command: Command) -> None:
    pipe(folder)
    arguments = ["--runs", str(folder.parent)] if command == "runs" else [str(folder)]
    done = unrolled_command(command, *arguments, *(["digit.png"] if command == "predict" else []))
    assert "none is followed" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("file, kind", [("search.yaml", Search), ("group.json", Group)])
def test_no_run_of_a_search_or_a_group_is_a_link(file: str, kind: type, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "all" / "trials").mkdir(parents=True)
    (tmp_path / "all" / file).write_text("{}")
    (tmp_path / "all" / "trials" / "20260101T000000Z-trial-0").symlink_to(folder)
    with pytest.raises(RunError, match="none is followed"):
        kind.open(tmp_path / "all")  # type: ignore[attr-defined]


def test_a_text_that_fills_the_memory_is_refused(folder: Path) -> None:
    with (folder / "metrics.jsonl").open("r+b") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(RunError, match=r"metrics\.jsonl: expected less than 256 MB, got 1,074 MB\. Remove it"):
        Run.open(folder)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_no_program_of_a_repository_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file.txt").write_text("one")
    (tmp_path / ".gitattributes").write_text("*.txt filter=some.name=odd\n")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "one")
    git("config", "core.fsmonitor", str(program))
    git("config", "filter.some.name=odd.clean", str(program))
    (tmp_path / "file.txt").write_text("two")
    found = describe_environment(0)["git"]
    assert found is not None
    assert found["modified"] is True
    assert not ran.exists()
    subprocess.run(["git", "status"], check=True, capture_output=True)
    assert ran.exists()  # which it is where git is asked as it stands
