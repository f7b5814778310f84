"""Pages that need nothing else: no server, no network, no script, no other file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.errors import WriteError
from unrolled.storage import write_text

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

# Every page at a path that the user chose has this mark, so that a later page may replace it.
_MARK = '<meta name="generator" content="unrolled">'

_TEMPLATES = Environment(
    loader=PackageLoader("unrolled.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def render(template: str, **values: Any) -> str:
    """Render a page from one of the templates, with the style sheet that all pages share."""
    return _TEMPLATES.get_template(template).render(**values)


def macro(template: str, name: str) -> Callable[..., Markup]:
    """Return a macro of a template as a function."""
    found: Callable[..., Markup] = getattr(_TEMPLATES.get_template(template).module, name)
    return found


def write_page(page: str, path: Path) -> None:
    """Write a page to a path that the user chose; it replaces an earlier page of unrolled, but no other file.

    Raises:
        WriteError: The path holds another file, or cannot be written.
    """
    if path.exists() and not _is_our_page(path):
        raise WriteError(f"{path}: already exists and is not a page of unrolled. Choose another name.")
    write_text(path, page)


def _is_our_page(path: Path) -> bool:
    try:
        return _MARK in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
