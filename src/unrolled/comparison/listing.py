"""List of the runs and groups in a folder, with their status and results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from unrolled.comparison.groups import Group
from unrolled.config.document import parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting, RunError, UnrolledError, did_you_mean
from unrolled.runs.folders import SEARCH_FILE, is_group, is_run, time_of
from unrolled.runs.run import KILLED, Run

# Status of a group with unfinished seeds, none of which is running.
INCOMPLETE = "incomplete"
STATUSES = ("running", "finished", "interrupted", "diverged", "failed", KILLED, INCOMPLETE)


@dataclass(frozen=True)
class ListingEntry:
    """A run or a group in the list.

    Attributes:
        kind: ``run`` or ``group``.
        path: Folder.
        name: Name of the experiment.
        made: Time of its making in UTC, such as ``20260102T030405Z``; empty for a renamed folder.
        status: One of ``STATUSES``.
        seeds: The run's seed, or the group's seeds.
        finished: Number of finished seeds.
        data: Name of the data set or its file.
        epochs: Number of trained epochs; of a group the mean over its finished runs.
        scores: Metrics on the test set, the mean over the finished seeds; empty before one has finished.
        seconds: Duration of all epochs of all its runs.
    """

    kind: Literal["run", "group"]
    path: Path
    name: str
    made: str
    status: str
    seeds: tuple[int, ...]
    finished: int
    data: str
    epochs: float
    scores: Mapping[str, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return all attributes as JSON."""
        return {**asdict(self), "path": str(self.path), "seeds": list(self.seeds), "scores": dict(self.scores)}

    @property
    def headline(self) -> str:
        """The first metric on the test set, with its name unless it is the accuracy; empty before there is one."""
        metrics = (
            f"{value:.4f}" if name == "accuracy" else f"{name} {value:.4f}" for name, value in self.scores.items()
        )
        return next(metrics, "")


def list_runs(
    runs: Path,
    *,
    where: Sequence[str] = (),
    status: str | None = None,
    sort: str = "time",
    limit: int | None = None,
) -> tuple[list[ListingEntry], dict[Path, str]]:
    """List the runs and groups in a folder, and the other folders in it, with the reason for which each is ignored.

    A search, whose trials are runs, is neither listed nor among the other folders.

    Args:
        runs: The folder.
        where: Conditions ``PATH=VALUE``; only runs with all of these settings are listed.
        status: Only runs of this status are listed.
        sort: ``time`` (the newest first), ``name``, ``accuracy`` (the highest first) or ``loss`` (the lowest first);
            runs without such a metric come last.
        limit: Number of runs to list at most.

    Raises:
        RunError: There is no such folder.
        InvalidSetting: A condition cannot be parsed, or there is no such status.
    """
    if not runs.is_dir():
        raise RunError(f"{runs}: no such folder. Train a network with: unrolled train")
    _check_status(status)
    wanted = [_assignment(text) for text in where]
    entries: list[ListingEntry] = []
    broken: dict[Path, str] = {}
    for folder in sorted(path for path in runs.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if (folder / SEARCH_FILE).is_file():
            continue  # its trials are runs that are compared by it alone
        try:
            entry, experiment = _read(folder)
        except (UnrolledError, OSError, ValueError, TypeError, LookupError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            broken[folder] = reason.removeprefix(f"{folder}: ")
            continue
        if status in (None, entry.status) and all(_has(experiment, *one) for one in wanted):
            entries.append(entry)
    entries.sort(key=lambda entry: entry.made, reverse=True)
    if sort in _ORDERS:
        entries.sort(key=_ORDERS[sort])
    return entries[:limit], broken


def _check_status(status: str | None) -> None:
    if status not in (None, *STATUSES):
        raise InvalidSetting(
            f'--status: expected {", ".join(STATUSES[:-1])} or {STATUSES[-1]}, got "{status}".'
            f"{did_you_mean(str(status), STATUSES) or ' Choose one.'}"
        )


def _lowest_first(metric: float | None) -> tuple[bool, float]:
    return metric is None, 0.0 if metric is None else metric


_ORDERS: dict[str, Callable[[ListingEntry], Any]] = {
    "name": lambda entry: entry.name,
    "accuracy": lambda entry: _lowest_first(-entry.scores["accuracy"] if "accuracy" in entry.scores else None),
    "loss": lambda entry: _lowest_first(entry.scores.get("loss")),
}


def _read(folder: Path) -> tuple[ListingEntry, ExperimentConfig]:
    if is_group(folder):
        return _read_group(Group.open(folder))
    if is_run(folder):
        return _read_run(Run.open(folder))
    raise RunError(f"{folder}: not a run folder")


def _read_run(run: Run) -> tuple[ListingEntry, ExperimentConfig]:
    experiment, status = run.config, run.current_status
    tested = run.evaluation if (run.path / "evaluation.json").exists() else None
    entry = ListingEntry(
        kind="run",
        path=run.path,
        name=experiment.name,
        made=time_of(run.path),
        status=status,
        seeds=(experiment.seed,),
        finished=int(status == "finished"),
        data=experiment.data_name,
        epochs=len(run.metrics),
        scores=tested.metrics if tested else {},
        seconds=sum(record["seconds"] for record in run.metrics),
    )
    return entry, experiment


def _read_group(group: Group) -> tuple[ListingEntry, ExperimentConfig]:
    finished, left_out = group.runs_by_seed()
    tested = [_read_run(run)[0] for run in finished.values()]
    others = [entry for path in left_out if (entry := _entry_of(path))]
    complete = all(seed in finished for seed in group.seeds)
    running = any(entry.status == "running" for entry in others)
    entry = ListingEntry(
        kind="group",
        path=group.path,
        name=group.name,
        made=time_of(group.path),
        status="finished" if complete else "running" if running else INCOMPLETE,
        seeds=group.seeds,
        finished=len(finished),
        data=group.experiment.data_name,
        epochs=fmean(entry.epochs for entry in tested) if tested else 0,
        scores=_means([entry.scores for entry in tested]),
        seconds=sum(entry.seconds for entry in (*tested, *others)),
    )
    return entry, group.experiment


def _entry_of(folder: Path) -> ListingEntry | None:
    """Read an unfinished run of a group; None where it cannot be read."""
    try:
        return _read_run(Run.open(folder))[0]
    except (UnrolledError, OSError, ValueError, TypeError, LookupError):
        return None


def _means(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = scores[0] if scores else {}
    return {name: fmean(one[name] for one in scores) for name in names if all(name in one for one in scores)}


def _assignment(text: str) -> tuple[tuple[str, ...], Any]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise InvalidSetting(f'--where: expected PATH=VALUE, got "{text}". Example: --where training.epochs=5')
    return tuple(path.strip().split(".")), parse_yaml(value, f"--where {path}")


def _has(experiment: ExperimentConfig, path: tuple[str, ...], value: Any) -> bool:
    """Return True if an experiment has a value at a path."""
    found: Any = experiment.model_dump(mode="json")
    for key in path:
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return False
    return bool(found == value)
