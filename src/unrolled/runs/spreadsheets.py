"""CSV for spreadsheets: a text that a spreadsheet would compute as a formula stays a text."""

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

# A formula begins so in Excel, LibreOffice or Google Sheets; of the wide signs, in East Asian editions.
_FORMULA = re.compile(r"[\t\r\n]|\s*[-=+@＝＋－＠]")  # noqa: RUF001
# Neither computes anything: a number, and marks of a missing value such as "-" and "--".
_HARMLESS = re.compile(
    r"\s*[-+]?(\d[\d.,'_\s]*|[.,]\d+)(e[-+]?\d+)?\s*%?|\s*[-+]?(inf(inity)?|nan)|[-=+@ ]*", re.IGNORECASE
)


def write_csv(to: TextIO, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table as CSV, with an apostrophe before each text that would be a formula.

    Spreadsheets show what follows the apostrophe. Numbers stay numbers.

    Args:
        to: The open file to write to.
        header: The names of the columns.
        rows: The cells of each row; None is an empty one.
    """
    writer = csv.writer(to)
    writer.writerow(map(as_text, header))
    for row in rows:
        writer.writerow(map(as_text, row))


def as_text(cell: Any) -> Any:
    """Return a cell that no spreadsheet computes.

    Example:
        >>> as_text("=1+1"), as_text("-1.5"), as_text("-"), as_text("@ home")
        ("'=1+1", '-1.5', '-', "'@ home")
    """
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _HARMLESS.fullmatch(cell)
    return f"'{cell}" if is_formula else cell
