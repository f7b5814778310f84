"""The experiments and the commands in docs/experiments.md and docs/recipes.md."""

import re

from tests.conftest import ROOT
from tests.docs.pages import blocks, parse
from unrolled.config.document import Document, parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import TrainingConfig
from unrolled.model.build import build_model, check_config, resolve
from unrolled.tasks.registry import load_task

import pytest

PAGES = {page: (ROOT / "docs" / f"{page}.md").read_text() for page in ("experiments", "recipes")}
TEXT = PAGES["experiments"]
COMMANDS = [
    line for text in PAGES.values() for line in re.findall(r"^unrolled (.*?)(?: +#.*| > .*)?$", text, re.MULTILINE)
]


@pytest.mark.parametrize("text", blocks(TEXT, "yaml"))
def test_the_experiments_can_be_trained(text: str) -> None:
    experiment = ExperimentConfig.parse(Document(parse_yaml(text, "page"), "page"))
    check_config(experiment)
    task = load_task(experiment)
    build_model(resolve(experiment, task), task)


def test_every_setting_of_a_training_is_shown() -> None:
    shown = set(parse_yaml(blocks(TEXT, "yaml")[-1], "page")["training"])
    assert set(TrainingConfig.model_fields) - shown == {"precision"}
    assert "**Precision**" in TEXT


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_takes_the_options_shown(line: str) -> None:
    command, *arguments = line.split()
    assert parse(command, arguments)
