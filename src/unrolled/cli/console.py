"""The console that prints results: plain text with colors of our own, and nothing in it that commands the terminal."""

from typing import Any

from unrolled.terminal import visible, writing_output

from rich.console import Console
from rich.text import Text


class ResultConsole(Console):
    """A console on which a text is a line of plain text: no markup, no emoji codes, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts, with their control characters replaced, and tables.

        Raises:
            WriteError: The standard output cannot be written.
        """
        with writing_output():
            super().print(*(self._visible(one) for one in objects), **options)

    def _visible(self, one: Any) -> Any:
        if isinstance(one, str):
            return visible(one)
        if isinstance(one, Text) and visible(one.plain) != one.plain:
            return Text.assemble(*((visible(part.text), part.style or "") for part in one.render(self)))
        return one
