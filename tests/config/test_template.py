"""Beginning an experiment: check, init, schema and recipes."""

import re
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Command
from unrolled.config.document import parse_yaml
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.config.sections import AugmentationConfig, ConfigModel, EarlyStoppingConfig, TextConfig, TrainingConfig
from unrolled.config.task_sections import ForecastConfig
from unrolled.config.template import render_template, write_template
from unrolled.errors import InvalidSetting, WriteError
from unrolled.model.build import describe
from unrolled.model.schema import json_schema

import jsonschema
import pytest

# The outputs of the recipes' networks by the name of their data.
OUTPUTS = {
    "mnist": "[B, 10]",
    "movie-reviews": "[B, 2]",
    "japanese-vowels": "[B, 9]",
    "air-passengers": "[B, 12]",
    "pride-and-prejudice": "[B, T, 77]",
    "surnames.tsv": "[B, 22]",
    "us-addresses.tsv": "[B, T, 29]",
    "amazon-sentiment.tsv": "[B, 1]",
    "debian-tags.tsv": "[B, 60]",
    "shoulder-exercises.npz": "[B, 7]",
    "spoken-digits.npz": "[B, 10]",
    "birmingham-parking.csv (30 series)": "[B, 54]",
    "beijing-pm25.csv": "[B, 72]",
    "glucose.csv": "[B, 18]",
    "ecg.csv": "[B, T, 1]",
}


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_a_recipe_builds_a_network_for_its_data(recipe: str) -> None:
    description = describe(ExperimentConfig.load(recipe))
    assert description["layers"][-1]["shape"] == OUTPUTS[description["data"]]
    assert description["parameters"] == sum(layer["parameters"] for layer in description["layers"])
    first = recipes()[recipe].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) < 115


def test_check_prints_the_network_and_trains_nothing(tiny: Path, unrolled_command: Command) -> None:
    finished = unrolled_command("check", tiny, "--set", "scan=columns", "--set", "training.validation=0.25")
    assert finished.returncode == 0
    for words in ("[B, 6, 5] read as columns", "LSTM", "[B, 8]", "480", "units 8", "3, activation softmax"):
        assert words in finished.stdout
    assert "507 parameters; 90 training, 30 validation, 60 test examples; 2 epochs of 6 steps" in finished.stdout
    assert {path.name for path in tiny.parent.iterdir()} == {"tiny.yaml", "tiny.npz"}


def test_check_names_what_is_wrong(tiny: Path, unrolled_command: Command) -> None:
    tiny.write_text(tiny.read_text().replace("units: 8", "unts: 8"))
    finished = unrolled_command("check", tiny)
    assert finished.returncode == 2
    assert finished.stderr == 'tiny.yaml:4: network[1].LSTM: unknown argument "unts". Did you mean "units"?\n'.replace(
        "tiny.yaml", str(tiny)
    )


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_a_commented_recipe_is_the_recipe(recipe: str, tmp_path: Path) -> None:
    write_template(recipe, tmp_path / "mine.yaml")
    assert ExperimentConfig.load(tmp_path / "mine.yaml", name="same") == ExperimentConfig.load(recipe, name="same")


def test_every_comment_is_a_setting_that_can_be_set() -> None:
    text = render_template("mnist-rows")
    for name in TrainingConfig.model_fields:
        assert f"{name}:" in text
        assert TrainingConfig.describe(name)
    rest = text.split("# and in training:\n")[1]
    settings = [line[4:] for line in rest.splitlines() if line.startswith("#   ")]
    # A line that begins with a name and a colon, or is indented below it, is a setting; descriptions of the parts of a
    # section are indented twice.
    names = tuple(f"{name}:" for name in TrainingConfig.model_fields)
    chosen = [line for line in settings if re.match(r"  \S", line) or line.startswith(names)]
    values = parse_yaml("\n".join(chosen), "comments")
    experiment = {"data": "mnist", "network": ["Flatten"], "training": {**values, "validation": 0.1}}
    assert ExperimentConfig.load(experiment).training.early_stopping is not None


@pytest.mark.parametrize("section", [TextConfig, ForecastConfig, AugmentationConfig, EarlyStoppingConfig])
def test_every_setting_of_a_section_is_described(section: type[ConfigModel]) -> None:
    text = " ".join(render_template("mnist-rows").replace("#", "").split())
    for name in section.model_fields:
        assert f"{name}: {section.describe(name)}" in text


def test_init_overwrites_nothing(tmp_path: Path, unrolled_command: Command) -> None:
    assert unrolled_command("init", "mnist-gru").stdout == "mnist-gru.yaml\n"
    (tmp_path / "mnist-gru.yaml").write_text("mine")
    finished = unrolled_command("init", "mnist-gru")
    assert (finished.returncode, (tmp_path / "mnist-gru.yaml").read_text()) == (1, "mine")
    assert finished.stderr == ("mnist-gru.yaml already exists. Choose another name with --output.\n")
    with pytest.raises(WriteError):
        write_template("mnist-gru", tmp_path / "mnist-gru.yaml")
    with pytest.raises(InvalidSetting, match='init: unknown recipe "mnist-gur"'):
        write_template("mnist-gur", tmp_path / "other.yaml")


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_editors_accept_every_recipe_and_everything_written_out(
    recipe: str, editor: jsonschema.Draft202012Validator
) -> None:
    editor.validate(parse_yaml(recipes()[recipe].read_text(encoding="utf-8"), recipe))
    editor.validate(parse_yaml(ExperimentConfig.load(recipe).to_yaml(), recipe))


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": [{"LTSM": {"units": 3}}]},
        {"network": [{"LSTM": {"unit": 3}}]},
        {"network": ["Flaten"]},
        {"training": {"epoch": 3}},
        {"training": {"optimizer": {"Adam": {"rate": 3}}}},
        {"training": {"loss": "CrossEntropy"}},
        {"training": {"metrics": ["acuracy"]}},
        {"scan": "diagonal"},
        {"zebra": 1},
        {"network": [{"search": []}]},
        {"training": {"epochs": {"search": {"low": 1}}}},
        {"training": {"validation": {"search": [0.1, 0.2]}}},
    ],
)
def test_editors_mark_what_is_wrong(wrong: dict[str, Any], editor: jsonschema.Draft202012Validator) -> None:
    right = {"data": "mnist", "network": ["Flatten"]}
    editor.validate(right)
    with pytest.raises(jsonschema.ValidationError):
        editor.validate({**right, **wrong})


def test_editors_accept_what_is_left_open(editor: jsonschema.Draft202012Validator) -> None:
    page = (ROOT / "docs/searching.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[0]
    editor.validate(parse_yaml(shown, "page"))
    editor.validate({"data": "mnist", "network": {"search": [["Flatten"]]}, "scan": {"search": ["rows"]}})
