"""What the tests of pages share: their blocks, and their command lines."""

import re

from unrolled.cli import cli

import click


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def parse(command: str, arguments: list[str]) -> click.Context:
    """A command line as the command itself reads it, which is not run."""
    with cli.make_context("unrolled", [command]) as context:
        return cli.commands[command].make_context(command, arguments, parent=context)


def on_few_images(examples: int) -> str:
    """What makes a program learn from the first images of MNIST alone; to be put before it."""
    return (
        "import unrolled\nfrom unrolled.data import catalogue\nfull = catalogue.NAMED['mnist']\n"
        f"catalogue.NAMED['mnist'] = lambda: full().head({examples})\n"
    )
