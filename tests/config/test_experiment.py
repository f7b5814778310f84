"""The schema of an experiment: what it takes, and one line for everything that it refuses."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unrolled.config.document import Document, parse_yaml
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.config.sections import DataConfig, EarlyStoppingConfig
from unrolled.errors import InvalidSetting
from unrolled.model.build import resolve
from unrolled.tasks.registry import load_task

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

# The network of the founding example, as docs and README quote it.
MNIST_ROWS = """\
data: mnist
network:
  - Rescaling: {scale: 0.00392156862745098}
  - LSTM: {units: 128, activation: relu, return_sequences: true}
  - Dropout: {rate: 0.2}
  - LSTM: {units: 128, activation: relu}
  - Dropout: {rate: 0.1}
  - Dense: {units: 32, activation: relu}
  - Dropout: {rate: 0.2}
  - Dense: {units: 10, activation: softmax}
training: {epochs: 3, batch_size: 32, optimizer: {Adam: {learning_rate: 0.001}}, validation: test}
"""
SMALL = """\
data: {file: digits.npz}
network:
  - Flatten
  - Dense: {units: 10}
training:
  epochs: 3
  validation: 0.1
  early_stopping:
    patience: 2
"""
LAYER = 'one class name with its arguments, as in "LSTM: {units: 128}"'

Find = Callable[..., ExperimentConfig]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    """The experiment of a text in digits.yaml, with settings on top."""
    monkeypatch.chdir(tmp_path)

    def from_text(text: str, *settings: str, **arguments: Any) -> ExperimentConfig:
        Path("digits.yaml").write_text(text)
        return ExperimentConfig.load("digits.yaml", overrides=settings, **arguments)

    return from_text


def message(call: Callable[[], object]) -> str:
    """The one line of the InvalidSetting that a call raises."""
    with pytest.raises(InvalidSetting) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Where experiments come from


def test_the_recipe_is_the_founding_example() -> None:
    settings = parse_yaml(MNIST_ROWS, "design")
    recipe = ExperimentConfig.load("mnist-rows")
    assert recipe == ExperimentConfig.load({"name": "mnist-rows", **settings})
    assert parse_yaml(recipes()["mnist-rows"].read_text(), "recipe") == settings
    assert recipe.data == "mnist"
    assert recipe.network[1].name == "LSTM"
    assert recipe.network[1].arguments == {"units": 128, "activation": "relu", "return_sequences": True}
    assert (recipe.training.epochs, recipe.training.batch_size, recipe.training.validation) == (3, 32, "test")


def test_what_is_omitted_has_its_default() -> None:
    experiment = ExperimentConfig.load({"data": "mnist", "network": ["Flatten"]})
    assert (experiment.name, experiment.seed) == ("experiment", 0)
    assert (experiment.training.epochs, experiment.training.batch_size) == (3, 32)
    assert (experiment.training.validation, experiment.training.keep) == ("none", "last")
    assert experiment.training.early_stopping is None
    assert experiment.training.optimizer.name == "Adam"
    assert experiment.training.optimizer.arguments == {"learning_rate": 0.001}


def test_every_recipe_is_an_experiment() -> None:
    assert "mnist-rows" in recipes()
    for name in recipes():
        assert ExperimentConfig.load(name).name == name


@pytest.mark.parametrize(
    ("name", "question"),
    [("mnist-row", ' Did you mean "mnist-rows"?'), ("MNIST-Rows", ' Did you mean "mnist-rows"?'), ("zebra", "")],
)
def test_an_unknown_recipe_is_refused(name: str, question: str) -> None:
    assert message(lambda: ExperimentConfig.load(name)) == (
        f'train: unknown recipe "{name}".{question} List them with: unrolled recipes'
    )


def test_a_name_too_long_for_a_file_is_an_unknown_recipe() -> None:
    assert message(lambda: ExperimentConfig.load("z" * 300)).startswith('train: unknown recipe "zzz')


def test_a_missing_file_names_itself() -> None:
    assert message(lambda: ExperimentConfig.load("nowhere/digits.yaml")) == (
        "nowhere/digits.yaml: no such file. Check the path."
    )


def test_a_file_names_its_experiment(find: Find, tmp_path: Path) -> None:
    assert find(SMALL).name == "digits"
    assert find("name: mine\n" + SMALL).name == "mine"
    (tmp_path / "über alles, zwei.yaml").write_text(SMALL)
    assert ExperimentConfig.load(tmp_path / "über alles, zwei.yaml").name == "ber-alles-zwei"


@pytest.mark.parametrize("name", ["mine", "no", "2024", "1e5", "true", "2001-01-01", "v1.0_a-b"])
def test_the_name_option_is_text(name: str) -> None:
    assert ExperimentConfig.load("mnist-rows", name=name).name == name


@pytest.mark.parametrize("name", ["", "a b", "../up", ".hidden", "a/b", "a\n"])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    assert "expected a name of letters, digits, dots, hyphens and underscores, got " in message(
        lambda: ExperimentConfig.load({"name": name, "data": "mnist", "network": ["Flatten"]})
    )


def test_the_seed_option_replaces_the_seed_of_the_file(find: Find) -> None:
    assert find("seed: 1\n" + SMALL).seed == 1
    assert find("seed: 1\n" + SMALL, seed=7).seed == 7
    assert find("seed: 1\n" + SMALL, "seed=2", seed=0).seed == 0


def test_an_experiment_can_be_changed_by_settings() -> None:
    first = ExperimentConfig.load("mnist-rows")
    second = ExperimentConfig.load(first, overrides=["training.epochs=5", "network.1.LSTM.units=64"])
    assert second.training.epochs == 5
    assert second.network[1].arguments["units"] == 64
    assert first.training.epochs == 3
    assert first != second
    assert ExperimentConfig.load(second, overrides=["training.epochs=3", "network.1.LSTM.units=128"]) == first


# Paths of data


def test_data_files_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "experiments"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = folder / "digits.yaml"
    path.write_text("data: {file: ../data/images, labels: labels}\nnetwork: [Flatten]\n")
    data = ExperimentConfig.load(path).data
    assert isinstance(data, DataConfig)
    assert data.file == str(tmp_path / "data" / "images")
    assert data.labels == str(folder / "labels")
    relative = ExperimentConfig.load(Path("../experiments/digits.yaml")).data
    assert relative == data


def test_an_absolute_path_of_data_stays(find: Find, tmp_path: Path) -> None:
    data = find(f"data: {{file: {tmp_path / 'x.npz'}}}\nnetwork: [Flatten]\n").data
    assert data == DataConfig(file=str(tmp_path / "x.npz"))


# Round trip


def test_an_experiment_reads_back_from_its_yaml(find: Find) -> None:
    for first in (ExperimentConfig.load("mnist-rows"), find(SMALL, name="first", seed=3)):
        again = find(first.to_yaml())
        assert again == first
        assert again.to_yaml() == first.to_yaml()


def every_setting(**resolved: Any) -> dict[str, Any]:
    """Every setting of the smallest experiment, those that the task decides as given."""
    return {
        "name": "experiment",
        "data": "mnist",
        "task": resolved.get("task"),
        "scan": "rows",
        "inputs": None,
        "text": {
            "tokenizer": resolved.get("tokenizer"),
            "lowercase": True,
            "min_count": 1,
            "vocabulary_size": 20_000,
            "max_length": 256,
        },
        "forecast": None,
        "detect": None,
        "network": resolved.get("network", ["Flatten"]),
        "training": {
            "epochs": 3,
            "batch_size": 32,
            "optimizer": {"Adam": {"learning_rate": 0.001}},
            "loss": resolved.get("loss"),
            "metrics": resolved.get("metrics"),
            "class_weights": None,
            "augment": None,
            "precision": "float32",
            "validation": "none",
            "padding": "batch",
            "early_stopping": None,
            "keep": "last",
            "checkpoint_seconds": 30.0,
        },
        "seed": 0,
    }


def test_the_yaml_has_every_setting() -> None:
    config = ExperimentConfig.load({"data": "mnist", "network": ["Flatten"]})
    assert parse_yaml(config.to_yaml(), "yaml") == every_setting()


def test_the_task_fills_in_what_was_left_out() -> None:
    config = ExperimentConfig.load({"data": "mnist", "network": ["Flatten"]})
    task = load_task(config)
    decided = {"task": "classify", "tokenizer": "words", "loss": "SparseCategoricalCrossentropy"}
    of_task = every_setting(**decided, metrics=["accuracy"])
    assert parse_yaml(task.config.to_yaml(), "yaml") == of_task
    resolved = parse_yaml(resolve(config, task).to_yaml(), "yaml")
    network = ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]
    assert resolved == {**of_task, "network": network}
    assert parse_yaml(config.to_yaml(), "yaml") == every_setting()


@pytest.mark.parametrize(
    ("text", "task", "tokenizer"),
    [
        ("data: mnist", "classify", "words"),
        ("data: movie-reviews", "classify", "words"),
        ("data: pride-and-prejudice", "generate", "characters"),
        ("data: {file: book.txt}", "generate", "characters"),
        ("data: {file: book.txt}\ntask: classify", "classify", "words"),
        ("data: air-passengers\nforecast: {window: 12, test_steps: 12}", "forecast", "words"),
        ("data: pride-and-prejudice\ntext: {tokenizer: bytes}", "generate", "bytes"),
    ],
)
def test_the_task_follows_from_the_experiment(text: str, task: str, tokenizer: str, find: Find) -> None:
    config = find(f"{text}\nnetwork: [Flatten]\n")
    assert (config.task, config.training.loss, config.training.metrics) == (
        task if "task" in text else None,
        None,
        None,
    )
    resolved = load_task(config).config
    assert (resolved.task, resolved.text.tokenizer) == (task, tokenizer)
    assert resolved.training.loss is not None
    assert resolved.training.metrics is not None


@pytest.mark.parametrize(
    "value", ["1e-4", "1e-10", "no", "'no'", "'1e-4'", "'null'", "true", "[1, [2]]", ".inf", "-.inf", "'2001-01-01'"]
)
def test_an_argument_of_any_kind_reads_back(value: str, find: Find) -> None:
    first = find(SMALL, f"network.1.Dense.units={value}")
    assert first.network[1].arguments["units"] == parse_yaml(value, "value")
    assert find(first.to_yaml()) == first


def test_a_date_as_an_argument_reads_back_or_is_refused(find: Find) -> None:
    try:
        first = find(SMALL, "network.1.Dense.units=2001-01-01")
    except InvalidSetting:
        return
    assert parse_yaml(first.to_yaml(), "yaml")["network"][1] == {"Dense": first.network[1].arguments}


# What is refused


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("data:", "dota: 3\ndata:", 'digits.yaml:1: unknown setting "dota". Did you mean "data"?'),
        (
            "data:",
            "zebra: 3\ndata:",
            'digits.yaml:1: unknown setting "zebra". Choose among: name, data, task, scan, text, forecast, detect, '
            "inputs, network, training, seed.",
        ),
        (
            "file: digits.npz",
            "file: digits.npz, lables: x",
            'digits.yaml:1: data: unknown setting "lables". Did you mean "labels"?',
        ),
        ("epochs: 3", "epoch: 3", 'digits.yaml:6: training: unknown setting "epoch". Did you mean "epochs"?'),
        (
            "epochs: 3",
            "q: 3",
            'digits.yaml:6: training: unknown setting "q". '
            "Choose among: epochs, batch_size, optimizer, loss, metrics, class_weights, augment, precision, "
            "validation, padding, early_stopping, keep, checkpoint_seconds.",
        ),
        (
            "patience: 2",
            "patience: 2\n    patienc: 3",
            'digits.yaml:10: training.early_stopping: unknown setting "patienc". Did you mean "patience"?',
        ),
    ],
)
def test_an_unknown_setting_names_its_line_and_the_likely_one(old: str, new: str, expected: str, find: Find) -> None:
    assert message(lambda: find(SMALL.replace(old, new))) == expected


@pytest.mark.parametrize(
    ("right", "wrong"), [("network:", "netwrok:"), ("data:", "date:"), ("file:", "fle:"), ("patience:", "patiance:")]
)
def test_a_misspelt_setting_that_is_needed_is_recognised(right: str, wrong: str, find: Find) -> None:
    refusal = message(lambda: find(SMALL.replace(right, wrong, 1)))
    assert f'unknown setting "{wrong[:-1]}". Did you mean "{right[:-1]}"?' in refusal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: mnist\n", 'digits.yaml: the setting "network" is missing. Add it.'),
        ("network: [Flatten]\n", 'digits.yaml: the setting "data" is missing. Add it.'),
        (
            SMALL.replace("file: digits.npz", ""),
            "digits.yaml:1: data: expected one of file, train (with test) and folder, got none. Name one.",
        ),
        (
            SMALL.replace("early_stopping:\n    patience: 2", "early_stopping: {}"),
            'digits.yaml:8: training.early_stopping: the setting "patience" is missing. Add it.',
        ),
    ],
)
def test_a_missing_setting_is_named(text: str, expected: str, find: Find) -> None:
    assert message(lambda: find(text)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epochs: 3", "epochs: three", "digits.yaml:6: training.epochs: expected a whole number, got 'three'."),
        ("epochs: 3", "epochs: 3.0", "digits.yaml:6: training.epochs: expected a whole number, got 3.0."),
        ("epochs: 3", "epochs: '3'", "digits.yaml:6: training.epochs: expected a whole number, got '3'."),
        ("epochs: 3", "epochs: true", "digits.yaml:6: training.epochs: expected a whole number, got True."),
        (
            "epochs: 3",
            "epochs: 0",
            "digits.yaml:6: training.epochs: expected a number greater than or equal to 1, got 0.",
        ),
        ("epochs: 3", "keep: first", "digits.yaml:6: training.keep: expected 'last' or 'best', got 'first'."),
        ("epochs: 3", "batch_size: no", "digits.yaml:6: training.batch_size: expected a whole number, got 'no'."),
        ("  - Flatten", "  - 3", f"digits.yaml:3: network[0]: expected {LAYER}, got 3."),
        ("  - Flatten", "  - {A: 1, B: 2}", f"digits.yaml:3: network[0]: expected {LAYER}, got a mapping."),
        ("  - Flatten", "  - {A: 1}", f"digits.yaml:3: network[0]: expected {LAYER}, got a mapping."),
        ("epochs: 3", "optimizer: 3", f"digits.yaml:6: training.optimizer: expected {LAYER}, got 3."),
        (
            "early_stopping:\n    patience: 2",
            "early_stopping: 3",
            "digits.yaml:8: training.early_stopping: expected a section of settings, got 3.",
        ),
        ("data: {file: digits.npz}", "data: 3", "digits.yaml:1: data: expected a section of settings, got 3."),
        ("file: digits.npz", "file: 3", "digits.yaml:1: data.file: expected text, got 3."),
        ("data:", "name: 3\ndata:", "digits.yaml:1: name: expected text, got 3."),
        ("data:", "seed: 1.5\ndata:", "digits.yaml:1: seed: expected a whole number, got 1.5."),
        (
            "data:",
            "seed: -1\ndata:",
            "digits.yaml:1: seed: expected a number greater than or equal to 0, got -1.",
        ),
        (
            "data:",
            "seed: 4294967296\ndata:",
            "digits.yaml:1: seed: expected a number less than 4294967296, got 4294967296.",
        ),
        (
            "  - Flatten\n  - Dense: {units: 10}",
            "  LSTM: {units: 3}",
            "digits.yaml:2: network: expected a list of layers, got a mapping.",
        ),
        (
            "\n  - Flatten\n  - Dense: {units: 10}",
            " []",
            "digits.yaml:2: network: expected a list of at least one layer, got an empty list.",
        ),
    ],
)
def test_a_wrong_type_names_its_line_and_what_is_expected(old: str, new: str, expected: str, find: Find) -> None:
    assert message(lambda: find(SMALL.replace(old, new))) == expected


@pytest.mark.parametrize("value", ["0", "1", "0.0", "1.0", "1.5", "-0.1", ".nan", "true", "all", "", "[0.1]"])
def test_a_validation_that_is_no_fraction_is_refused(value: str, find: Find) -> None:
    expected = (
        "expected test, given, none, a fraction of the training examples such as 0.1, or a fold such as "
        "{fold: 0, of: 5}"
    )
    assert message(lambda: find(SMALL.replace("validation: 0.1", f"validation: {value}"))).startswith(
        f"digits.yaml:7: training.validation: {expected}"
    )


@pytest.mark.parametrize("text", ["", "- data\n", "just words\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, find: Find) -> None:
    kind = {"": "nothing", "- data\n": "a list", "just words\n": "'just words'", "3\n": "3"}[text]
    assert message(lambda: find(text)) == (
        f"digits.yaml: expected the settings data, network and training, got {kind}. "
        "Start from a recipe: unrolled recipes"
    )


@pytest.mark.parametrize("text", ["1: 2\n", "true: 2\n", "~: 2\n", "? [a, b]\n: 2\n"])
def test_a_key_that_is_not_text_is_refused_on_its_line(text: str, find: Find) -> None:
    refusal = message(lambda: find(SMALL + text))
    assert refusal.startswith("digits.yaml:10: ")
    assert "expected Keys should be strings" not in refusal


def test_a_key_of_two_lines_is_refused_in_one(find: Find) -> None:
    assert message(lambda: find(SMALL + '"a\\nb": 3\n')) == (
        r"digits.yaml:10: expected the name of a setting, got 'a\nb'. Write a word."
    )


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("training.epochs=no", "--set training.epochs: expected a whole number, got 'no'."),
        (
            "training.epoch=5",
            '--set training.epoch: unknown setting "epoch". Did you mean "epochs"?',
        ),
        ("network.0=3", f"--set network.0: expected {LAYER}, got 3."),
        ("training={epochs: no}", "--set training: training.epochs: expected a whole number, got 'no'."),
        (
            "training.early_stoping.patience=5",
            '--set training.early_stoping.patience: unknown setting "early_stoping".',
        ),
    ],
)
def test_a_wrong_set_is_named_as_it_was_typed(assignment: str, expected: str, find: Find) -> None:
    assert message(lambda: find(SMALL, assignment)).startswith(expected)


# Selection


@pytest.mark.parametrize("validation", ["test", "none"])
@pytest.mark.parametrize(
    ("setting", "named"), [("keep: best", "keep: best"), ("early_stopping: {patience: 2}", "early_stopping")]
)
def test_selecting_without_a_validation_fraction_is_refused(
    validation: str, setting: str, named: str, find: Find
) -> None:
    text = f"data: mnist\nnetwork: [Flatten]\ntraining:\n  validation: {validation}\n  {setting}\n"
    reason = " (selecting on the test set makes its accuracy meaningless)" if validation == "test" else ""
    assert message(lambda: find(text)) == (
        f"digits.yaml:3: training: expected a validation fraction for {named}, got validation: {validation}{reason}. "
        "Set validation: 0.1"
    )


def test_selecting_without_validation_examples_is_refused(find: Find) -> None:
    refusal = message(lambda: find("data: mnist\nnetwork: [Flatten]\n", "training.keep=best"))
    assert "expected a validation fraction for keep: best, got validation: none. Set validation: 0.1" in refusal


def test_selecting_on_a_fraction_is_taken(find: Find) -> None:
    experiment = find(SMALL, "training.keep=best")
    assert experiment.training.validation == 0.1
    assert experiment.training.keep == "best"
    assert experiment.training.early_stopping == EarlyStoppingConfig(patience=2)


# Anything


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
NEW_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.sampled_from(["mnist", "test", "none", "best", "LSTM"]),
    st.lists(st.one_of(TEXTS, st.integers()), max_size=2),
    st.dictionaries(TEXTS, st.one_of(st.none(), st.integers(), TEXTS), max_size=2),
)
NEW_KEYS = st.one_of(TEXTS, st.integers(), st.none(), st.booleans(), st.sampled_from(["name", "arguments", "units"]))


RECIPE = parse_yaml(ExperimentConfig.load("mnist-rows").to_yaml(), "recipe")


def containers(tree: Any) -> Iterator[Any]:
    """Each mapping and list of a tree that has something in it."""
    if isinstance(tree, dict | list) and tree:
        yield tree
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from containers(part)


@st.composite
def mutated_recipes(draw: st.DrawFn) -> dict[str, Any]:
    """The recipe with one to three of its settings dropped, renamed, doubled or replaced."""
    tree = copy.deepcopy(RECIPE)
    if draw(st.booleans()):
        tree["data"] = {"file": "digits.npz", "labels": "labels"}
    if draw(st.booleans()):
        tree["training"] |= {"validation": 0.1, "early_stopping": {"patience": 2}, "keep": "best"}
    for _ in range(draw(st.integers(1, 3))):
        places = list(containers(tree))
        if not places:
            break
        place = draw(st.sampled_from(places))
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        change = draw(st.sampled_from(["drop", "rename", "add", "replace"]))
        if change == "replace":
            place[key] = draw(NEW_VALUES)
        elif change == "drop":
            del place[key]
        elif isinstance(place, list):
            place.append(draw(NEW_VALUES) if change == "add" else copy.deepcopy(place[key]))
        else:
            place[draw(NEW_KEYS)] = draw(NEW_VALUES) if change == "add" else place.pop(key)
    assert isinstance(tree, dict)
    return tree


@settings(max_examples=300)
@given(mutated_recipes())
def test_a_mutated_recipe_is_an_experiment_or_refused_in_one_line(tree: dict[str, Any]) -> None:
    document = Document(tree, "digits.yaml")
    try:
        experiment = ExperimentConfig.parse(document)
    except InvalidSetting as error:
        assert str(error).startswith("digits.yaml: ")
        assert "\n" not in str(error)
    else:
        again = Document(parse_yaml(experiment.to_yaml(), "yaml"), "yaml")
        assert ExperimentConfig.parse(again) == experiment
