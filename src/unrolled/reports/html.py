"""Pages that need nothing else: no server, no network, no script, no other file."""

from pathlib import Path
from typing import Any

from unrolled.errors import WriteError
from unrolled.storage import write_text

from jinja2 import Environment, PackageLoader

# Stands in every page that the user places, so that it may take the place of an earlier one.
_MARK = '<meta name="generator" content="unrolled">'

_TEMPLATES = Environment(
    loader=PackageLoader("unrolled.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def render(template: str, **values: Any) -> str:
    """A page from one of the templates, with the style sheet that they share."""
    return _TEMPLATES.get_template(template).render(**values)


def write_page(page: str, path: Path) -> None:
    """Write a page where the user says, in the place of an earlier one of ours or of nothing.

    Raises:
        WriteError: A file that is not ours is there, or the place cannot be written.
    """
    if path.exists() and not _is_ours(path):
        raise WriteError(f"{path}: expected a new file to write to, got something that is there already. Name another.")
    write_text(path, page)


def _is_ours(path: Path) -> bool:
    try:
        return _MARK in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
