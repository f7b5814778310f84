"""How the folders of runs and groups are named, made and found: ``<UTC time>-<name>``, numbered where that is taken."""

import re
from datetime import UTC, datetime
from pathlib import Path

from unrolled.errors import RunError, did_you_mean
from unrolled.storage import cannot_write

LATEST = "latest"
# What makes a folder a run, a group of runs, and a search.
RUN_FILE, GROUP_FILE, SEARCH_FILE = "experiment.yaml", "group.json", "search.yaml"


def make_folder(runs: Path, name: str) -> Path:
    """Make a folder that did not exist, in ``runs``.

    Raises:
        WriteError: It cannot be made.
    """
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"
    number = 1
    while True:
        path = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            runs.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError as error:
            if not runs.is_dir():
                raise cannot_write(runs, error) from None
            number += 1
        except OSError as error:
            raise cannot_write(path, error) from None
        else:
            return path


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / RUN_FILE).is_file()


def is_group(folder: Path) -> bool:
    """Whether a folder holds a group of runs."""
    return (folder / GROUP_FILE).is_file()


def runs_within(folder: Path) -> list[Path]:
    """The run folders that stand in a folder, the oldest first."""
    return sorted((path.parent for path in folder.glob(f"*/{RUN_FILE}")), key=_age)


def expect_folder(path: Path, file: str, what: str, remedy: str) -> None:
    """Refuse a folder that is not what its file would make it.

    Raises:
        RunError: The file is not there.
    """
    if not (path / file).is_file():
        got = f"a folder without {file}" if path.is_dir() else "nothing there"
        raise RunError(f"{path}: expected {what}, got {got}. {remedy}")


def find_folder(run: str, runs: Path) -> Path:
    """The folder of that name, the newest run of that name in ``runs``, or the newest of all: ``latest``.

    The runs of a group count too, under their own names and the group's.

    Raises:
        RunError: There is none.
    """
    if is_run(runs / run):
        return runs / run
    if group := next((path for path in (runs / run, Path(run)) if is_group(path)), None):
        if members := runs_within(group):
            return members[-1]
        raise RunError(f"{group}: expected a run in the group, got none. Continue with: unrolled repeat {group}")
    names = {path: {name_of(path)} for path in runs_within(runs)}
    for group in _groups_within(runs):
        names |= {path: {name_of(path), name_of(group)} for path in runs_within(group)}
    return _newest_named(run, names, runs)


def find_run_or_group(name: str, runs: Path) -> Path:
    """The folder of that name, the newest run or group of that name in ``runs``, or the newest of both: ``latest``.

    Raises:
        RunError: There is none.
    """
    if found := next((path for path in (runs / name, Path(name)) if is_run(path) or is_group(path)), None):
        return found
    folders = (*runs_within(runs), *_groups_within(runs))
    return _newest_named(name, {path: {name_of(path)} for path in folders}, runs)


def name_of(folder: Path) -> str:
    """The name in ``<UTC time>-<name>``, or in ``<UTC time>-<name>-<number>`` beside the folder without the number."""
    first = re.sub(r"-\d+$", "", folder.name)
    taken = first != folder.name and folder.with_name(first).is_dir()
    return re.sub(r"^\d{8}T\d{6}Z-", "", first if taken else folder.name)


def time_of(folder: Path) -> str:
    """The time in the folder's name; empty for a renamed one, which counts as the oldest."""
    found = re.match(r"\d{8}T\d{6}Z", folder.name)
    return found[0] if found else ""


def _newest_named(name: str, names: dict[Path, set[str]], runs: Path) -> Path:
    if named := [path for path, own in names.items() if name in (LATEST, *own)]:
        return max(named, key=_age)
    if name == LATEST:
        raise RunError(f"{runs}: expected a run in it, got none. Train one with: unrolled train")
    known = (word for path, own in names.items() for word in (path.name, *own))
    if not Path(name).is_dir() and (suggestion := did_you_mean(name, known)):
        raise RunError(f"{name}: expected a run, got nothing there.{suggestion}")
    return Path(name)


def _groups_within(runs: Path) -> list[Path]:
    return [path.parent for path in runs.glob(f"*/{GROUP_FILE}")]


def _age(folder: Path) -> tuple[str, int]:
    """Sorts the newest last."""
    made = folder / (GROUP_FILE if is_group(folder) else RUN_FILE)
    return time_of(folder), made.stat().st_mtime_ns
