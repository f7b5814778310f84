"""Groups of runs: one experiment with several seeds in one folder."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unrolled.config.diff import settings_of
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting, UnrolledError
from unrolled.runs.folders import GROUP_FILE, expect_folder, make_folder, runs_within
from unrolled.runs.run import KILLED, Run
from unrolled.storage import expecting_form, in_form, is_locked, read_text, write_json, write_text

from typing_extensions import TypedDict  # as pydantic asks for up to Python 3.11

# Not named experiment.yaml, which would make the group a run.
REPEATED_FILE = "repeated.yaml"
_MOST_SEEDS = 1000


class _GroupFile(TypedDict):
    name: str
    seeds: list[int]


class Group:
    """Folder with the runs of one experiment, one for each seed.

    ::

        group.json                              name, and the requested seeds
        repeated.yaml                           the experiment, every setting in full
        <UTC time>-<name>-seed-<seed>/          a run folder for each seed; one more where the first did not finish

    Attributes:
        path: The folder.
        name: Name of the group, part of the names of its folder and of its runs.
        seeds: The requested seeds, in order.
    """

    def __init__(self, path: Path, name: str, seeds: Sequence[int]):
        self.path, self.name, self.seeds = path, name, tuple(seeds)

    def __repr__(self) -> str:
        return f"Group({str(self.path)!r})"

    @classmethod
    def create(cls, experiment: ExperimentConfig, seeds: Sequence[int], runs: Path) -> "Group":
        """Make a new folder ``<UTC time>-<name>`` in ``runs``.

        Raises:
            WriteError: The folder cannot be made.
        """
        group = cls(make_folder(runs, experiment.name), experiment.name, seeds)
        write_text(group.path / REPEATED_FILE, experiment.to_yaml())
        group._write()
        return group

    @classmethod
    def open(cls, path: str | Path) -> "Group":
        """Open the group in a folder.

        Raises:
            RunError: There is no group in it, or its file is damaged.
        """
        path = Path(path)
        expect_folder(path, GROUP_FILE, "a group of runs", "Make one with: unrolled repeat")
        with expecting_form(path / GROUP_FILE, "Make a new group with: unrolled repeat"):
            asked = in_form(_GroupFile, json.loads(read_text(path / GROUP_FILE)))
            return cls(path, asked["name"], asked["seeds"])

    @cached_property
    def experiment(self) -> ExperimentConfig:
        """The experiment that is repeated.

        Raises:
            InvalidSetting: Its file is missing or damaged.
        """
        return ExperimentConfig.load(self.path / REPEATED_FILE)

    @property
    def runs(self) -> list[Run]:
        """All runs in the folder, the oldest first, with any status."""
        return [Run.open(path) for path in runs_within(self.path)]

    def runs_by_seed(self) -> tuple[dict[int, Run], dict[Path, str]]:
        """Return the newest finished run of each seed, and the reasons for which the other runs are left out."""
        members = self._members()
        finished = {member.run.config.seed: member.run for member in members if member.left_out is None}
        left_out = {member.run.path: member.left_out for member in members if member.left_out is not None}
        return dict(sorted(finished.items())), left_out

    def missing(self) -> tuple[int, ...]:
        """Return the seeds without a finished run that no other process is training."""
        return self._missing(self._members())

    def begun(self) -> dict[int, Run]:
        """Return the newest interrupted or killed run of each missing seed, to be resumed."""
        members = self._members()
        missing = self._missing(members)
        begun: dict[int, Run] = {}
        for member in members:
            if member.status in ("interrupted", KILLED) and member.run.config.seed in missing:
                begun.setdefault(member.run.config.seed, member.run)
        return begun

    def _missing(self, members: Sequence["_Member"]) -> tuple[int, ...]:
        taken = {m.run.config.seed for m in members if m.left_out is None or is_locked(m.run.path)}
        return tuple(seed for seed in self.seeds if seed not in taken)

    def _members(self) -> list["_Member"]:
        """Return all runs in the folder, the newest first."""
        members: list[_Member] = []
        seeds: set[int] = set()
        settings = settings_of(self.experiment)
        for path in reversed(runs_within(self.path)):
            run = Run(path)
            try:
                member = _member_of(Run.open(path), settings, seeds)
            except UnrolledError as error:
                member = _Member(run, str(error))
            if member.left_out is None:
                seeds.add(run.config.seed)
            members.append(member)
        return members

    def ask_for(self, seeds: Sequence[int]) -> None:
        """Add seeds to the requested ones.

        Raises:
            WriteError: The group's file cannot be written.
        """
        if more := [seed for seed in dict.fromkeys(seeds) if seed not in self.seeds]:
            self.seeds = (*self.seeds, *more)
            self._write()

    def name_of_run(self, seed: int) -> str:
        """Return the name of a seed's run."""
        return f"{self.name}-seed-{seed}"

    def of_seed(self, seed: int) -> ExperimentConfig:
        """Return the experiment with a seed, which is part of its name."""
        return ExperimentConfig.load(self.experiment, name=self.name_of_run(seed), seed=seed)

    def _write(self) -> None:
        write_json(self.path / GROUP_FILE, {"name": self.name, "seeds": list(self.seeds)})


@dataclass(frozen=True)
class _Member:
    """A run in a group's folder.

    Attributes:
        run: The run.
        left_out: Reason for which it does not count; None where it does.
        status: Its status; None where it cannot be read or is of another experiment.
    """

    run: Run
    left_out: str | None
    status: str | None = None


def _member_of(run: Run, settings: dict[str, Any], finished: Collection[int]) -> _Member:
    """Describe a run in a group with these settings, where newer runs have finished these seeds."""
    seed, status = run.config.seed, run.current_status
    if settings_of(run.config) != settings:
        return _Member(run, "it is of another experiment than its group")
    if status != "finished":
        return _Member(run, f"it is {status}", status)
    return _Member(run, f"seed {seed} is there already" if seed in finished else None, status)


def parse_seeds(text: str, first: int) -> tuple[int, ...]:
    """Parse seeds: ``5`` (a count), ``3,7,11`` (a list) or ``5-9`` (a range).

    Args:
        text: Value of the option.
        first: First seed of a count.

    Raises:
        InvalidSetting: The text is none of these.

    Example:
        >>> parse_seeds("3", 10), parse_seeds("3,7,11", 0), parse_seeds("5-7,9", 0)
        ((10, 11, 12), (3, 7, 11), (5, 6, 7, 9))
    """
    try:
        if text.strip().isdecimal():
            ranges = [range(first, first + int(text))]
        else:
            ranges = [_range(part) for part in text.split(",")]
        count = sum(map(len, ranges))
    except (ValueError, OverflowError):
        ranges, count = [], 0
    if not 0 < count <= _MOST_SEEDS:
        raise InvalidSetting(
            f"--seeds: expected a count such as 5, a list such as 3,7,11 or a range such as 5-9 "
            f'(at most {_MOST_SEEDS} seeds), got "{text}".'
        )
    return tuple(dict.fromkeys(seed for part in ranges for seed in part))


def _range(part: str) -> range:
    found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise ValueError(part)
    return range(int(found[1]), int(found[2] or found[1]) + 1)
