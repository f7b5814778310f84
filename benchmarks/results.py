"""The JSON files of runs, written after every case so that an interrupted run is not lost."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unrolled.errors import DataError
from unrolled.storage import write_json

FORMAT = 1
_SAME = ("cpu", "cores_used", "versions", "isa", "threads")
"""The keys that must agree in files whose cases are rendered together."""

Run = dict[str, Any]
"""``format``, ``machine``, ``effort`` and ``cases``, as ``measuring.measure`` describes them."""


def new_path(folder: Path, *, whole: bool) -> Path:
    """Return the path of a run that starts now; it ends in ``-part`` for a part of the cases."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}Z"
    return folder / f"{moment}{'' if whole else '-part'}.json"


def save(path: Path, run: Run) -> None:
    """Write the run, whole or not at all."""
    write_json(path, run)


def load(paths: list[Path]) -> Run:
    """Return one run with the cases of all files; of a case in several files, the last one counts.

    Raises:
        DataError: A file is not a result, or was measured on another machine than the others.
    """
    runs = [_read(path) for path in paths]
    first = runs[0]
    for path, run in zip(paths, runs, strict=True):
        for key in _SAME:
            if not _agree(run["machine"].get(key), first["machine"].get(key)):
                raise DataError(f"{path}: its {key} differs from {paths[0]}. Render files of one machine only.")
    cases = {case["name"]: case for run in runs for case in run["cases"]}
    return {**runs[-1], "cases": list(cases.values())}


def _agree(one: Any, other: Any) -> bool:
    """Compare two values; of versions, those that both files have, since some cases need fewer packages."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(one[name] == other[name] for name in one.keys() & other.keys())
    return bool(one == other)


def _read(path: Path) -> Run:
    try:
        run: Run = json.loads(path.read_text(encoding="utf-8"))
        if run["format"] == FORMAT and run["machine"] and isinstance(run["cases"], list):
            return run
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path}: not a result of python -m benchmarks. Choose another file.")
