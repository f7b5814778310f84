"""Predictions and evaluations of a trained network on texts and files, read like its training data."""

import csv
from collections.abc import Container, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, TextIO

from unrolled.data.dataset import Dataset, Split
from unrolled.data.formats import PICTURE_FILES, TABLES, ReadContext, names_a_file, read_inputs, read_labeled
from unrolled.data.pictures import save_png
from unrolled.data.preview import PredictedPicture, draw_input_grid
from unrolled.data.registry import DATASETS, load, looks_like_a_file
from unrolled.data.tables import Table
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.run import Run
from unrolled.storage import cannot_read
from unrolled.tasks.base import task_of
from unrolled.tasks.forecasting import settings_of, values_of
from unrolled.tasks.generation import StatefulDecoder, sampling_probabilities
from unrolled.tasks.metrics import Evaluation, evaluate
from unrolled.tasks.predict import gives_probabilities
from unrolled.tasks.preprocessing import SeriesPreprocessor, TextPreprocessor

import numpy as np
from numpy.typing import ArrayLike, NDArray

Prediction = dict[str, Any]


def read_context(run: Run) -> ReadContext:
    """Return the facts about the training data of a run by which other files are read the same way."""
    config = run.experiment.data
    dtype = run.data["dtype"]
    return ReadContext(
        kind=dtype if dtype in ("series", "text") else "arrays",
        classes=run.classes,
        example_shape=tuple(run.data["example_shape"]),
        schema=run.schema,
        side=None if isinstance(config, str) else config.side,
        is_folder=not isinstance(config, str) and config.folder is not None,
    )


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
    context = read_context(run)
    if context.kind != "text":
        return predict_files(run, [Path(name) for name in inputs], explain_input)
    if explain_input:
        raise InvalidInput("--explain-input: expected a network that reads pictures, got one of texts. Leave it out.")
    predictions = predict_texts(run, [_read_text(name, context) for name in inputs])
    return [prediction | {"text": name} for prediction, name in zip(predictions, inputs, strict=True)]


def predict_texts(run: Run, texts: Sequence[str]) -> list[Prediction]:
    """Predict the class of texts.

    Returns:
        For each text ``text``, ``label`` and ``probabilities`` by class.

    Raises:
        InvalidInput: There are no texts, or the network reads another type of input.
    """
    if read_context(run).kind != "text":
        raise InvalidInput("predict: expected files, because the network does not read texts. Name files.")
    if not texts:
        raise InvalidInput("predict: expected texts, got none. Write one per line.")
    return [{"text": text, **_describe(run, row)} for text, row in zip(texts, run.predict(list(texts)), strict=True)]


def predict_files(run: Run, files: Sequence[Path], explain_input: Path | None = None) -> list[Prediction]:
    """Predict the class of the examples in files.

    Args:
        run: The trained network.
        files: Files of one example (pictures, texts) or of several (arrays, ``.ts`` files, tables). Pictures are read
            as for training: like those of its folder, or brought to MNIST's form.
        explain_input: The PNG to write with each picture beside the input of the network.

    Returns:
        For each example ``file``, ``index`` (in a file of several), ``label`` and ``probabilities`` by class.

    Raises:
        DataError: A file is missing or damaged.
        InvalidInput: The network reads another type of input or another size, or there is no picture to explain.
        WriteError: The PNG cannot be written.
    """
    if explain_input and not any(PICTURE_FILES.matches(path) for path in files):
        raise InvalidInput("--explain-input: expected a PNG or JPEG to explain, got none. Name a picture.")
    context = read_context(run)
    read = [(path, read_inputs(path, context)) for path in files]
    probabilities = run.predict([example for _, inputs in read for example in inputs.examples])
    sources: list[Prediction] = [
        {"file": str(path), **({"index": index} if inputs.is_batch else {})}
        for path, inputs in read
        for index in range(len(inputs.examples))
    ]
    predictions = [source | _describe(run, row) for source, row in zip(sources, probabilities, strict=True)]
    if explain_input:
        images = {str(path): inputs.examples[0] for path, inputs in read if PICTURE_FILES.matches(path)}
        shown = [prediction for prediction in predictions if prediction["file"] in images]
        pictures = [PredictedPicture(Path(one["file"]), images[one["file"]], _format_best(one)) for one in shown]
        save_png(draw_input_grid(pictures), explain_input)
    return predictions


def _describe(run: Run, row: NDArray[Any]) -> Prediction:
    """Return the most probable class, and the probability of each."""
    probabilities = {name: float(probability) for name, probability in zip(run.classes, row, strict=True)}
    return {"label": run.classes[int(np.argmax(row))], "probabilities": probabilities}


def _format_best(prediction: Prediction) -> str:
    return f"{prediction['label']}  {100 * prediction['probabilities'][prediction['label']]:.1f} %"


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


def predict_table(run: Run, path: Path) -> tuple[Table, list[Prediction]]:
    """Predict the class of each row of a table; the rows of one series share its prediction.

    Args:
        run: The trained network.
        path: A table with the columns of the training data; the column of the class may be missing.

    Raises:
        DataError: The table is damaged, or a column is missing.
        InvalidInput: The network reads another type of input.
    """
    inputs = read_inputs(path, read_context(run))
    assert inputs.table is not None
    by_row = {
        row: prediction
        for prediction, rows in zip(
            (_describe(run, row) for row in run.predict(inputs.examples)), inputs.rows, strict=True
        )
        for row in rows
    }
    return inputs.table, [by_row[row] for row in range(inputs.table.size)]


def write_table(table: Table, predictions: Sequence[Prediction], to: TextIO) -> None:
    """Write a table as CSV with the added columns ``label`` and ``p(CLASS)``.

    Args:
        table: The table.
        predictions: The prediction of each row.
        to: The open file to write to.
    """
    added = ["label", *(f"p({name})" for name in predictions[0]["probabilities"])]
    writer = csv.writer(to)
    writer.writerow([*table.columns, *(_free_name(name, table.columns) for name in added)])
    for cells, prediction in zip(zip(*table.columns.values(), strict=True), predictions, strict=True):
        writer.writerow([*cells, *_cells(prediction)])


def write_predictions(predictions: Sequence[Prediction], to: TextIO) -> None:
    """Write predictions as CSV: ``text``, or ``file`` and ``index``, then ``label`` and ``p(CLASS)``."""
    sources = [name for name in ("text", "file", "index") if any(name in prediction for prediction in predictions)]
    writer = csv.writer(to)
    writer.writerow([*sources, "label", *(f"p({name})" for name in predictions[0]["probabilities"])])
    for prediction in predictions:
        writer.writerow([*(prediction.get(name, "") for name in sources), *_cells(prediction)])


def _free_name(name: str, taken: Container[str]) -> str:
    """Return the name of a new column that is not taken."""
    others = chain([name, f"predicted {name}"], (f"predicted {name} {number}" for number in count(2)))
    return next(other for other in others if other not in taken)


def _cells(prediction: Prediction) -> Iterator[str]:
    yield prediction["label"]
    yield from (f"{probability:.6f}" for probability in prediction["probabilities"].values())


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
    """Return the labeled examples to evaluate a network on."""
    if isinstance(data, Split):
        return data
    if data is None:
        return run.experiment.load_data().test
    if not isinstance(data, Dataset):
        if str(data) not in DATASETS and looks_like_a_file(data):
            return read_labeled(Path(data), read_context(run))
        data = load(data)
    if data.classes != run.classes:
        raise DataError(
            f"evaluate: expected the classes {', '.join(run.classes)}, got those of {data.name}: "
            f"{', '.join(data.classes)}. Evaluate on data of the same classes."
        )
    return data.test


def check_task(run: Run) -> None:
    """Refuse a network that was trained for something else.

    Raises:
        InvalidInput: It was.
    """
    if run.experiment.task != "forecast":
        raise InvalidInput(
            f"forecast: expected a network that was trained to forecast, got one that was to {run.experiment.task}. "
            "Train one: unrolled train passengers-forecast"
        )


def forecast(run: Run, series: ArrayLike, steps: int | None = None) -> NDArray[np.float32]:
    """The values after the end of a series.

    Beyond the horizon the network is told what it has told itself.

    Args:
        run: A network that was trained to forecast.
        series: [T, F] the values up to now, or [T] of one channel; at least as many steps as the network sees.
        steps: How many to tell; without it the horizon.

    Returns:
        [steps, F], in the units of the data.

    Raises:
        InvalidInput: The network was trained for something else, or the series is too short or has other channels.
    """
    experiment, encoding = run.experiment, run.encoding
    check_task(run)
    assert isinstance(encoding, SeriesPreprocessor)
    settings = settings_of(experiment)
    values: NDArray[Any] = np.asarray(series, np.float32)
    values = values[:, None] if values.ndim == 1 else values
    channels = len(encoding.mean)
    if values.ndim != 2 or values.shape[1] != channels or len(values) < settings.window:
        raise InvalidInput(
            f"forecast: expected a series [T, {channels}] of at least {settings.window} steps, got "
            f"{list(values.shape)}. Give it more of the past, and the channels {', '.join(run.classes)}."
        )
    recent = values[-settings.season :]
    if np.isnan(recent).any():
        raise InvalidInput("forecast: expected the last season without gaps, got one. Fill it first.")
    wanted = settings.horizon if steps is None else steps
    if wanted < 1:
        raise InvalidInput(f"forecast: expected at least one step, got {wanted}. Change it.")
    told = values[-settings.window :]
    while len(told) < settings.window + wanted:
        window = told[-settings.window :][None]
        outputs = np.asarray(run.model.predict_on_batch(window), np.float32)
        told = np.concatenate([told, values_of(outputs, window, encoding, experiment)[0].astype(np.float32)])
    return told[settings.window : settings.window + wanted]


def write(
    run: Run,
    prompt: str,
    *,
    length: int = 400,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """What a network writes after a prompt, piece by piece.

    The recurrent layers keep their states, so that a token costs the same wherever it stands.

    ::

        p_i = exp(l_i / temperature) / sum_j exp(l_j / temperature)

    Args:
        run: A network that was trained to generate.
        prompt: What it reads first.
        length: How many tokens it writes.
        temperature: Below 1 it keeps to what is likely, above 1 it dares more; 0 takes the likeliest each time.
        top_k: It draws among the likeliest so many only.
        top_p: It draws among the likeliest only whose chances add up to this share.
        seed: Decides what is drawn.

    Yields:
        The text of one token at a time; of words with the space before it.

    Raises:
        InvalidInput: The network was trained for something else or reads from both ends, the prompt is empty, or an
            argument is out of range.
    """
    _check(run, prompt, length, temperature, top_k, top_p)
    encoding = run.encoding
    assert isinstance(encoding, TextPreprocessor)
    tokenizer, random = encoding.tokenizer, np.random.default_rng(seed)
    numbers = tokenizer.encode(prompt)
    if not len(numbers):
        raise InvalidInput("write: expected a prompt with a token or more, got none. Give it a beginning: --prompt It")
    reader = StatefulDecoder(run.model)
    outputs = [reader.read(int(number)) for number in numbers][-1]
    space = " " if tokenizer.kind == "words" else ""
    pending: list[int] = []
    for _ in range(length):
        chances = sampling_probabilities(outputs, gives_probabilities(run.model), temperature, top_k, top_p)
        number = int(random.choice(len(chances), p=chances))
        pending.append(number)
        text = tokenizer.decode(pending)
        if "�" not in text or len(pending) == 4:  # else the rest of a character's bytes is still to come
            yield space + text
            pending = []
        outputs = reader.read(number)


def _check(run: Run, prompt: str, length: int, temperature: float, top_k: int | None, top_p: float | None) -> None:
    if run.experiment.task != "generate":
        raise InvalidInput(
            f"write: expected a network that was trained to generate, got one that was to {run.experiment.task}. "
            "Train one: unrolled train austen-characters"
        )
    wanted = {
        "a length of at least 1": (length, length >= 1),
        "a temperature of at least 0": (temperature, temperature >= 0),
        "top_k of at least 1": (top_k, top_k is None or top_k >= 1),
        "top_p above 0, at most 1": (top_p, top_p is None or 0 < top_p <= 1),
    }
    for words, (value, is_so) in wanted.items():
        if not is_so:
            raise InvalidInput(f"write: expected {words}, got {value}. Change it.")
