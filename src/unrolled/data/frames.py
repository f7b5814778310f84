"""Data frames of pandas, Polars, PyArrow, DuckDB and others with Arrow's interface, as tables and as files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack
from zlib import crc32

from unrolled.data.column_types import with_simple_types
from unrolled.data.pieces import read_whole
from unrolled.data.table import Table
from unrolled.data.tables import ReadOptions
from unrolled.errors import DataError, first_line
from unrolled.storage import replacing

import polars as pl
from polars.exceptions import PanicException

_WHERE = Path("data frame")
_FILES = ("file", "train", "test")


Source = Path | Any
"""A file, or a data frame."""


def read_source(source: Source, **options: Unpack[ReadOptions]) -> Table:
    """Read a table from a file, or return a data frame as one.

    Args:
        source: The file or data frame.
        options: Of a data frame ``decimal`` and ``time_format`` alone, for its columns of text.

    Raises:
        DataError: As of ``read_table`` and ``table_of``.
    """
    if not is_frame(source):
        return read_whole(source, **options)
    return replace(table_of(source), decimal=options.get("decimal"), time_format=options.get("time_format"))


def is_frame(value: Any) -> bool:
    """Return True if a value is a data frame: it gives its columns through Arrow's interface, as one column alone does.

    Example:
        >>> is_frame(pl.DataFrame({"a": [1]})), is_frame(pl.Series([1])), is_frame("rows.csv")
        (True, False, False)
    """
    return hasattr(value, "__arrow_c_stream__") and len(getattr(value, "shape", (0, 0))) == 2


def table_of(frame: Any) -> Table:
    """Return a data frame as a table.

    An index of pandas that has a name, or holds anything but whole numbers, is a column.

    Args:
        frame: The data frame.

    Raises:
        DataError: It has no rows, two columns of one name, or a column of objects.
    """
    index: Any = getattr(frame, "index", None)
    if hasattr(frame, "reset_index") and (index.name is not None or index.nlevels > 1 or index.dtype.kind not in "iu"):
        frame = frame.reset_index()
    try:
        columns = pl.DataFrame(frame)
    except (Exception, PanicException) as error:  # each library raises classes of its own
        raise DataError(f"{_WHERE}: cannot be read: {first_line(error)}. Give its columns plain types.") from None
    if not columns.height:
        raise DataError(f"{_WHERE}: expected rows, got none. Add examples.")
    return Table(_WHERE, with_simple_types(_WHERE, columns))


def keep_frames(experiment: Any, folder: Path) -> Any:
    """Return an experiment that names files where it had data frames, so that a run can be resumed.

    Args:
        experiment: A mapping, of which ``data``, or ``file``, ``train`` and ``test`` within it, may be data frames;
            anything else is returned as it is.
        folder: The folder of runs; frames are kept in its folder ``.data``, each under a checksum.

    Raises:
        DataError: A frame cannot be read.
        WriteError: The folder cannot be written.
    """
    if not isinstance(experiment, Mapping):
        return experiment
    data = experiment.get("data")
    if is_frame(data):
        data = {"file": data}
    if not isinstance(data, Mapping) or not any(is_frame(data.get(name)) for name in _FILES):
        return experiment
    kept = {name: str(_keep(data[name], folder)) for name in _FILES if is_frame(data.get(name))}
    return {**experiment, "data": {**data, **kept}}


def _keep(frame: Any, folder: Path) -> Path:
    """Write a frame to Parquet, unless it is there, and return the path."""
    columns = table_of(frame).frame
    hashes = columns.hash_rows().to_numpy().tobytes() + "\0".join(columns.columns).encode()
    path = (folder / ".data" / f"{crc32(hashes):08x}-{columns.height}.parquet").resolve()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            columns.write_parquet(part)
    return path
