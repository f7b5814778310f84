"""Helpers of the tests of pages: their code blocks, their command lines, and small data."""

import re

from unrolled.cli import cli

import click


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def parse(command: str, arguments: list[str]) -> click.Context:
    """Parse a command line by the command itself, which is not run."""
    with cli.make_context("unrolled", [command]) as context:
        return cli.commands[command].make_context(command, arguments, parent=context)


def on_small_data(examples: int) -> str:
    """Return the beginning of a program that cuts the bundled data to so many examples, texts to 20,000 characters."""
    return f"""
from dataclasses import replace
from unrolled.data import registry
from unrolled.data.dataset import Split
from unrolled.data.ragged import objects

def cut(split):
    inputs = split.inputs[:{examples}]
    if len(inputs) == 1 and isinstance(inputs[0], str):
        inputs = objects([inputs[0][:20000]])
    return Split(inputs, split.targets[:{examples}])

def small(load):
    def load_small():
        data = load()
        validation = data.validation and cut(data.validation)
        return replace(data, train=cut(data.train), test=cut(data.test), validation=validation)
    return load_small

for name in ("mnist", "movie-reviews", "pride-and-prejudice"):
    registry.DATASETS[name] = small(registry.DATASETS[name])
"""
