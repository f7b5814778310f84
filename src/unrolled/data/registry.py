"""Data sets by name, from the package or a download, and from files of the user."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.data import bundled
from unrolled.data.bundled import FASHION_MNIST, KMNIST
from unrolled.data.columns import find_columns, find_series_column, has_target, named_columns
from unrolled.data.dataset import Dataset
from unrolled.data.folders import FolderSettings
from unrolled.data.formats import FOLDERS, READ_OPTIONS, SELECTION, LoadOptions, load_file
from unrolled.data.frames import Source, is_frame
from unrolled.data.samples import SAMPLES, with_path
from unrolled.data.table import Table, format_list
from unrolled.data.targets import CLASS, LABEL_SETS, NUMBERS, TargetKind, are_measurements
from unrolled.data.values import is_absent
from unrolled.errors import DataError, did_you_mean
from unrolled.storage import looks_like_a_file

import polars as pl

DATASETS = {
    "mnist": bundled.load_mnist,
    "fashion-mnist": FASHION_MNIST.load,
    "kmnist": KMNIST.load,
    "movie-reviews": bundled.load_reviews,
    "japanese-vowels": bundled.load_vowels,
    "pride-and-prejudice": bundled.load_austen,
    "air-passengers": bundled.load_passengers,
}
NAMES = (*DATASETS, *SAMPLES)
"""The names of data sets: of those without settings, and of files that are read as the user's own."""
_SEVERAL = 2
_OF_LABEL = 2  # values, 0 and 1
_PURPOSES = {"sequence": "numbers", "step": "step numbers"}


def load(name: str | Source, *, where: str = "data", test_steps: int | None = None, **columns: Any) -> Dataset:
    """Load a data set by its name, from a file of the user, or from a data frame.

    Args:
        name: ``"mnist"``, ``"movie-reviews"``, ``"japanese-vowels"``, ``"pride-and-prejudice"``, ``"air-passengers"``
            or a sample such as ``"surnames"`` (inside the package), ``"fashion-mnist"`` or ``"kmnist"`` (downloaded
            once into ``KERAS_HOME``), or the path of a file or a folder; or a data frame of pandas, Polars, PyArrow,
            DuckDB or another library with Arrow's interface.
        where: The location of the name in a settings file, for messages.
        test_steps: The number of steps at the end of a series for the test.
        columns: The settings of a table, as in the section ``data`` of an experiment: ``target="label"``.

    Returns:
        The training and test examples, with the names of their classes.

    Raises:
        DataError: The name is unknown, or a file is missing, damaged or malformed.

    Example:
        >>> load("mnist").test.inputs.shape
        (10000, 28, 28)
    """
    if columns or is_frame(name):
        return load_config_data(file=name, test_steps=test_steps, **columns)
    if str(name) == "air-passengers" and test_steps is not None:
        return bundled.load_passengers(test_steps)
    if str(name) in DATASETS:
        return DATASETS[str(name)]()
    if str(name) in SAMPLES:
        return load_config_data(file=str(name))
    if not looks_like_a_file(name):
        raise DataError(
            f'{where}: expected {", ".join(NAMES)} or a file, got "{name}".'
            f"{did_you_mean(str(name), NAMES) or ' Check the spelling, or name a file: digits.npz'}"
        )
    return load_file(Path(name), LoadOptions())


def load_config_data(
    *,
    file: str | Source | None = None,
    labels: str | None = None,
    train: str | None = None,
    test: str | None = None,
    folder: str | None = None,
    side: int | None = None,
    channels: str | None = None,
    rate: int | None = None,
    per: str | None = None,
    purpose: str | None = None,
    test_steps: int | None = None,
    **columns: Any,
) -> Dataset:
    """Load the files of the user that the ``data`` section of an experiment names.

    Args:
        file: A file, the suffix of whose name tells the format, the name of a sample, or a data frame.
        labels: The labels of an IDX or NPY pair.
        train: The file of the training examples, beside a file of test examples.
        test: The file of the test examples.
        folder: A folder with a folder for each class.
        side: The height and width of a square into which the pictures of a folder are scaled.
        channels: ``grey`` or ``rgb``, for the pictures of a folder.
        rate: The sampling rate to which the sounds of a folder are resampled, in Hz.
        per: What has a number, each ``sequence`` or each ``step``.
        purpose: ``examples``, ``text`` or ``series``; without it that of ``per``, or the first that the format serves.
        test_steps: The number of steps at the end of a series for the test.
        columns: The other settings of the section ``data``, such as ``target``, ``missing`` and ``deduplicate``.

    Raises:
        DataError: A file is missing, damaged or malformed, or its format is unknown or not for training.
    """
    options = LoadOptions(
        test=Path(with_path(test)) if test else None,
        labels=Path(labels) if labels else None,
        folder=FolderSettings(side, channels, rate),
        test_steps=test_steps or 0,
        columns={name: value for name, value in columns.items() if name not in (*READ_OPTIONS, *SELECTION, "split")},
        selection={name: value for name, value in columns.items() if name in SELECTION},
        split=columns.get("split"),
        read_options={name: value for name, value in columns.items() if name in READ_OPTIONS},
    )
    if folder is not None:
        return load_file(Path(folder), options, file_format=FOLDERS)
    purpose = purpose or _PURPOSES.get(per or "")
    loaded = load_file(file if is_frame(file) else Path(with_path(file or train or "")), options, purpose)
    sample = SAMPLES.get(str(file or train)) if not is_frame(file) else None
    return replace(loaded, source=sample.source) if sample else loaded


def load_to_show(
    name: str,
    table: Table | None,
    inputs: Sequence[str],
    *,
    folder: FolderSettings | None = None,
    **columns: str | Sequence[str] | None,
) -> Dataset:
    """Load a data set for display, without an experiment.

    Args:
        name: The name of a data set, or the path of a file or folder.
        table: The table in the file, if it is one; without a target column its values are a series to forecast, all of
            which count as training steps.
        inputs: The input columns.
        folder: The settings with which the pictures or sounds of a folder are read.
        columns: The names of the columns ``target``, ``series`` and ``time``, or None.

    Raises:
        DataError: The name is unknown, a file is missing, damaged or malformed, or no column is known as the target.
    """
    settings: dict[str, Any] = {key: column for key, column in columns.items() if column}
    settings |= {"input": list(inputs)} if inputs else {}
    if folder is not None and folder.named:
        return load_file(Path(name), LoadOptions(folder=folder))
    if table and "target" not in settings and not has_target(table):
        if not inputs:
            raise DataError(
                f"{name}: cannot tell which column is the target. Columns: {format_list(table.columns)}. "
                "Name it with --target, or the columns to forecast with --input"
            )
        return load_config_data(file=name, purpose="series", **settings)
    if not settings:
        return load(name)
    return load_config_data(
        file=name, **_purpose_of(table, named_columns(settings.get("target")), settings), **settings
    )


def kind_of_targets(table: Table, targets: Sequence[str]) -> TargetKind:
    """Return what several columns are for display: numbers, or labels of 0 and 1; a single one is a class.

    Raises:
        DataError: A column is missing.
    """
    for name in targets:
        table.column(name)
    if len(targets) < _SEVERAL:
        return CLASS
    are_numbers = all(find_columns(table)[name].kind in ("numbers", "calendar", "sequence") for name in targets)
    has_more = any(table.texts(name).drop_nulls().n_unique() > _OF_LABEL for name in targets)
    return NUMBERS if are_numbers and has_more else LABEL_SETS


def _purpose_of(table: Table | None, targets: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table with some targets is loaded for; nothing where that is to be found."""
    if table is None or not targets:
        return {}
    kind, kinds = kind_of_targets(table, targets), find_columns(table)
    if len(targets) == 1 and kinds[targets[0]].holds_words:
        has_words = sum(one.holds_words for one in kinds.values()) > 1
        return {"purpose": "labels" if has_words else "label sets"}
    if kind is NUMBERS or (kind is CLASS and _is_measured(table, targets[0])):
        return {"per": "step" if _differs_by_step(table, targets[0], settings.get("series")) else "sequence"}
    return {"purpose": "label sets"} if kind is LABEL_SETS else {}


def _differs_by_step(table: Table, name: str, series: str | None) -> bool:
    """Return True if the rows of one series have different numbers in a column."""
    series = series or find_series_column(table, (name,))
    if series is None:
        return False
    pairs = pl.DataFrame({"series": table.column(series), "number": table.column(name)}).drop_nulls()
    return pairs.n_unique() > pairs["series"].n_unique()


def _is_measured(table: Table, name: str) -> bool:
    """Return True if a target is a number of which hardly two are equal, so that it is no class."""
    cells = table.texts(name)
    cells = cells.filter(~is_absent(cells))
    different = cells.unique()
    return 2 * len(different) > len(cells) and are_measurements(different)
