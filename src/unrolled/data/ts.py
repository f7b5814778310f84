"""The ``.ts`` format of the UEA and UCR archives of time series."""

import re
from collections.abc import Collection
from pathlib import Path

from unrolled.data.decoding import read_text
from unrolled.data.labeled import LabeledExamples
from unrolled.data.table import format_list
from unrolled.data.targets import NUMBERS, Location, as_arrays
from unrolled.data.values import LARGEST, MISSING
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def read_ts(path: Path) -> LabeledExamples:
    """Read labeled series from a ``.ts`` file.

    After a header of lines that begin with ``@``, each line is one example: its channels, separated by colons, then
    its class, or a number where the header says ``@targetLabel true``. A channel is a list of values, separated by
    commas, with ``?`` for a missing one.

    Raises:
        DataError: The file is missing or not a ``.ts`` file, has time stamps, neither classes nor numbers, or a line is
            malformed.

    Reference:
        https://www.timeseriesclassification.com
    """
    return parse_ts(path, read_text(path)[0])


def parse_ts(path: Path | str, text: str) -> LabeledExamples:
    """Parse the text of a ``.ts`` file (see ``read_ts``).

    Args:
        path: The name of the file, for messages.
        text: The whole text.

    Raises:
        DataError: The text is not that of a ``.ts`` file, has time stamps, neither classes nor numbers, or a line is
            malformed.
    """
    header: dict[str, str] = {}
    series: list[NDArray[np.float64]] = []
    labels, lines = [], []
    classes: dict[str, None] = {}
    in_data = False
    for line, row in enumerate(text.splitlines(), 1):
        row = row.strip()
        if not row or row.startswith("#"):
            continue
        if in_data:
            values, label = _example(path, line, row, header, classes)
            if series and values.shape[1] != series[0].shape[1]:
                raise DataError(
                    f"{path}:{line}: expected {series[0].shape[1]} channels as in the first example, got "
                    f"{values.shape[1]}. Fix the line."
                )
            series.append(values)
            labels.append(label)
            lines.append(line)
        elif row.startswith("@"):
            key, _, value = row[1:].partition(" ")
            header[key.lower()] = value.strip()
            in_data = key.lower() == "data"
            if in_data:
                _check_header(path, header)
                names = _NAMES.findall(header.get("classlabel", ""))[1:]
                classes = dict.fromkeys(name.strip("'\"") for name in names)
        else:
            raise DataError(f"{path}:{line}: expected a header that ends with @data, got data before it. Add @data.")
    if not series:
        raise DataError(f"{path}: expected examples after @data, got none. Check the file.")

    def location(example: int) -> str:
        return f"{path}:{lines[example]}"

    if _has_numbers(header):
        return LabeledExamples(series, _numbers(labels, location), location, kind=NUMBERS)
    return LabeledExamples(series, labels, location)


def _has_numbers(header: dict[str, str]) -> bool:
    return header.get("targetlabel", "false").lower().startswith("true")


def _numbers(labels: list[str], location: Location) -> pl.Series:
    """Return the number of each example, as arrays."""
    values = [_parse_number(label, f"{location(example)}: target") for example, label in enumerate(labels)]
    for example in np.flatnonzero(np.isnan(values))[:1].tolist():
        raise DataError(f"{location(example)}: expected a number as its target, got {labels[example]}. Drop the line.")
    return as_arrays(np.array(values, np.float64)[:, None])


def _check_header(path: Path | str, header: dict[str, str]) -> None:
    if header.get("timestamps", "false").lower() == "true":
        raise DataError(f"{path}: expected values at equal steps of time, got @timeStamps true. Leave out the stamps.")
    if not _has_numbers(header) and not header.get("classlabel", "false").lower().startswith("true"):
        raise DataError(
            f"{path}: expected classes (@classLabel true ...) or numbers (@targetLabel true), got neither. Choose a "
            "problem with one of them."
        )


def _example(
    path: Path | str, line: int, row: str, header: dict[str, str], classes: Collection[str]
) -> tuple[NDArray[np.float64], str]:
    *channels, label = row.split(":")
    label = label.strip().strip("'\"")
    expected = header.get("dimensions", str(len(channels)))
    if header.get("univariate", "").lower() == "true":
        expected = "1"
    what = "number" if _has_numbers(header) else "class"
    if not channels or not label or str(len(channels)) != expected:
        raise DataError(
            f"{path}:{line}: expected {expected} channels and a {what} between colons, got {len(channels)} channels. "
            "Fix the line."
        )
    if classes and label not in classes:
        raise DataError(
            f"{path}:{line}: expected a class among {format_list([*classes])}, got {label}. Add it to @classLabel."
        )
    values = [
        [_parse_number(cell, f"{path}:{line}: channel {c}") for cell in channel.split(",")]
        for c, channel in enumerate(channels, 1)
    ]
    for c, channel in enumerate(values, 1):
        if len(channel) != len(values[0]):
            raise DataError(
                f"{path}:{line}: channel {c}: expected as many steps as channel 1 has ({len(values[0])}), got "
                f"{len(channel)}. Write ? for what is missing."
            )
    return np.array(values, np.float64).T, label


def _parse_number(cell: str, location: str) -> float:
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    if not _NUMBER.fullmatch(text):
        raise DataError(f'{location}: expected a number, got "{text[:40]}". Write a number, or leave the cell empty.')
    if abs(float(text)) > LARGEST:
        raise DataError(f"{location}: expected a number below {LARGEST:.1e}, got {float(text):g}. Scale the values.")
    return float(text)
