"""A run is a folder ``<UTC time>-<name>``: its files, and the ways to find it."""

import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.backends import without_loading_tensorflow
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidInput, RunError, did_you_mean
from unrolled.storage import cannot_write, check_plain, is_locked, write_json, write_text
from unrolled.tasks.metrics import Evaluation

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from unrolled.data.formats import ReadContext
    from unrolled.data.schema import TableSchema
    from unrolled.tasks.base import Task
    from unrolled.tasks.preprocessing import Preprocessor

    import keras

FORMAT = 2
"""The format of run folders; another one is refused."""
LATEST = "latest"
# The file that makes a folder a run, a group of runs, or a search.
RUN_FILE, GROUP_FILE, SEARCH_FILE = "experiment.yaml", "group.json", "search.yaml"
CALIBRATION_FILE = "calibration.json"
KILLED = "killed"
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


class Run:
    """The folder of one training, and the trained network in it.

    ::

        experiment.yaml    the resolved experiment
        environment.json   versions, processor, threads, backend, seed, commit; of each process that trained it
        data.json          the data set: name, shapes, counts, classes
        status.json        running, finished, interrupted, diverged or failed; the format of the folder
        metrics.jsonl      one object per epoch
        preprocessor.json  the conversion of raw examples to the network's input
        tokenizer.json     for texts, the tokenizer as Hugging Face's library reads it; of several inputs, one for each
        checkpoints/       the state of the training
        model.keras        the network; takes raw images, tokens or series
        calibration.json   what was fitted to its outputs on the validation examples, for tasks that have such
        evaluation.json    metrics and baselines on the test set
        report.html        all of it as a page

    Attributes:
        path: The folder.

    Example::

        run = unrolled.Run.open("runs/20260102T030405Z-mnist-rows")
        run.predict(images).argmax(axis=1)
    """

    def __init__(self, path: Path):
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(cls, config: ExperimentConfig, runs: Path) -> "Run":
        """Make a new folder ``<UTC time>-<name>`` in ``runs``, with the experiment in it; never one that exists.

        Raises:
            WriteError: The folder cannot be made.
        """
        run = cls(make_folder(runs, config.name))
        run.config = config
        run.save_config()
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open the run in a folder.

        Raises:
            RunError: There is no run, or one of another format.
        """
        path = Path(path)
        expect_folder(path, RUN_FILE, "a run folder", "Train one with: unrolled train")
        run = cls(path)
        run._check_format()
        return run

    @classmethod
    def find(cls, run: str, runs: Path) -> "Run":
        """Open a run by its folder, its name or a handle such as ``latest``.

        Raises:
            RunError: There is no such run.
        """
        return cls.open(find_folder(run, runs))

    def _check_format(self) -> None:
        if not (self.path / "status.json").exists():
            return
        found = self.status.get("format", 1)
        if found != FORMAT:
            raise RunError(
                f"{self.path}: the folder has format {found}, this version of unrolled reads format {FORMAT}. "
                "Train again."
            )

    # What was trained

    @cached_property
    def config(self) -> ExperimentConfig:
        """The resolved experiment."""
        return ExperimentConfig.load(self.path / RUN_FILE)

    @cached_property
    def task(self) -> "Task":
        """The task with the run's preprocessor; its data is loaded when it is first needed."""
        from unrolled.tasks.registry import load_task

        facts = self.data.get("facts")
        return load_task(self.config, self.preprocessor, self.output_names, self.schema, facts, self.calibration)

    @cached_property
    def preprocessor(self) -> "Preprocessor":
        """The conversion of raw examples to the network's input, fitted on the training examples."""
        from unrolled.tasks.preprocessing import preprocessor_from_json

        return preprocessor_from_json(self.read_json("preprocessor.json"))

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The data set: ``name``, ``classes``, ``example_shape``, sizes of the splits; and the ``parameters``."""
        return self.read_json("data.json")

    @property
    def calibration(self) -> Mapping[str, Any]:
        """The values fitted to the outputs on the validation examples, such as a threshold; empty without any."""
        return self.read_json(CALIBRATION_FILE) if (self.path / CALIBRATION_FILE).exists() else {}

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the classes or channels, in the order of the network's outputs."""
        return tuple(self.data["classes"])

    @property
    def schema(self) -> "TableSchema | None":
        """The schema of the table that it was trained on, if any."""
        from unrolled.data.schema import TableSchema  # which imports Polars, and most commands read no table

        kept = self.data.get("schema")
        return TableSchema.from_json(kept) if kept else None

    @cached_property
    def read_context(self) -> "ReadContext":
        """The facts about the training data by which other files are read the same way."""
        from unrolled.data.folders import FolderSettings
        from unrolled.data.formats import ReadContext  # which imports the readers of tables

        data, dtype = self.config.data, self.data["dtype"]
        return ReadContext(
            kind=dtype if dtype in ("series", "text", "tokens", "columns") else "arrays",
            classes=self.output_names,
            example_shape=tuple(self.data["example_shape"]),
            schema=self.schema,
            target=None if isinstance(data, str) or not isinstance(data.target, str) else data.target,
            target_kind=getattr(self.task, "target_kind", "class"),
            per=self.task.per or "sequence",
            folder=None
            if isinstance(data, str) or data.folder is None
            else FolderSettings(data.side, data.channels, data.rate),
            rare_classes=None if isinstance(data, str) or data.min_class_count is None else data.rare_classes or "drop",
        )

    # What came of it

    @property
    def status(self) -> dict[str, Any]:
        """The ``status``, the ``message`` that explains it where the training did not finish, and the ``format``."""
        return self.read_json("status.json")

    @property
    def current_status(self) -> str:
        """The status; ``killed`` where the file still has ``running`` but no living process holds the folder.

        Raises:
            RunError: ``status.json`` is missing or damaged.
        """
        status = str(self.status.get("status", "unknown"))
        return KILLED if status == "running" and not is_locked(self.path) else status

    @property
    def is_finished(self) -> bool:
        """True if the training reached its end and, outside of searches, the network was evaluated."""
        return (self.path / "status.json").exists() and self.status["status"] == "finished"

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One mapping per epoch: loss, metrics, their validation values, learning rate, seconds and CPU seconds."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def evaluation(self) -> Evaluation:
        """Metrics and baselines on the test set, computed once, at the end of the training."""
        return Evaluation.from_json(self.read_json("evaluation.json"))

    @cached_property
    def model(self) -> "keras.Model":
        """The trained network.

        Raises:
            RunError: The training ended before there was one, or the file is damaged.
        """
        import unrolled.layers  # noqa: F401 - Keras can load only the classes that are registered

        import keras

        path = self.path / "model.keras"
        if not path.exists():
            status, resume = self.current_status, f"Continue it with: unrolled resume {self.path}"
            remedy = {"running": "Wait for it.", "interrupted": resume, KILLED: resume}.get(status, "Train again.")
            raise RunError(f"{path}: there is no trained network, the run is {status}. {remedy}")
        try:
            with without_loading_tensorflow():
                return keras.saving.load_model(path)
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            reason = str(error).splitlines()[0][:200]
            raise RunError(f"{path}: the saved network is damaged ({reason}). Train again.") from None

    @cached_property
    def test_outputs(self) -> NDArray[np.float32]:
        """The network's outputs for the test examples."""
        return self.task.predict(self.model, self.task.test)

    def predict(self, inputs: Any, batch_size: int = 256) -> Any:
        """Predict raw examples.

        Args:
            inputs: Examples as in the data set: images [B, height, width] or [B, height, width, 3] with pixels from 0
                to 255, a list of texts, a list of series [T, F], a list of lists of words, or, for a network with
                several inputs, a list of mappings from their names; or a data frame with the columns of the training
                table.
            batch_size: Number of examples computed at once.

        Returns:
            [B, classes] probabilities, each row adding up to one; with a label for each step [B] arrays [T, classes];
            for other tasks their outputs.

        Raises:
            InvalidInput: The examples have another shape than the training examples, a row of a data frame lacks an
                input, or the network was trained to generate or to forecast.
        """
        from unrolled.data.formats import read_inputs  # which imports the readers of tables
        from unrolled.data.frames import is_frame

        if is_frame(inputs):
            read = read_inputs(inputs, self.read_context)
            if read.lacking:
                raise InvalidInput(f"{read.lacking}. Fill these rows in or leave them out, so that each gets one.")
            inputs = read.examples
        return self.task.predict_inputs(self.model, inputs, batch_size)

    def warm_up(self, batch_size: int = 256) -> "Run":
        """Predict once with every shape that ``predict`` gives the network, so that no later call has to compile.

        Sequences that are longer than those of the training have shapes of their own.

        Args:
            batch_size: That of the calls of ``predict`` to come.

        Returns:
            The run itself, for ``unrolled.Run.open("runs/...").warm_up()``.
        """
        from unrolled.tasks.batches import batch_sizes
        from unrolled.tasks.preprocessing import blank_batches

        for size in batch_sizes(batch_size):
            for batch in blank_batches(self.preprocessor, size):
                self.model.predict_on_batch(batch)
        return self

    # Writing

    def save_config(self) -> None:
        """Write ``experiment.yaml``."""
        write_text(self.path / RUN_FILE, self.config.to_yaml())

    def save_status(self, status: str, message: str = "") -> None:
        """Write ``status.json``."""
        write_json(self.path / "status.json", {"format": FORMAT, "status": status, "message": message})

    def save_evaluation(self, evaluation: Evaluation) -> None:
        """Write ``evaluation.json``."""
        write_json(self.path / "evaluation.json", evaluation.to_json())

    def save_calibration(self, calibration: Mapping[str, Any]) -> None:
        """Write ``calibration.json``."""
        write_json(self.path / CALIBRATION_FILE, calibration)

    def with_overrides(self, overrides: Sequence[str]) -> "Run":
        """Return the same run with some settings changed, without writing them to its folder.

        Args:
            overrides: ``PATH=VALUE`` for each.
        """
        changed = Run(self.path)
        changed.config = ExperimentConfig.load(self.path / RUN_FILE, overrides=overrides)
        return changed

    def archive_results(self, epochs: int) -> None:
        """Rename the results of a finished training to names with its number of epochs, such as ``report-3-epochs``.

        Files of those names stay: theirs is the first name with a number that is free.
        """
        for name in ("model.keras", CALIBRATION_FILE, "evaluation.json", "report.html"):
            path = self.path / name
            if path.exists():
                names = (f"{path.stem}-{epochs}-epochs{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
                path.rename(next(new for name in names if not (new := path.with_stem(name)).exists()))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the run's JSON files.

        Raises:
            RunError: It is missing, because the run did not get that far, or it is damaged.
        """
        try:
            return dict(json.loads((self.path / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RunError(f"{self.path / name}: no such file; the run did not get that far. Train again.") from None
        except ValueError:
            raise RunError(f"{self.path / name}: the file is damaged (not JSON). Train again.") from None
