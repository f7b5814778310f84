"""Folders ``<UTC time>-<name>`` of runs, groups of runs and searches: making them, and finding them by a name."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from unrolled.errors import RunError, did_you_mean
from unrolled.storage import cannot_write, check_plain

LATEST = "latest"
# The file that makes a folder a run, a group of runs, or a search.
RUN_FILE, GROUP_FILE, SEARCH_FILE = "experiment.yaml", "group.json", "search.yaml"
_MOST_CANDIDATES = 10


def make_folder(runs: Path, name: str) -> Path:
    """Make a new folder ``<UTC time>-<name>`` in ``runs``, with a number behind it where that one exists.

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
    """Return True if a folder holds a run."""
    return (folder / RUN_FILE).is_file()


def is_group(folder: Path) -> bool:
    """Return True if a folder holds a group of runs."""
    return (folder / GROUP_FILE).is_file()


def runs_within(folder: Path) -> list[Path]:
    """Return the run folders directly inside a folder, the oldest first."""
    return sorted((path.parent for path in folder.glob(f"*/{RUN_FILE}")), key=_age)


def expect_folder(path: Path, file: str, what: str, remedy: str) -> None:
    """Check that a folder has the file that makes it a run, a group or a search, and nothing that leads out of it.

    Raises:
        RunError: It does not, or it has.
    """
    if not path.is_dir():
        raise RunError(f"{path}: no such folder. {remedy}")
    if not (path / file).is_file():
        raise RunError(f"{path}: not {what}, since it has no {file}. {remedy}")
    check_plain(path)


def find_folder(name: str, runs: Path) -> Path:
    """Find the folder of a run; of a group, of which the newest run is taken.

    Args:
        name: One of these, tried in this order: a folder, or its name in ``runs``; ``latest``, the newest run;
            the name of a run, a group or a group's run, of which the newest is taken; ``latest:2`` or ``NAME:2``,
            the second newest; the first characters of a folder's name, if no other folder's name begins with them.
        runs: Folder of the runs. The runs in its groups count too.

    Raises:
        RunError: There is none, or several folders' names begin so.
    """
    if is_run(runs / name):
        return runs / name
    if group := next((path for path in (runs / name, Path(name)) if is_group(path)), None):
        return _newest_in(group)
    names = {path: {name_of(path)} for path in runs_within(runs)}
    for group in _groups_within(runs):
        names |= {path: {name_of(path), name_of(group)} for path in runs_within(group)}
    found = _named(name, names, runs) or _beginning_with(name, runs)
    return _newest_in(found) if found is not None and is_group(found) else _or_path(found, name, names, runs)


def find_run_or_group(name: str, runs: Path) -> Path:
    """Find the folder of a run or of a group.

    Args:
        name: One of these, tried in this order: a folder, or its name in ``runs``; ``latest``, the newest run or
            group; the name of a run or a group, of which the newest is taken; ``latest:2`` or ``NAME:2``, the second
            newest; the first characters of a folder's name, if no other folder's name begins with them.
        runs: Folder of the runs and groups. A run in a group is found by the first characters of its folder's name.

    Raises:
        RunError: There is none, or several folders' names begin so.
    """
    if found := next((path for path in (runs / name, Path(name)) if is_run(path) or is_group(path)), None):
        return found
    names = {path: {name_of(path)} for path in _top_level(runs)}
    return _or_path(_named(name, names, runs) or _beginning_with(name, runs), name, names, runs)


def name_of(folder: Path) -> str:
    """Return the name in ``<UTC time>-<name>``.

    A number at the end is no part of it where the folder without the number stands beside it.
    """
    first = re.sub(r"-\d+$", "", folder.name)
    taken = first != folder.name and folder.with_name(first).is_dir()
    return re.sub(r"^\d{8}T\d{6}Z-", "", first if taken else folder.name)


def time_of(folder: Path) -> str:
    """Return the time in a folder's name; empty for a renamed folder, which counts as the oldest."""
    found = re.match(r"\d{8}T\d{6}Z", folder.name)
    return found[0] if found else ""


def _named(handle: str, names: Mapping[Path, set[str]], runs: Path) -> Path | None:
    """Return the newest folder of a name, or of all for ``latest``; with ``:2`` behind it the second newest.

    Raises:
        RunError: There are fewer.
    """
    name, _, number = handle.rpartition(":") if re.fullmatch(r".+:[1-9]\d{0,8}", handle) else (handle, "", "1")
    folders = sorted((path for path, own in names.items() if name in (LATEST, *own)), key=_age, reverse=True)
    if not folders:
        if name == LATEST:
            raise RunError(f"{runs}: there is no run in it. Train one with: unrolled train")
        return None
    if len(folders) < int(number):
        count = "is only 1 run" if len(folders) == 1 else f"are only {len(folders)} runs"
        named = "" if name == LATEST else f' named "{name}"'
        raise RunError(f"{handle}: there {count}{named} in {runs}. List them with: unrolled runs")
    return folders[int(number) - 1]


def _beginning_with(start: str, runs: Path) -> Path | None:
    """Return the folder whose name begins so; a run in a group only where no folder outside of groups does.

    Raises:
        RunError: Several do.
    """
    inside = (path for group in _groups_within(runs) for path in runs_within(group))
    for folders in (_top_level(runs), inside):
        candidates = sorted(path for path in folders if path.name.startswith(start))
        if len(candidates) > 1:
            listed = ", ".join(path.name for path in candidates[:_MOST_CANDIDATES])
            more = f" and {len(candidates) - _MOST_CANDIDATES} more" if len(candidates) > _MOST_CANDIDATES else ""
            raise RunError(f"{start}: ambiguous, the beginning of {listed}{more}. Add characters.")
        if candidates:
            return candidates[0]
    return None


def _newest_in(group: Path) -> Path:
    if members := runs_within(group):
        return members[-1]
    raise RunError(f"{group}: there is no run in the group. Continue it with: unrolled repeat {group}")


def _or_path(found: Path | None, name: str, names: Mapping[Path, set[str]], runs: Path) -> Path:
    """Return what was found, or else a folder elsewhere.

    Raises:
        RunError: There is no such folder.
    """
    if found is not None:
        return found
    if Path(name).is_dir():
        return Path(name)
    known = (word for path, own in names.items() for word in (path.name, *own))
    otherwise = "List them with: unrolled runs" if names else "Train one with: unrolled train"
    remedy = did_you_mean(name, known) or f" {otherwise}"
    raise RunError(f'{runs}: no run named "{name}".{remedy}')


def _top_level(runs: Path) -> list[Path]:
    return [*runs_within(runs), *_groups_within(runs)]


def _groups_within(runs: Path) -> list[Path]:
    return [path.parent for path in runs.glob(f"*/{GROUP_FILE}")]


def _age(folder: Path) -> tuple[str, int]:
    """Return a key that sorts the newest last."""
    made = folder / (GROUP_FILE if is_group(folder) else RUN_FILE)
    return time_of(folder), made.stat().st_mtime_ns
