"""Settings as they were written: where each stands, what --set makes of them, and what YAML means."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.config.document import Document, format_path, parse_yaml, read_document, write_yaml
from unrolled.errors import InvalidSetting

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

DIGITS = """\
# A comment, so that lines count from 2.
data: {file: digits.npz}

network:
  - Flatten
  - LSTM:
      units: 128
      activation: relu
  - Dense: {units: 10}
training:
  epochs: 3
  optimizer: Adam
"""

UNEXPECTED_COLON = 'an unexpected ":". Check the indentation, or put the text in quotation marks.'
INDENTATION = "the indentation does not match the lines above. Align the entries of a list or section."

Write = Callable[[str], Path]
WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text to digits.yaml."""

    def to_file(text: str) -> Path:
        path = tmp_path / "digits.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


@pytest.fixture
def digits(write: Write) -> Document:
    return read_document(write(DIGITS), "digits.yaml")


def message(call: Callable[[], object]) -> str:
    """The one line of the InvalidSetting that a call raises."""
    with pytest.raises(InvalidSetting) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Locations


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("data",), 2),
        (("data", "file"), 2),
        (("network",), 4),
        (("network", 0), 5),
        (("network", 1), 6),
        (("network", 1, "LSTM"), 6),
        (("network", 1, "LSTM", "units"), 7),
        (("network", 1, "LSTM", "activation"), 8),
        (("network", 2, "Dense", "units"), 9),
        (("training", "optimizer"), 12),
    ],
)
def test_each_setting_knows_its_line(path: tuple[str | int, ...], line: int, digits: Document) -> None:
    assert digits.locations[path] == f"digits.yaml:{line}"
    assert digits.where(path) == f"digits.yaml:{line}: {format_path(path)}"


def test_a_setting_that_is_not_there_is_located_at_the_nearest_one_around_it(digits: Document) -> None:
    assert digits.where(("network", 1, "LSTM", "unit")) == "digits.yaml:6: network[1].LSTM.unit"
    assert digits.where(("training", "optimizer", "Adam", "beta")) == "digits.yaml:12: training.optimizer.Adam.beta"
    assert digits.where(("nothing",)) == "digits.yaml: nothing"
    assert digits.where(()) == "digits.yaml"


def test_a_group_may_be_named_instead_of_the_setting(digits: Document) -> None:
    path = ("network", 1, "LSTM", "units")
    assert digits.where(path, group=path[:-1]) == "digits.yaml:7: network[1].LSTM"
    assert digits.where(("training",), group=()) == "digits.yaml:10"


def test_a_location_on_the_command_line_is_its_own_path(digits: Document) -> None:
    changed = digits.override(["training.epochs=5", "network.1.LSTM={units: 3}"])
    assert changed.where(("training", "epochs")) == "--set training.epochs"
    assert changed.where(("network", 1, "LSTM")) == "--set network.1.LSTM"
    assert changed.where(("network", 1, "LSTM", "units")) == "--set network.1.LSTM: network[1].LSTM.units"
    assert changed.where(("training", "optimizer")) == "digits.yaml:12: training.optimizer"


def test_paths_are_formatted_with_dots_and_brackets() -> None:
    assert format_path(()) == ""
    assert format_path(("network", 2, "LSTM", "units")) == "network[2].LSTM.units"


# What YAML means


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        (".inf", math.inf),
        ("3", 3),
        ("0x1f", 31),
        ("0o17", 15),
        ("012", 12),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("'1e-4'", "1e-4"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("[1, no, 1e-4]", [1, "no", 1e-4]),
        ("{LSTM: {units: 3}}", {"LSTM": {"units": 3}}),
        ("{a: &anchor 1e-4, b: *anchor}", {"a": 1e-4, "b": 1e-4}),
        ("{a: &anchor true, b: *anchor}", {"a": True, "b": True}),
        ("{a: &anchor word, b: *anchor}", {"a": "word", "b": "word"}),
    ],
)
def test_values_are_yaml_1_2_and_plain(text: str, value: object) -> None:
    read = parse_yaml(text, "--set x")
    assert read == value
    assert type(read) is type(value)
    if isinstance(read, dict) and isinstance(value, dict):
        assert {key: type(part) for key, part in read.items()} == {key: type(part) for key, part in value.items()}


@settings(max_examples=150)
@given(VALUES)
def test_what_is_written_reads_back_as_the_same(value: Any) -> None:
    assert parse_yaml(write_yaml({"value": value}), "text") == {"value": value}


def test_marks_and_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_bytes(b"\xef\xbb\xbfdata: mnist\r\nseed: 3\r\n")
    document = read_document(tmp_path / "digits.yaml", "digits.yaml")
    assert document.values == {"data": "mnist", "seed": 3}
    assert document.where(("seed",)) == "digits.yaml:2: seed"


def test_an_empty_file_is_nothing(write: Write) -> None:
    assert read_document(write("# nothing yet\n")).values is None


# What is not YAML


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("data: mnist\nseed: 1\ndata: kmnist\n", 3, 'duplicate key "data" (first on line 1). Remove one of them.'),
        (
            "training:\n  epochs: 1\n  epochs: 2\n",
            3,
            'duplicate key "epochs" (first on line 2). Remove one of them.',
        ),
        (
            "network:\n  - LSTM: {units: 1,\n      units: 2}\n",
            3,
            'duplicate key "units" (first on line 2). Remove one of them.',
        ),
        (
            "data: mnist\nnetwork: [1,\nseed: 2\n",
            4,
            'a bracket is not closed, or a comma is missing. Check every "[" and "{".',
        ),
        ("data: mnist\n seed: 1\n", 2, UNEXPECTED_COLON),
        ("training: epochs: 1\n", 1, UNEXPECTED_COLON),
        ("network:\n\t- Flatten\n", 2, "a tab. Indent with spaces."),
        ("network:\n  - LSTM:\n\t units: 3\n", 3, "a tab. Indent with spaces."),
        ("network:\n  - Flatten\n - Dense: {units: 3}\n", 3, INDENTATION),
        ("network:\n    - Flatten\n  - Dense: {units: 3}\n", 3, INDENTATION),
        ("training:\n    epochs: 1\n  batch_size: 2\n", 3, INDENTATION),
        ("data: *mnist\n", 1, '"*mnist" refers to nothing. Put the text in quotation marks.'),
        ("data: mnist\nseed: 'open\n", 3, "a quotation mark is not closed. Close it."),
        ("data: mnist\nseed 3\nnetwork: [Flatten]\n", 3, 'a ":" is missing after the name of a setting. Add it.'),
    ],
)
def test_what_is_not_yaml_names_its_line(text: str, line: int, problem: str, write: Write) -> None:
    path = write(text)
    assert message(lambda: read_document(path, "digits.yaml")) == (f"digits.yaml:{line}: not valid YAML: {problem}")


@pytest.mark.parametrize(
    "text",
    [
        "shared: &shared {units: 3}\nnetwork:\n  - LSTM:\n      <<: *shared\n      activation: relu\n",
        "network: !layers\n  - LSTM: {units: 3}\n",
        "network: !!omap [first: 1, second: 2]\n",
        "network:\n  - LSTM: {units: !big 3}\n",
        "network:\n  - LSTM: {units: !!set {a, b}}\n",
        "network:\n  - LSTM: {units: !!python/object:os.system x}\n",
    ],
    ids=["merge", "tagged list", "omap", "tagged value", "set", "python"],
)
def test_the_rarer_yaml_is_read_as_plain_values_or_refused(text: str, write: Write) -> None:
    def kinds(tree: Any) -> set[type]:
        parts = [*tree.keys(), *tree.values()] if type(tree) is dict else tree if type(tree) is list else []
        return {type(tree)}.union(*map(kinds, parts))

    path = write(text)
    try:
        found = kinds(read_document(path, "digits.yaml").values)
    except InvalidSetting as error:
        assert str(error).startswith("digits.yaml:")
    else:
        assert found <= {dict, list, str, int, float, bool, type(None)}


def test_a_control_character_is_refused(write: Write) -> None:
    path = write("data: \x01\n")
    assert message(lambda: read_document(path, "digits.yaml")) == (
        "digits.yaml:1: not valid YAML: the control character #x0001. Remove it."
    )


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "digits.yaml"
    assert message(lambda: read_document(path)) == (f"{path}: no such file. Check the path.")


def test_a_folder_and_what_is_not_text_are_refused(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: caf\xe9\n")
    assert message(lambda: read_document(latin)) == (f"{latin}: not a text file in UTF-8. Save it as UTF-8.")
    assert message(lambda: read_document(tmp_path)) == (
        f"{tmp_path}: expected an experiment file, got a folder. Name a file in it."
    )


# --set


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("training.epochs=5", ("training", "epochs"), 5),
        ("training.epochs = 5", ("training", "epochs"), 5),
        ("training.validation=test", ("training", "validation"), "test"),
        ("training.optimizer.Adam.learning_rate=1e-4", ("training", "optimizer", "Adam", "learning_rate"), 1e-4),
        ("training.early_stopping.patience=2", ("training", "early_stopping", "patience"), 2),
        ("network.1.LSTM.units=64", ("network", 1, "LSTM", "units"), 64),
        ("network.0.Flatten.name=flat", ("network", 0, "Flatten", "name"), "flat"),
        ("network.2=Flatten", ("network", 2), "Flatten"),
        ("network.2={Dense: {units: 3}}", ("network", 2, "Dense", "units"), 3),
        ("network=[Flatten]", ("network",), ["Flatten"]),
        ("seed=7", ("seed",), 7),
        ("name=a=b", ("name",), "a=b"),
        ("data=", ("data",), None),
    ],
)
def test_set_replaces_one_value(assignment: str, path: tuple[str | int, ...], value: object, digits: Document) -> None:
    changed: Any = digits.override([assignment]).values
    for key in path:
        changed = changed[key]
    assert changed == value
    assert type(changed) is type(value)


def test_set_leaves_everything_else_and_the_document_as_it_was(digits: Document) -> None:
    changed = digits.override(["network.1.LSTM.units=64"])
    assert changed.values["network"] == [
        "Flatten",
        {"LSTM": {"units": 64, "activation": "relu"}},
        {"Dense": {"units": 10}},
    ]
    assert digits.values["network"][1] == {"LSTM": {"units": 128, "activation": "relu"}}
    assert {key: value for key, value in changed.values.items() if key != "network"} == {
        key: value for key, value in digits.values.items() if key != "network"
    }


def test_the_last_of_several_sets_wins(digits: Document) -> None:
    changed = digits.override(["training.epochs=5", "training={}", "training.epochs=6"])
    assert changed.values["training"] == {"epochs": 6}
    assert changed.where(("training", "epochs")) == "--set training.epochs"


@pytest.mark.parametrize("assignment", ["training.epochs", "=5", ""])
def test_what_is_no_assignment_is_refused(assignment: str, digits: Document) -> None:
    assert message(lambda: digits.override([assignment])) == (
        f'--set: expected PATH=VALUE, got "{assignment}". Write for example: --set training.epochs=5'
    )


@pytest.mark.parametrize("index", ["3", "99", "-1", "x", "LSTM"])
def test_an_index_outside_a_list_is_refused(index: str, digits: Document) -> None:
    assert message(lambda: digits.override([f"network.{index}.LSTM.units=5"])) == (
        f'--set network.{index}.LSTM.units: expected an index from 0 to 2, got "{index}". Count from 0.'
    )


def test_another_layer_than_that_at_the_index_is_refused(digits: Document) -> None:
    assert message(lambda: digits.override(["network.1.LSTN.units=5"])) == (
        '--set network.1.LSTN.units: expected "LSTM" there, got "LSTN". Did you mean "LSTM"? '
        "Name the class that stands there, or replace all of it."
    )


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("network.0.LSTM.units", "'Flatten'", "LSTM"),
        ("training.epochs.more", "3", "more"),
        ("training.optimizer.SGD.learning_rate", "'Adam'", "SGD"),
    ],
)
def test_a_path_through_a_value_is_refused(path: str, value: str, key: str, digits: Document) -> None:
    assert message(lambda: digits.override([f"{path}=1"])).startswith(
        f'--set {path}: expected a setting with parts, got the value {value} before "{key}".'
    )


def test_a_value_that_is_not_yaml_is_refused(digits: Document) -> None:
    refusal = message(lambda: digits.override(["training.epochs=[1,"]))
    assert refusal.startswith("--set training.epochs")
    assert "not valid YAML: " in refusal


def test_an_unknown_setting_is_created_for_the_schema_to_refuse_where_it_was_typed(digits: Document) -> None:
    changed = digits.override(["nothing.known.here=1"])
    assert changed.values["nothing"] == {"known": {"here": 1}}
    assert changed.where(("nothing",)).startswith("--set nothing.known.here")
