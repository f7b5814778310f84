"""What docs/experiments.md shows, done."""

import re

from tests.conftest import ROOT
from unrolled.data.catalogue import load
from unrolled.experiments.document import Document, parse_yaml
from unrolled.experiments.examples import choose_examples
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network, check_components
from unrolled.experiments.settings import Training

import pytest

PAGES = {page: (ROOT / "docs" / f"{page}.md").read_text() for page in ("experiments", "recipes")}
TEXT = PAGES["experiments"]
COMMANDS = [
    line for text in PAGES.values() for line in re.findall(r"^unrolled (.*?)(?: +#.*| > .*)?$", text, re.MULTILINE)
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_experiments_can_be_trained(text: str) -> None:
    experiment = Experiment.parse(Document(parse_yaml(text, "page"), "page"))
    check_components(experiment)
    data = load("mnist").head(500)
    choose_examples(data, experiment)
    build_network(experiment, data)


def test_every_setting_of_a_training_is_shown() -> None:
    shown = set(parse_yaml(blocks("yaml")[-1], "page")["training"])
    assert set(Training.model_fields) - shown == {"precision"}
    assert "**Precision**" in TEXT


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_takes_the_options_shown(line: str) -> None:
    from unrolled.cli import cli

    command, *arguments = line.split()
    with cli.make_context("unrolled", [command]) as context:
        assert cli.commands[command].make_context(command, arguments, parent=context)
