"""From files to answers: pictures of one digit each, or batches of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.data.images import is_batch, read_inputs
from unrolled.data.pictures import SIDE, beside, read_picture
from unrolled.data.png import save_png
from unrolled.errors import InvalidInput
from unrolled.experiments.run import Run

import numpy as np


def predict_files(run: Run, files: Sequence[Path], explain_input: Path | None = None) -> list[dict[str, Any]]:
    """What a trained network says of each file.

    Args:
        run: The trained network.
        files: PNG or JPEG pictures, each brought to MNIST's form; NPZ or IDX files of many images, taken as they are.
        explain_input: Where to write each picture beside what the network was shown of it.

    Returns:
        For each picture, or each image of a batch, ``file``, ``index`` (in a batch), ``label`` and
        ``probabilities`` by class.

    Raises:
        DataError: A file is missing, damaged or no picture.
        InvalidInput: The network takes another shape, or there is no picture to explain.
    """
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
        {
            "file": str(path),
            **({"index": index} if is_batch(path) else {}),
            "label": run.classes[int(np.argmax(row))],
            "probabilities": {name: float(p) for name, p in zip(run.classes, row, strict=True)},
        }
        for (path, index), row in zip(places, together, strict=True)
    ]
