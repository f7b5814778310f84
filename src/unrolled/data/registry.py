"""From a name or a file to a Dataset."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.data import bundled
from unrolled.data.arrays import load_file
from unrolled.data.dataset import Dataset
from unrolled.data.downloads import FASHION_MNIST, KMNIST
from unrolled.data.examples import FORMATS, load_folder, load_labeled, load_text, load_values
from unrolled.data.schema import has_target
from unrolled.data.tables import SUFFIXES, Table, format_list
from unrolled.errors import DataError, did_you_mean

DATASETS = {
    "mnist": bundled.load_mnist,
    "fashion-mnist": FASHION_MNIST.load,
    "kmnist": KMNIST.load,
    "movie-reviews": bundled.load_reviews,
    "japanese-vowels": bundled.load_vowels,
    "pride-and-prejudice": bundled.load_austen,
    "air-passengers": bundled.load_passengers,
}


def load(name: str | Path, *, where: str = "data", test_steps: int | None = None) -> Dataset:
    """Load a data set by its name, or from the user's own file.

    Args:
        name: ``"mnist"``, ``"movie-reviews"``, ``"japanese-vowels"``, ``"pride-and-prejudice"``, ``"air-passengers"``
            (inside the package), ``"fashion-mnist"`` or ``"kmnist"`` (downloaded once into ``KERAS_HOME``), or the
            path of a file or a folder.
        where: How a message names the place that asks for it.
        test_steps: Of a series to forecast, how many steps at its end are for the test.

    Returns:
        The training and test examples, with the names of their classes.

    Raises:
        DataError: The name is unknown, or the files are missing, damaged or of the wrong form.

    Example:
        >>> load("mnist").test.inputs.shape
        (10000, 28, 28)
    """
    if str(name) == "air-passengers" and test_steps is not None:
        return bundled.load_passengers(test_steps)
    if str(name) in DATASETS:
        return DATASETS[str(name)]()
    if not looks_like_a_file(name):
        raise DataError(
            f'{where}: expected {", ".join(DATASETS)} or a file, got "{name}".'
            f"{did_you_mean(str(name), DATASETS) or ' Check the spelling, or name a file: digits.npz'}"
        )
    return load_config_data(folder=str(name)) if os.path.isdir(name) else load_config_data(file=str(name))  # noqa: PTH112


def load_config_data(
    *,
    file: str | None = None,
    labels: str | None = None,
    train: str | None = None,
    test: str | None = None,
    folder: str | None = None,
    side: int | None = None,
    task: str | None = None,
    test_steps: int | None = None,
    **columns: Any,
) -> Dataset:
    """The user's own data, in the settings' words.

    Args:
        file: One file; its kind is told by its name.
        labels: The labels of an IDX pair.
        train: The file to learn from, with another one for the test.
        test: That file.
        folder: A folder for each class.
        side: To how many pixels pictures are brought.
        task: What is done with the data; decides what a table is read as.
        test_steps: Of a series to forecast, how many steps at its end are for the test.
        columns: What is said of a table: ``input``, ``target``, ``series``, ``delimiter``, ``encoding``, ``header``.

    Raises:
        DataError: As in ``load``.
    """
    if folder is not None:
        return load_folder(Path(folder), side)
    path = Path(file or train or "")
    if test is not None and (task == "forecast" or path.suffix.lower() not in (*SUFFIXES, ".ts")):
        raise DataError(
            f"{test}: expected no file for the test beside {path.name}: what is measured on is held out from it, or "
            "x_test and y_test in the same file. Leave it out."
        )
    if task == "forecast":
        return load_values(path, test_steps=test_steps or 1, **columns)
    if path.suffix.lower() not in FORMATS:
        return load_file(path, Path(labels) if labels else None)
    if path.suffix.lower() == ".txt":
        return load_text(path, columns.get("encoding"))
    return load_labeled({"train": path, **({"test": Path(test)} if test else {})}, **columns)


def load_to_show(
    name: str, table: Table | None, inputs: Sequence[str], *, side: int | None = None, **columns: str | None
) -> Dataset:
    """A data set to look at, before anybody has written an experiment for it.

    Args:
        name: As in ``load``.
        table: The file, where it is one of rows and columns; without a class among them its values are forecast.
        inputs: The columns that are read.
        side: To how many pixels the pictures of a folder are brought.
        columns: The others that are named: ``target``, ``series``.

    Raises:
        DataError: As in ``load``, or nobody can tell which column is which.
    """
    named: dict[str, Any] = {key: column for key, column in columns.items() if column}
    named |= {"input": list(inputs)} if inputs else {}
    if side is not None:
        return load_config_data(folder=name, side=side)
    if table and "target" not in named and not has_target(table):
        if not inputs or "series" in named:
            raise DataError(
                f"{name}: expected to be told which column is the class, got {format_list(list(table.columns))}. "
                "Name it with --target, or those to forecast with --input"
            )
        return load_config_data(file=name, task="forecast", **named)
    return load_config_data(file=name, **named) if named else load(name)


def looks_like_a_file(name: str | Path) -> bool:
    """Whether this can only be meant as a path: a Path, or text with a folder or an extension, or one that exists."""
    return isinstance(name, Path) or Path(name).suffix != "" or os.sep in name or os.path.exists(name)  # noqa: PTH110
