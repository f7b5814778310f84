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
    """Lines that, put before a program, make it train on the first images of MNIST alone."""
    return (
        "import unrolled\nfrom unrolled.data import registry\nfull = registry.DATASETS['mnist']\n"
        f"registry.DATASETS['mnist'] = lambda: full().head({examples})\n"
    )
