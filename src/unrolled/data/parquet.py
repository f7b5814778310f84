"""Parquet files, whole or in pieces."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import DataError, UnrolledError

ROWS_AT_ONCE = 4096


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """PyArrow's view of a file, whose rows are read when they are asked for.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: expected PyArrow to read Parquet with, got none. Install it: pip install 'unrolled[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield file
    except UnrolledError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: expected a file, got nothing there. Check the path.") from None
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise DataError(f"{path}: expected a Parquet file, got a damaged one ({reason}). Write it again.") from None


def read_columns(path: Path) -> dict[str, list[Any]]:
    """All cells of each column.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        columns: dict[str, list[Any]] = file.read().to_pydict()
    return columns


def first_rows(path: Path) -> dict[str, list[Any]]:
    """The cells of each column in the first rows, at most 4,096 of them.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            columns: dict[str, list[Any]] = batch.to_pydict()
            return columns
        return {name: [] for name in file.schema_arrow.names}


def cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Each row's cells of some columns, read as they are asked for.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
            yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


def size_in_memory(path: Path) -> int:
    """How many bytes the cells of a file are, uncompressed.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        return sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
