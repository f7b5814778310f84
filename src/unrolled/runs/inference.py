"""From texts and files to answers. What is read is read as it was for the training."""

import csv
from collections.abc import Container, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, TextIO

from unrolled.data.arrays import is_array_file, load_test_examples, read_examples
from unrolled.data.dataset import Dataset, Split
from unrolled.data.decoding import read_text
from unrolled.data.examples import FORMATS
from unrolled.data.folders import PICTURES, TEXTS, read_folder, read_pictures
from unrolled.data.labeled import split_of
from unrolled.data.pictures import SIDE, beside, read_picture, save_png
from unrolled.data.registry import DATASETS, load, looks_like_a_file
from unrolled.data.schema import TableSchema, columns_to_read
from unrolled.data.tables import Table, is_table, read_table
from unrolled.data.ts import read_ts
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.run import Run
from unrolled.tasks.metrics import Evaluation, evaluate
from unrolled.tasks.preprocessing import ArrayPreprocessor, SeriesPreprocessor, TextPreprocessor

import numpy as np
from numpy.typing import NDArray

Prediction = dict[str, Any]
_FILES = (*FORMATS, *PICTURES, *TEXTS, ".npz", ".npy")


def predict_inputs(run: Run, inputs: Sequence[str], explain_input: Path | None = None) -> list[Prediction]:
    """What a network says of what was named: texts and files of one text each, where it reads texts, else files.

    Raises:
        DataError: A file is missing or damaged.
        InvalidInput: The network reads something else.
    """
    if not isinstance(run.encoding, TextPreprocessor):
        return predict_files(run, [Path(given) for given in inputs], explain_input)
    if explain_input:
        raise InvalidInput("--explain-input: expected a network that reads pictures, got one of texts. Leave it out.")
    texts = [_text(given) for given in inputs]
    return [said | {"text": given} for said, given in zip(predict_texts(run, texts), inputs, strict=True)]


def predict_texts(run: Run, texts: Sequence[str]) -> list[Prediction]:
    """What a network that reads texts says of each: ``text``, ``label`` and ``probabilities``.

    Raises:
        InvalidInput: The network reads something else.
    """
    if not isinstance(run.encoding, TextPreprocessor):
        raise InvalidInput("predict: expected a network that reads texts, got one that does not. Name files.")
    if not texts:
        raise InvalidInput("predict: expected texts, got none. Write one a line.")
    return [{"text": text, **answer(run, row)} for text, row in zip(texts, run.predict(list(texts)), strict=True)]


def predict_files(run: Run, files: Sequence[Path], explain_input: Path | None = None) -> list[Prediction]:
    """What a trained network says of each file.

    Args:
        run: The trained network.
        files: Pictures, prepared as those that it learned from: brought to MNIST's form, or read as from a folder;
            NPZ, NPY or IDX files of many examples, taken as they are; ``.ts`` files of many series.
        explain_input: Where to write each picture beside what the network was shown of it.

    Returns:
        For each picture, or each example of a batch, ``file``, ``index`` (in a batch), ``label`` and
        ``probabilities`` by class.

    Raises:
        DataError: A file is missing, damaged or no picture.
        InvalidInput: The network takes another shape, or there is no picture to explain.
    """
    pictures = (
        [] if isinstance(run.encoding, SeriesPreprocessor) else [path for path in files if not is_array_file(path)]
    )
    if explain_input and not pictures:
        raise InvalidInput("--explain-input: expected a PNG or JPEG to explain, got none. Name a picture.")
    inputs = {path: _examples(path) for path in files if path not in pictures}
    inputs |= dict(zip(pictures, (picture[None] for picture in _prepared(run, pictures)), strict=True))
    if explain_input:
        save_png(beside([(path, inputs[path][0]) for path in pictures]), explain_input)
    together = run.predict([example for path in files for example in inputs[path]])
    places = [(path, index) for path in files for index in range(len(inputs[path]))]
    return [
        {"file": str(path), **({} if path in pictures else {"index": index}), **answer(run, row)}
        for (path, index), row in zip(places, together, strict=True)
    ]


def answer(run: Run, row: NDArray[Any]) -> Prediction:
    """The most probable class, and the chance of each."""
    chances = {name: float(chance) for name, chance in zip(run.classes, row, strict=True)}
    return {"label": run.classes[int(np.argmax(row))], "probabilities": chances}


def _text(given: str) -> str:
    """The text, or that of the file that is named."""
    path = Path(given)
    is_named = path.suffix.lower() in _FILES
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # too long for a name, as texts are
        is_file = False
    if not is_named and not is_file:
        return given
    if not is_file:
        raise DataError(f"{path}: expected a file, got nothing there. Check the path.")
    if path.suffix.lower() not in TEXTS:
        raise InvalidInput(
            f"predict: expected texts, files of a text each ({', '.join(TEXTS)}) or one table, got {given}. "
            "Name tables one at a time."
        )
    return read_text(path)[0].strip()


def _examples(path: Path) -> Any:
    return read_examples(path) if is_array_file(path) else read_ts(path).inputs


def _prepared(run: Run, pictures: Sequence[Path]) -> list[NDArray[Any]]:
    """Pictures as the network had them in its training."""
    if not pictures:
        return []
    data = run.experiment.data
    if not isinstance(data, str) and data.folder is not None:
        return list(read_pictures(list(pictures), data.side))
    if list(run.data["example_shape"]) != [SIDE, SIDE]:
        spelled = "x".join(str(length) for length in run.data["example_shape"])
        raise InvalidInput(
            f"predict: expected a network that reads {SIDE}x{SIDE} pictures, got one that reads {spelled}. "
            "Give it an NPZ file of examples in its own shape."
        )
    return [read_picture(path) for path in pictures]


def is_whole_table(inputs: Sequence[str]) -> bool:
    """Whether what is to be predicted is one table."""
    return len(inputs) == 1 and is_table(Path(inputs[0]))


def predict_table(run: Run, path: Path) -> tuple[Table, list[Prediction]]:
    """A table, and what a network says of each of its rows; of a series in several rows, the same of each.

    Args:
        run: The network.
        path: A table with the columns that it learned from; that of the class may be missing.

    Raises:
        DataError: The table is damaged, or a column is missing.
        InvalidInput: The network reads pictures.
    """
    if isinstance(run.encoding, ArrayPreprocessor):
        raise InvalidInput(f"predict: expected pictures or arrays, got the table {path}. Name an NPZ file.")
    reading = run.reading
    if reading is None:
        columns = tuple(columns_to_read(read_table(path), None, None))
        reading = TableSchema(columns, "", is_text=isinstance(run.encoding, TextPreprocessor))
    table = reading.read(path)
    inputs, rows = reading.examples(table)
    said = [answer(run, chances) for chances in run.predict(inputs)]
    by_row = {row: one for one, members in zip(said, rows, strict=True) for row in members}
    return table, [by_row[row] for row in range(table.size)]


def write_table(table: Table, said: Sequence[Prediction], to: TextIO) -> None:
    """Write a table as CSV with the answers in columns of their own: ``label`` and ``p(CLASS)``.

    Args:
        table: What was read.
        said: What was said of each row.
        to: Where to write.
    """
    added = ["label", *(f"p({name})" for name in said[0]["probabilities"])]
    taken = [_free(name, table.columns) for name in added]
    writer = csv.writer(to)
    writer.writerow([*table.columns, *taken])
    for cells, one in zip(zip(*table.columns.values(), strict=True), said, strict=True):
        writer.writerow([*cells, *_cells(one)])


def write_answers(said: Sequence[Prediction], to: TextIO) -> None:
    """Write answers that belong to no table as one: ``text``, or ``file`` and ``index``, then as in ``write_table``."""
    sources = [name for name in ("text", "file", "index") if any(name in one for one in said)]
    writer = csv.writer(to)
    writer.writerow([*sources, "label", *(f"p({name})" for name in said[0]["probabilities"])])
    for one in said:
        writer.writerow([*(one.get(name, "") for name in sources), *_cells(one)])


def _free(name: str, taken: Container[str]) -> str:
    """A column's name that is not there already."""
    others = chain([name, f"predicted {name}"], (f"predicted {name} {number}" for number in count(2)))
    return next(other for other in others if other not in taken)


def _cells(one: Prediction) -> Iterator[str]:
    yield one["label"]
    yield from (f"{chance:.6f}" for chance in one["probabilities"].values())


_AT_ONCE = 256


def evaluate(run: Run, data: str | Path | Dataset | Split | None = None) -> Evaluation:
    """Evaluate a trained network on the test set, or on other data.

    Args:
        run: The run.
        data: A data set or its name, whose test split is used; a file, of which the test arrays are used, or all of it
            if it has none; a split of raw examples; or None for the test set of the run's own data.

    Raises:
        DataError: The data cannot be loaded, or has other classes.
        InvalidInput: The examples have another shape than the training examples, or the task takes no other data.
    """
    task = run.task
    if data is None:
        return task.evaluate(run.test_outputs, task.test)
    split = task.encode(_split(run, data))
    return task.evaluate(task.predict(run.model, split), split)


def _split(run: Run, data: str | Path | Dataset | Split | None) -> Split:
    if isinstance(data, Split):
        return data
    if not isinstance(data, Dataset):
        if str(data) not in DATASETS and looks_like_a_file(data):
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
        return load_test_examples(path, run.classes)
    reading = run.reading or TableSchema.decide(read_table(path))
    return split_of(reading.labeled(reading.read(path)), run.classes)


def read_series(run: Run, path: Path) -> NDArray[np.float32]:
    """Read the channels [T, F] of a run's series from another table.

    Raises:
        DataError: The table is damaged, or a column is missing.
    """
    data = run.config.data
    table = read_table(path, **({} if isinstance(data, str) else data.read_options))
    return np.array([table.numbers(channel) for channel in run.output_names], np.float32).T
