"""From texts and files to answers. What is read is read as it was for the training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.data.array_files import is_batch
from unrolled.data.decoding import read_text
from unrolled.data.folders import PICTURES, TEXTS, read_pictures
from unrolled.data.images import read_inputs
from unrolled.data.own import FORMATS
from unrolled.data.pictures import SIDE, beside, read_picture
from unrolled.data.png import save_png
from unrolled.data.ts import read_ts
from unrolled.errors import DataError, InvalidInput
from unrolled.experiments.encodings import Series, Tokens
from unrolled.experiments.run import Run

import numpy as np
from numpy.typing import NDArray

Said = dict[str, Any]
_FILES = (*FORMATS, *PICTURES, *TEXTS, ".npz", ".npy")


def predict_inputs(run: Run, inputs: Sequence[str], explain_input: Path | None = None) -> list[Said]:
    """What a network says of what was named: texts and files of one text each, where it reads texts, else files.

    Raises:
        DataError: A file is missing or damaged.
        InvalidInput: The network reads something else.
    """
    if not isinstance(run.encoding, Tokens):
        return predict_files(run, [Path(given) for given in inputs], explain_input)
    if explain_input:
        raise InvalidInput("--explain-input: expected a network that reads pictures, got one of texts. Leave it out.")
    texts = [_text(given) for given in inputs]
    return [said | {"text": given} for said, given in zip(predict_texts(run, texts), inputs, strict=True)]


def predict_texts(run: Run, texts: Sequence[str]) -> list[Said]:
    """What a network that reads texts says of each: ``text``, ``label`` and ``probabilities``.

    Raises:
        InvalidInput: The network reads something else.
    """
    if not isinstance(run.encoding, Tokens):
        raise InvalidInput("predict: expected a network that reads texts, got one that does not. Name files.")
    if not texts:
        raise InvalidInput("predict: expected texts, got none. Write one a line.")
    return [{"text": text, **answer(run, row)} for text, row in zip(texts, run.predict(list(texts)), strict=True)]


def predict_files(run: Run, files: Sequence[Path], explain_input: Path | None = None) -> list[Said]:
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
    pictures = [] if isinstance(run.encoding, Series) else [path for path in files if not is_batch(path)]
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


def answer(run: Run, row: NDArray[Any]) -> Said:
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
    return read_inputs(path) if is_batch(path) else read_ts(path).inputs


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
