"""A run: the folder of one training, and the trained network in it."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidInput, RunError, WriteError
from unrolled.runs.contents import DataDescription, Environment, Epoch, Status
from unrolled.runs.folders import RUN_FILE, expect_folder, find_folder, make_folder
from unrolled.storage import cannot_write, expecting_form, in_form, is_locked, read_text, write_json, write_text
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
CALIBRATION_FILE = "calibration.json"
KILLED = "killed"


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
        try:
            run.save_config()
        except WriteError:
            (run.path / RUN_FILE).unlink(missing_ok=True)
            run.path.rmdir()
            raise
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

        with expecting_form(self.path / "preprocessor.json"):
            return preprocessor_from_json(self.read_json("preprocessor.json"))

    @cached_property
    def data(self) -> DataDescription:
        """The data set that it was trained on, and the number of parameters."""
        found: DataDescription = self.read_json("data.json", DataDescription)
        return found

    @property
    def environment(self) -> Environment:
        """Versions, processor, threads and commit of the process that began the training, and of those ``resumed``."""
        found: Environment = self.read_json("environment.json", Environment)
        return found

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

        with expecting_form(self.path / "data.json"):
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
    def status(self) -> Status:
        """The content of ``status.json``."""
        found: Status = self.read_json("status.json", Status)
        return found

    @property
    def current_status(self) -> str:
        """The status; ``killed`` where the file still has ``running`` but no living process holds the folder.

        Raises:
            RunError: ``status.json`` is missing or damaged.
        """
        status = self.status["status"]
        return KILLED if status == "running" and not is_locked(self.path) else status

    @property
    def is_finished(self) -> bool:
        """True if the training reached its end and, outside of searches, the network was evaluated."""
        return (self.path / "status.json").exists() and self.status["status"] == "finished"

    @property
    def is_trained(self) -> bool:
        """True if the training came to its end and its network was saved, even if it was not evaluated any more."""
        if not (self.path / "status.json").exists():
            return False
        status = self.status
        return status["status"] == "finished" or status.get("is_trained", False)

    @property
    def metrics(self) -> list[Epoch]:
        """One mapping per epoch: loss, metrics, their validation values, learning rate, seconds and CPU seconds."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        with expecting_form(path):
            records: list[Epoch] = [in_form(Epoch, json.loads(line)) for line in read_text(path).splitlines()]
            for record in records:
                if lacking := {"loss", "seconds"} - record.keys():
                    raise ValueError(f"no {min(lacking)}")
            return records

    @property
    def evaluation(self) -> Evaluation:
        """Metrics and baselines on the test set, computed once, at the end of the training."""
        with expecting_form(self.path / "evaluation.json"):
            return Evaluation.from_json(self.read_json("evaluation.json"))

    @cached_property
    def model(self) -> "keras.Model":
        """The trained network.

        Raises:
            RunError: The training ended before there was one, or the file is damaged or not what a training writes.
        """
        from unrolled.model.saved import load_network

        path = self.path / "model.keras"
        if not path.exists():
            status, resume = self.current_status, f"Continue it with: unrolled resume {self.path}"
            remedy = {"running": "Wait for it.", "interrupted": resume, KILLED: resume}.get(status, "Train again.")
            raise RunError(f"{path}: there is no trained network, the run is {status}. {remedy}")
        return load_network(path)

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

    def save_status(self, status: str, message: str = "", *, is_trained: bool = False) -> None:
        """Write ``status.json``; see ``Status``."""
        written: Status = {"format": FORMAT, "status": status, "message": message, "is_trained": is_trained}
        write_json(self.path / "status.json", written)

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

        Raises:
            WriteError: The folder cannot be written.
        """
        for name in ("model.keras", CALIBRATION_FILE, "evaluation.json", "report.html"):
            path = self.path / name
            if path.exists():
                names = (f"{path.stem}-{epochs}-epochs{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
                new = next(new for name in names if not (new := path.with_stem(name)).exists())
                try:
                    path.rename(new)
                except OSError as error:
                    raise cannot_write(new, error) from None

    def read_json(self, name: str, form: Any = dict[str, Any]) -> Any:
        """Read one of the run's JSON files.

        Args:
            name: Its name.
            form: The type of its content.

        Raises:
            RunError: It is missing, because the run did not get that far, or it is damaged.
        """
        with expecting_form(self.path / name):
            return in_form(form, json.loads(read_text(self.path / name)))
