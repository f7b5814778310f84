"""The experiments, the code and the commands in docs/data.md."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment
from tests.docs.pages import blocks, parse
from unrolled.config.document import Document, parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import DataConfig, TextConfig
from unrolled.config.task_sections import ForecastConfig
from unrolled.data.registry import DATASETS
from unrolled.model.build import build_model, check_config, resolve
from unrolled.tasks.registry import load_task

import pytest

TEXT = (ROOT / "docs" / "data.md").read_text()


@pytest.mark.parametrize("text", blocks(TEXT, "yaml"))
def test_the_experiments_can_be_trained(text: str) -> None:
    experiment = ExperimentConfig.parse(Document(parse_yaml(text, "page"), "page"))
    check_config(experiment)
    if isinstance(experiment.data, str):
        task = load_task(experiment)
        build_model(resolve(experiment, task), task)


def test_all_data_sets_and_settings_are_named() -> None:
    for name in DATASETS:
        assert name in TEXT or name.endswith("mnist")
    for group in (DataConfig, TextConfig, ForecastConfig):
        missing = [setting for setting in group.model_fields if not re.search(rf"\b{setting}\b", TEXT)]
        assert not set(missing) - {"labels"}


def test_the_programs_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "\n".join(blocks(TEXT, "python"))]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("line", re.findall(r"^(?:cat .* \| )?unrolled (.*?)(?: +#.*)?$", TEXT, re.MULTILINE))
def test_each_command_takes_the_options_shown(line: str) -> None:
    command, *arguments = shlex.split(line)
    assert parse(command, arguments).command.name == command
