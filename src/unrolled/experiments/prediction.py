"""From files and texts to answers."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from unrolled.data.array_files import is_batch
from unrolled.data.columns import columns_to_read, inputs_from_table
from unrolled.data.images import read_inputs
from unrolled.data.pictures import SIDE, beside, read_picture
from unrolled.data.png import save_png
from unrolled.data.tables import Table, is_table, read_table
from unrolled.data.ts import read_ts
from unrolled.errors import InvalidInput
from unrolled.experiments.encodings import Arrays, Series, Tokens
from unrolled.experiments.run import Run

import numpy as np
from numpy.typing import NDArray


def predict_files(run: Run, files: Sequence[Path], explain_input: Path | None = None) -> list[dict[str, Any]]:
    """What a trained network says of each file.

    Args:
        run: The trained network.
        files: PNG or JPEG pictures, each brought to MNIST's form; NPZ or IDX files of many images, taken as they are;
            ``.ts``, NPZ or NPY files of many series.
        explain_input: Where to write each picture beside what the network was shown of it.

    Returns:
        For each picture, or each example of a batch, ``file``, ``index`` (in a batch), ``label`` and
        ``probabilities`` by class.

    Raises:
        DataError: A file is missing, damaged or no picture.
        InvalidInput: The network takes another shape, or there is no picture to explain.
    """
    if isinstance(run.encoding, Series):
        return _predict_series(run, files)
    pictures = [path for path in files if not is_batch(path)]
    if explain_input and not pictures:
        raise InvalidInput("--explain-input: expected a PNG or JPEG to explain, got batches. Name a picture.")
    inputs = {path: read_inputs(path) if is_batch(path) else read_picture(path)[None] for path in files}
    if pictures and list(run.data["example_shape"]) != [SIDE, SIDE]:
        spelled = "x".join(str(length) for length in run.data["example_shape"])
        raise InvalidInput(
            f"predict: expected a network that reads {SIDE}x{SIDE} pictures, got one that reads {spelled}. "
            "Give it an NPZ file of examples in its own shape."
        )
    if explain_input:
        save_png(beside([(path, inputs[path][0]) for path in pictures]), explain_input)
    together = run.predict(np.concatenate([inputs[path] for path in files])) if files else np.empty((0, 0))
    places = [(path, index) for path in files for index in range(len(inputs[path]))]
    return [
        {"file": str(path), **({"index": index} if is_batch(path) else {}), **_said(run, row)}
        for (path, index), row in zip(places, together, strict=True)
    ]


def predict_inputs(run: Run, inputs: Sequence[str], explain_input: Path | None = None) -> list[dict[str, Any]]:
    """What a network says of what was named: texts, where it reads texts, else files."""
    if isinstance(run.encoding, Tokens):
        return predict_texts(run, inputs)
    return predict_files(run, [Path(given) for given in inputs], explain_input)


def predict_texts(run: Run, texts: Sequence[str]) -> list[dict[str, Any]]:
    """What a network that reads texts says of each: ``text``, ``label`` and ``probabilities``.

    Raises:
        InvalidInput: The network reads something else.
    """
    if not isinstance(run.encoding, Tokens):
        raise InvalidInput("predict: expected a network that reads texts, got one that does not. Name files.")
    rows = run.predict(list(texts)) if texts else np.empty((0, 0))
    return [{"text": text, **_said(run, row)} for text, row in zip(texts, rows, strict=True)]


def predict_table(run: Run, path: Path, to: TextIO) -> None:
    """Write a table with what a network says of each row in columns of their own: ``label`` and ``p(CLASS)``.

    Args:
        run: The network.
        path: A table with the columns that it was trained on; that of the class may be missing.
        to: Where to write CSV.

    Raises:
        DataError: The table is damaged, or a column is missing.
        InvalidInput: The network reads pictures.
    """
    if isinstance(run.encoding, Arrays):
        raise InvalidInput(f"predict: expected pictures or arrays, got the table {path}. Name an NPZ file.")
    table = read_table(path)
    columns, is_text = _columns(run, table)
    inputs = inputs_from_table(table, columns, is_text)
    rows = run.predict(inputs)
    added = ["label", *(f"p({name})" for name in run.classes)]
    taken = [name if name not in table.columns else f"predicted {name}" for name in added]
    writer = csv.writer(to)
    writer.writerow([*table.columns, *taken])
    for place, row in enumerate(rows):
        cells = [column[place] for column in table.columns.values()]
        writer.writerow([*cells, run.classes[int(row.argmax())], *(f"{chance:.6f}" for chance in row)])


def is_whole_table(run: Run, inputs: Sequence[str]) -> bool:
    """Whether what is to be predicted is one table."""
    return len(inputs) == 1 and is_table(Path(inputs[0])) and Path(inputs[0]).exists()


def _columns(run: Run, table: Table) -> tuple[list[str], bool]:
    """The columns that the network reads, and whether they are text."""
    data = run.experiment.data
    named = None if isinstance(data, str) else data.input
    target = None if isinstance(data, str) else data.target
    return columns_to_read(table, named, target), not isinstance(run.encoding, Series)


def _predict_series(run: Run, files: Sequence[Path]) -> list[dict[str, Any]]:
    found = [(path, read_inputs(path) if is_batch(path) else read_ts(path).inputs) for path in files]
    rows = run.predict([item for _, series in found for item in series])
    places = [(path, index) for path, series in found for index in range(len(series))]
    return [
        {"file": str(path), "index": index, **_said(run, row)} for (path, index), row in zip(places, rows, strict=True)
    ]


def _said(run: Run, row: NDArray[Any]) -> dict[str, Any]:
    chances = {name: float(chance) for name, chance in zip(run.classes, row, strict=True)}
    return {"label": run.classes[int(np.argmax(row))], "probabilities": chances}
