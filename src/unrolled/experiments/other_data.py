"""A trained network measured again, on the test set or on other data, which is read as that of the training was."""

from pathlib import Path

from unrolled.data.catalogue import NAMED, load, looks_like_a_file
from unrolled.data.dataset import Dataset, Split
from unrolled.data.folders import read_folder
from unrolled.data.images import load_measured
from unrolled.data.labelled import split_of
from unrolled.data.reading import Reading
from unrolled.data.tables import is_table, read_table
from unrolled.data.ts import read_ts
from unrolled.errors import DataError, InvalidInput
from unrolled.experiments.evaluation import Evaluation, evaluate
from unrolled.experiments.run import Run
from unrolled.experiments.tasks.task import task_of

_AT_ONCE = 256


def evaluate_on(run: Run, data: str | Path | Dataset | Split | None) -> Evaluation:
    """What ``Run.evaluate`` gives.

    Raises:
        DataError: The data cannot be loaded, or has other classes.
        InvalidInput: The examples have another shape, or the network tells no classes and other data is given.
    """
    if run.experiment.task == "classify":
        split = _split(run, data)
        return evaluate(run.predict(split.inputs), split.targets, run.classes)
    if data is not None:
        raise InvalidInput(
            f"evaluate: expected no other data for a network that was trained to {run.experiment.task}, got {data}. "
            "Leave it out."
        )
    task, own = task_of(run.experiment), run.experiment.load_data()
    measured = task.measured(own, run.encoding, run.experiment)
    return task.measure(task.say(run.model, measured, _AT_ONCE), measured, own, run.encoding, run.experiment)


def _split(run: Run, data: str | Path | Dataset | Split | None) -> Split:
    if isinstance(data, Split):
        return data
    if data is None:
        return run.experiment.load_data().test
    if not isinstance(data, Dataset):
        if str(data) not in NAMED and looks_like_a_file(data):
            return _read(run, Path(data))
        data = load(data)
    if data.classes != run.classes:
        raise DataError(
            f"evaluate: expected the classes {', '.join(run.classes)}, got those of {data.name}: "
            f"{', '.join(data.classes)}. Measure on data of the same classes."
        )
    return data.test


def _read(run: Run, path: Path) -> Split:
    """The examples of a file or folder."""
    if path.is_dir():
        own = run.experiment.data
        parts = read_folder(path, None if isinstance(own, str) else own.side)
        return split_of(parts["test"] if "test" in parts else parts["train"], run.classes)
    if path.suffix.lower() == ".ts":
        return split_of(read_ts(path), run.classes)
    if not is_table(path):
        return load_measured(path, run.classes)
    reading = run.reading or Reading.decide(read_table(path))
    return split_of(reading.labelled(reading.read(path)), run.classes)
