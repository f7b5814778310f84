"""Generated sections of a page, between two markers."""

import re
from pathlib import Path

from benchmarks.options import PAGE
from unrolled.errors import DataError
from unrolled.storage import write_text

_SECTION = "<!-- generated: {name} -->\n(.*?)<!-- end of {name} -->"


def replace_section(text: str, name: str, body: str, page: Path) -> str:
    """Return the text of a page with a section replaced.

    Raises:
        DataError: A marker is missing.
    """
    pattern = re.compile(_SECTION.format(name=name), re.DOTALL)
    if not pattern.search(text):
        raise DataError(f'{page}: the markers of "{name}" are missing. Copy them from {PAGE}.')
    return pattern.sub(lambda _: f"<!-- generated: {name} -->\n\n{body}\n\n<!-- end of {name} -->", text)


def write_section(page: Path, name: str, body: str) -> None:
    """Replace a section of a page.

    Raises:
        DataError: A marker is missing.
        WriteError: The page cannot be written.
    """
    write_text(page, replace_section(page.read_text(encoding="utf-8"), name, body, page))
