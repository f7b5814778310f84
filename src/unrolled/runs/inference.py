"""Predictions and evaluations of a trained network on texts and files, read like its training data."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any, TextIO

from unrolled.data.cells import unknown_categories
from unrolled.data.dataset import Dataset, Split
from unrolled.data.folders import list_examples
from unrolled.data.formats import PICTURE_FILES, TABLES, ReadContext, names_a_file, read_inputs, read_labeled
from unrolled.data.frames import Source, is_frame
from unrolled.data.pictures import save_png
from unrolled.data.preview import PredictedPicture, draw_input_grid
from unrolled.data.registry import DATASETS, load
from unrolled.data.table import Table
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.run import Run
from unrolled.runs.spreadsheets import write_csv
from unrolled.storage import cannot_read, looks_like_a_file
from unrolled.tasks.columns import CategoryPreprocessor, ColumnsPreprocessor
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.words import WordsPreprocessor

Prediction = dict[str, Any]
"""One prediction as JSON: its source, then what the task predicts."""


# The keys of a prediction that name its source.
_SOURCES = ("text", "file", "index", "words")


def predict_inputs(run: Run, inputs: Sequence[str], explain_input: Path | None = None) -> list[Prediction]:
    """Predict the class of texts, or of the examples in files.

    Args:
        run: The trained network.
        inputs: If the network reads texts, texts and names of text files; otherwise names of files.
        explain_input: The PNG to write with each picture beside the input of the network.

    Raises:
        DataError: A file is missing or damaged.
        InvalidInput: The network reads another type of input.
        WriteError: The PNG cannot be written.
    """
    context = run.read_context
    if isinstance(run.preprocessor, WordsPreprocessor) and not any(names_a_file(name) for name in inputs):
        return predict_texts(run, inputs)
    if "" in inputs and context.kind != "text":
        raise InvalidInput("predict: expected names of files, got an empty one. Leave it out.")
    if context.kind != "text":
        return predict_files(run, [Path(name) for name in inputs], explain_input)
    if explain_input:
        raise InvalidInput("--explain-input: expected a network that reads pictures, got one of texts. Leave it out.")
    predictions = predict_texts(run, [_read_text(name, context) for name in inputs])
    return [
        {"file": name} | {key: value for key, value in prediction.items() if key != "text"}
        if names_a_file(name)
        else prediction
        for prediction, name in zip(predictions, inputs, strict=True)
    ]


def predict_texts(run: Run, texts: Sequence[str]) -> list[Prediction]:
    """Predict the class of texts, or the labels of their words.

    Returns:
        For each text ``text``, ``label`` and ``probabilities`` by class; or what ``predict_words`` returns.

    Raises:
        InvalidInput: There are no texts, or the network reads another type of input.
    """
    if isinstance(run.preprocessor, WordsPreprocessor):
        return predict_words(run, [run.preprocessor.split(text) for text in texts])
    if run.read_context.kind != "text":
        raise InvalidInput("predict: expected files, because the network does not read texts. Name files.")
    if not texts:
        raise InvalidInput("predict: expected texts, got none. Write one per line.")
    return [
        {"text": text, **run.task.describe_prediction(row)}
        for text, row in zip(texts, run.predict(list(texts)), strict=True)
    ]


def predict_words(run: Run, examples: Sequence[Sequence[str]]) -> list[Prediction]:
    """Predict the label of each word.

    Returns:
        For each list of words ``words``, ``labels`` and ``probabilities_of_labels``.

    Raises:
        InvalidInput: A list is empty, or the network does not read words.
    """
    return [
        {"words": list(words), **run.task.describe_prediction(output)}
        for words, output in zip(examples, run.predict(examples), strict=True)
    ]


def predict_files(run: Run, files: Sequence[Path], explain_input: Path | None = None) -> list[Prediction]:
    """Predict the class of the examples in files.

    Args:
        run: The trained network.
        files: Files of one example (pictures, sounds, texts) or of several (arrays, ``.ts`` files, tables), and folders
            of such files. Pictures are read as for training: like those of its folder, or brought to MNIST's form.
        explain_input: The PNG to write with each picture beside the input of the network.

    Returns:
        For each example ``file``, ``index`` (in a file of several), ``label`` and ``probabilities`` by class.

    Raises:
        DataError: A file is missing or damaged.
        InvalidInput: The network reads another type of input or another size, or there is no picture to explain.
        WriteError: The PNG cannot be written.
    """
    files = [file for path in files for file in (list_examples(path) if path.is_dir() else [path])]
    if explain_input and not any(PICTURE_FILES.matches(path) for path in files):
        raise InvalidInput("--explain-input: expected a PNG or JPEG to explain, got none. Name a picture.")
    context = run.read_context
    read = [(path, read_inputs(path, context)) for path in files]
    outputs = run.predict([example for _, inputs in read for example in inputs.examples])
    sources = [
        {
            "file": str(path),
            **({"index": index} if inputs.is_batch else {}),
            **({"words": example} if context.kind == "tokens" else {}),
        }
        for path, inputs in read
        for index, example in enumerate(inputs.examples)
    ]
    predictions: list[Prediction] = [
        {**source, **run.task.describe_prediction(output)} for source, output in zip(sources, outputs, strict=True)
    ]
    if explain_input:
        images = {str(path): inputs.examples[0] for path, inputs in read if PICTURE_FILES.matches(path)}
        shown = [prediction for prediction in predictions if prediction["file"] in images]
        pictures = [PredictedPicture(Path(one["file"]), images[one["file"]], _format_best(one)) for one in shown]
        save_png(draw_input_grid(pictures), explain_input)
    return predictions


def _format_best(prediction: Prediction) -> str:
    values = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in flatten(prediction).values()]
    if "label" in prediction and prediction["label"] is not None:
        return f"{prediction['label']}  {100 * prediction['probabilities'][prediction['label']]:.1f} %"
    return "  ".join(values)


def flatten(prediction: Prediction) -> dict[str, Any]:
    """Return what was predicted, without its source, by the names of the columns of a CSV file.

    Example:
        >>> flatten({"file": "a.png", "label": "7", "probabilities": {"7": 0.75, "8": 0.25}})
        {'label': '7', 'p(7)': 0.75, 'p(8)': 0.25}
        >>> flatten({"text": "a game", "labels": ["game", "use"], "probabilities": {"game": 0.75, "use": 0.5}})
        {'labels': 'game|use', 'p(game)': 0.75, 'p(use)': 0.5}
    """
    columns = {name: value for name, value in prediction.items() if name not in (*_SOURCES, "probabilities", "values")}
    if "probabilities" in prediction and isinstance(prediction.get("labels"), list):
        columns["labels"] = "|".join(prediction["labels"])  # labels may have spaces within them
    columns |= {f"p({name})": value for name, value in prediction.get("probabilities", {}).items()}
    return {**columns, **prediction.get("values", {})}


def _read_text(name: str, context: ReadContext) -> str:
    """Return a text, or the text in the file of that name."""
    if not names_a_file(name):
        return name
    path = Path(name)
    if not path.exists():
        raise cannot_read(path, FileNotFoundError())
    if TABLES.matches(path):
        raise InvalidInput(f"predict: expected texts or one table, got the table {name} among others. Name it alone.")
    return str(read_inputs(path, context).examples[0])


def is_whole_table(inputs: Sequence[str]) -> bool:
    """Return True if the inputs of a prediction are one table."""
    return len(inputs) == 1 and TABLES.matches(Path(inputs[0]))


def predict_table(run: Run, path: Path) -> tuple[Table, list[Prediction], tuple[str, ...]]:
    """Predict each row of a table; the rows of one series share its prediction.

    Args:
        run: The trained network.
        path: A table with the columns of the training data; the column of the class may be missing. A row without an
            input gets None.

    Returns:
        The table, the prediction of each row, and remarks for the user.

    Raises:
        DataError: The table is damaged, or a column is missing.
        InvalidInput: The network reads another type of input.
    """
    inputs = read_inputs(path, run.read_context)
    assert inputs.table is not None
    has_row_per_step = run.schema is not None and run.schema.has_row_per_step
    by_row: dict[int, Prediction] = {}
    for output, rows in zip(run.predict(inputs.examples), inputs.rows, strict=True):
        if has_row_per_step:
            of_steps = zip(rows.tolist(), run.task.describe_steps(output), strict=True)
            by_row |= {row: step for row, step in of_steps if row >= 0}
        else:
            by_row |= dict.fromkeys(rows.tolist(), run.task.describe_prediction(output))
    rows = range(inputs.table.size)
    known = next(iter(by_row.values()), {})
    nothing = {key: dict.fromkeys(value) if isinstance(value, dict) else None for key, value in known.items()}
    notes = (*inputs.notes, unseen_categories(run, inputs.table))
    predictions = [{"file": str(path), "index": row, **by_row.get(row, nothing)} for row in rows]
    return inputs.table, predictions, tuple(note for note in notes if note)


def unseen_categories(run: Run, table: Table) -> str:
    """Return a note on the categories in a table that the network was not trained on; empty if there are none."""
    known = dict(run.schema.categories) if run.schema else {}
    if isinstance(run.preprocessor, ColumnsPreprocessor):
        parts = run.preprocessor.parts.items()
        known |= {name: part.values for name, part in parts if isinstance(part, CategoryPreprocessor)}
    return unknown_categories(table, known)


def write_table(table: Table, predictions: Sequence[Prediction], to: TextIO) -> None:
    """Write a table as CSV with a column for each value that was predicted, such as ``label`` and ``p(CLASS)``.

    Args:
        table: The table.
        predictions: The prediction of each row.
        to: The open file to write to.
    """
    header = [*table.columns, *(_free_name(name, table.columns) for name in flatten(predictions[0]))]
    rows = zip(table.frame.rows(), predictions, strict=True)
    write_csv(to, header, ([*cells, *_cells(prediction)] for cells, prediction in rows))


def write_predictions(predictions: Sequence[Prediction], to: TextIO) -> None:
    """Write predictions as CSV: ``text``, or ``file`` and ``index``, then what was predicted."""
    sources = [name for name in _SOURCES if any(name in prediction for prediction in predictions)]
    rows = (
        [*(_format_cell(prediction.get(name, "")) for name in sources), *_cells(prediction)]
        for prediction in predictions
    )
    write_csv(to, [*sources, *flatten(predictions[0])], rows)


def _free_name(name: str, taken: Container[str]) -> str:
    """Return the name of a new column that is not taken."""
    others = chain([name, f"predicted {name}"], (f"predicted {name} {number}" for number in count(2)))
    return next(other for other in others if other not in taken)


def _cells(prediction: Prediction) -> Iterator[str]:
    return map(_format_cell, flatten(prediction).values())


def _format_cell(value: Any) -> str:
    """Return a value as the cell of a CSV file; of a list, its parts with spaces between them."""
    if isinstance(value, list):
        return " ".join(map(_format_cell, value))
    return f"{value:.6f}" if isinstance(value, float) else "" if value is None else str(value)


def evaluate(run: Run, data: str | Source | Dataset | Split | None = None) -> Evaluation:
    """Evaluate a trained network on the test set, or on other data.

    Args:
        run: The run.
        data: A data set or its name, whose test split is used; a file, of which the test arrays are used, or all of it
            if it has none; a data frame; a split of raw examples; or None for the test set of the run's own data.

    Raises:
        DataError: The data cannot be loaded, or has other classes.
        InvalidInput: The examples have another shape than the training examples, or the task takes no other data.
    """
    task = run.task
    if data is None:
        evaluation = task.evaluate(run.test_outputs, task.test)
        known = run.evaluation.baselines if (run.path / "evaluation.json").exists() else {}
        return replace(evaluation, baselines=known)
    if not task.takes_other_data:
        raise InvalidInput(f"evaluate: the task {task.name} is evaluated on its own data. Leave the other data out.")
    context = run.read_context
    split = task.encode(_split(run, data, context))
    evaluation = task.evaluate(task.predict(run.model, split), split)
    return replace(evaluation, notes=(*evaluation.notes, *context.notes))


def _split(run: Run, data: str | Source | Dataset | Split, context: ReadContext) -> Split:
    """Return the labeled examples to evaluate a network on."""
    if isinstance(data, Split):
        return data
    if is_frame(data):
        return read_labeled(data, context)
    if not isinstance(data, Dataset):
        if str(data) not in DATASETS and looks_like_a_file(data):
            return read_labeled(Path(data), context)
        data = load(data)
    if data.classes != run.output_names:
        raise DataError(
            f"evaluate: expected the classes {', '.join(run.output_names)}, got those of {data.name}: "
            f"{', '.join(data.classes)}. Evaluate on data of the same classes."
        )
    return data.test
