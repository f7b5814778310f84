"""How run folders are named, made and found: ``<UTC time>-<name>``, with a number where that is taken."""

import re
from datetime import UTC, datetime
from pathlib import Path

from unrolled.errors import RunError, did_you_mean
from unrolled.storage import cannot_write

LATEST = "latest"


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


def find_folder(run: str, runs: Path) -> Path:
    """The folder of that name, the newest run of that name in ``runs``, or the newest of all: ``latest``.

    Raises:
        RunError: There is none.
    """
    if (runs / run / "experiment.yaml").is_file():
        return runs / run
    folders = [path.parent for path in runs.glob("*/experiment.yaml")]
    if named := [path for path in folders if run in (LATEST, _name_of(path))]:
        return max(named, key=lambda path: (_time_of(path), (path / "experiment.yaml").stat().st_mtime_ns))
    if run == LATEST:
        raise RunError(f"{runs}: expected a run in it, got none. Train one with: unrolled train")
    if not Path(run).is_dir() and (suggestion := did_you_mean(run, [path.name for path in folders])):
        raise RunError(f"{run}: expected a run, got nothing there.{suggestion}")
    return Path(run)


def _name_of(folder: Path) -> str:
    """The name in ``<UTC time>-<name>`` or ``<UTC time>-<name>-<number>``."""
    return re.sub(r"^\d{8}T\d{6}Z-|-\d+$", "", folder.name)


def _time_of(folder: Path) -> str:
    """The time in the folder's name; a renamed one counts as the oldest."""
    found = re.match(r"\d{8}T\d{6}Z", folder.name)
    return found[0] if found else ""
