"""The experiment, the code and the commands in docs/searching.md."""

import re
import shlex
import sys
from pathlib import Path

import unrolled
from tests.conftest import ROOT
from tests.docs.pages import blocks, parse
from unrolled.backends import leave_out_tensorflow
from unrolled.config.document import read_document
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.data.registry import load
from unrolled.errors import InvalidSetting
from unrolled.searching.search import check_experiments
from unrolled.searching.space import SearchSpace

import numpy as np
import pytest

PAGE = (ROOT / "docs/searching.md").read_text()
(EXPERIMENT,) = blocks(PAGE, "yaml")


def test_the_experiment_can_be_searched(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_text(EXPERIMENT)
    space = SearchSpace(read_document(tmp_path / "digits.yaml", "digits.yaml"))
    check_experiments(space)
    assert "network[1].GRU.units" in space.by_name


def test_the_error_is_that_of_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_text(EXPERIMENT.replace("GRU: {units", "GRU: {unit"))
    space = SearchSpace(read_document(tmp_path / "digits.yaml", "digits.yaml"))
    with pytest.raises(InvalidSetting) as caught:
        check_experiments(space)
    assert str(caught.value) in PAGE


@pytest.mark.parametrize("line", re.findall(r"^unrolled (search .*)$", PAGE, flags=re.MULTILINE))
def test_each_search_is_a_search(line: str, tmp_path: Path) -> None:
    """The command takes the options shown, and the overrides among them are valid."""
    _, *arguments = shlex.split(line)
    parsed = parse("search", arguments).params
    if parsed["overrides"]:
        (tmp_path / "digits.yaml").write_text(EXPERIMENT)
        name = parsed["experiment"]
        experiment = name if name in recipes() else tmp_path / name
        space = SearchSpace(ExperimentConfig.read_document(experiment, overrides=parsed["overrides"]))
        for params in space.one_at_a_time():
            ExperimentConfig.parse(space.resolve(params))


def test_the_python_runs_on_a_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network of one small layer, on 500 images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    leave_out_tensorflow()
    few = load("mnist").head(500)
    np.savez(
        "few.npz", x_train=few.train.inputs, y_train=few.train.targets, x_test=few.test.inputs, y_test=few.test.targets
    )
    network = "network=[Flatten, {Dense: {units: {search: [4, 8]}}}, {Dense: {units: 10}}]"
    (program,) = blocks(PAGE, "python")
    program = program.replace('"network.1.LSTM.units={search: [8, 16]}"', f'"data=few.npz", "{network}"')
    assert network in program
    names: dict[str, object] = {}
    exec(program, names)
    search = names["search"]
    assert isinstance(search, unrolled.Search)
    assert len(search.ended) == 2
