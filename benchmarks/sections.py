"""What stands between two markers of a page, and is written by a program."""

import re
from pathlib import Path

from benchmarks.options import PAGE
from unrolled.errors import DataError
from unrolled.storage import write_text

_SECTION = "<!-- generated: {name} -->\n(.*?)<!-- end of {name} -->"


def replace_section(text: str, name: str, body: str, page: Path) -> str:
    """A page's text with another section.

    Raises:
        DataError: The page has lost a marker.
    """
    pattern = re.compile(_SECTION.format(name=name), re.DOTALL)
    if not pattern.search(text):
        raise DataError(f'{page}: expected the markers of "{name}", got none. Put them back, as in {PAGE}.')
    return pattern.sub(lambda _: f"<!-- generated: {name} -->\n\n{body}\n\n<!-- end of {name} -->", text)


def write_section(page: Path, name: str, body: str) -> None:
    """Put another section into a page.

    Raises:
        DataError: The page has lost a marker.
        WriteError: It cannot be written.
    """
    write_text(page, replace_section(page.read_text(encoding="utf-8"), name, body, page))
