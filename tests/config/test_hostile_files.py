"""Experiment files from strangers: each is read, or refused in one line, in little time and memory."""

import os
import random
from pathlib import Path
from typing import Any

from unrolled.config.document import parse_yaml, read_document
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.errors import InvalidSetting, UnrolledError

import pytest

CASES = int(os.environ.get("UNROLLED_FUZZ_CASES", "1500"))

# Ten to the power of eight values in 400 characters.
REPEATED = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}' if before else 'x'] * 10)}]\n"
    for before, name in zip(["", *"abcdefg"], "abcdefgh", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}], {name}: 1}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MINIMAL = "data: mnist\nnetwork: [LSTM: {units: 4}]\n"


def refused(text: str) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(InvalidSetting) as caught:
        ExperimentConfig.parse(ExperimentConfig.read_document(parse_yaml(text, "digits.yaml")))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (REPEATED, 5),
        (REPEATED + "network: *h\n", 5),
        (MERGED, 6),
        ("network: [" + "x, " * 100_000 + "]", 1),
    ],
    ids=["lists", "in the network", "merged mappings", "without aliases"],
)
def test_a_few_bytes_stand_for_no_more_values_than_fit(text: str, line: int) -> None:
    message = (
        f"digits.yaml:{line}: expected at most 100,000 values, got more once aliases are expanded. Leave some out."
    )
    assert refused(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "network: " + "[" * 5000,
        "network: " + "{a: " * 3000,
        "network:\n  " + "- " * 3000,
        "a: &a [*a]",
        "a: &a {<<: *a}",
    ],
    ids=["lists", "mappings", "items", "of itself", "merged into itself"],
)
def test_nothing_is_nested_without_end(text: str) -> None:
    assert "expected at most 20 levels of settings, got more" in refused(text)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "digits.yaml"
    path.write_text(MINIMAL + "#" * 1_000_000)
    with pytest.raises(InvalidSetting, match="expected at most 1,000,000 characters, got more"):
        read_document(path)


def test_a_device_without_end_is_not_read() -> None:
    with pytest.raises(InvalidSetting, match="expected at most 1,000,000 characters, got more"):
        read_document(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("{a: &b {x: 1}, c: {<<: *b}}", {"a": {"x": 1}, "c": {"x": 1}}),
        ("{a: &b {x: 1}, c: {<<: *b, x: 2}}", {"a": {"x": 1}, "c": {"x": 2}}),
        ("{a: &b {x: 1}, c: {x: 2, <<: *b}}", {"a": {"x": 1}, "c": {"x": 2}}),
        ("{a: &b {x: 1}, c: &d {x: 2, y: 3}, e: {<<: [*b, *d]}}", {"x": 1, "y": 3}),
        ("{a: &b {x: 1}, c: &d {<<: *b, y: 2}, e: {<<: *d}}", {"x": 1, "y": 2}),
        ("{e: {<<: []}}", {}),
        ('{e: {"<<": 1}}', {"<<": 1}),
    ],
)
def test_mappings_are_merged_as_yaml_says(written: str, values: dict[str, Any]) -> None:
    read = parse_yaml(written, "text")
    assert read.get("e", read) == values


def test_a_setting_that_is_merged_in_is_located_where_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "digits.yaml"
    path.write_text("data: mnist\nnetwork:\n  - LSTM: &b\n      units: 4\n  - LSTM:\n      <<: *b\n      dropout: 0\n")
    document = read_document(path, "digits.yaml")
    assert document.where(("network", 1, "LSTM", "units")) == "digits.yaml:4: network[1].LSTM.units"
    assert document.where(("network", 1, "LSTM", "dropout")) == "digits.yaml:7: network[1].LSTM.dropout"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("0x" + "f" * 5000, "expected a whole number below 2^63, got 0xffffffffffffffffff… (5,002 characters)"),
        ("9223372036854775808", "expected a whole number below 2^63, got 9223372036854775808"),
        ("-1" + "0" * 400, "expected a whole number below 2^63"),
        ("1e999", "expected a number below 1.8e308, got 1e999"),
        ("._", 'expected a number, got "."'),
        (r'"a\0b"', "expected text, got the character NUL"),
        (r'"\ud83d"', "expected text, got half of a character"),
        (r'"\UFFFFFFFF"', "not valid YAML: the line cannot be parsed"),
        ("!!python/object/apply:os.system [ls]", "expected plain YAML, got a tag"),
        ("!!binary aGVsbG8=", "expected plain YAML, got a tag"),
        ("!!int x", "expected plain YAML, got a tag"),
        ("{<<: 3}", "expected a mapping to merge behind <<"),
        ("{? [a] : 3}", "expected the name of a setting, got a list or a mapping"),
        ("{.nan: 3}", "expected the name of a setting, got nan"),
        ("{? " + "k" * 1001 + " : 3}", "expected a name of at most 1,000 characters, got 1,001"),
        ("*nothing", '"*nothing" refers to nothing'),
        ("3\n---\n4", "a second document begins"),
        ("3\n%YAML 1.1\n---\n4", "not valid YAML"),
    ],
)
def test_a_value_that_is_none_is_refused_with_its_line(written: str, problem: str) -> None:
    message = refused(f"{MINIMAL}seed: {written}\n")
    assert problem in message
    assert message.startswith("digits.yaml:")
    assert len(message) < 300


def test_another_version_of_yaml_is_refused() -> None:
    assert (
        refused("%YAML 1.1\n---\nseed: no\n")
        == "digits.yaml:2: expected YAML 1.2, got YAML 1.1. Remove the line %YAML."
    )


@pytest.mark.parametrize("written", ["2026-01-31", "2026-99-99", "2026-01-31 10:30:00"])
def test_a_date_stays_the_text_that_it_is(written: str) -> None:
    assert parse_yaml(written, "text") == written


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"training": {"class_weights": {"a": 10**400}}}, 'for class "a", got a number beyond 2^63'),
        ({"data": {"file": "a.csv", "split": {"time": 10**400}}}, "data.split.time"),
        ({"data": {"file": "a.csv", "fill": {"x": 10**400}}}, "data.fill.x"),
        ({"network": [{"Dropout": {"rate": 10**5000}}]}, "whole numbers below 2^63 as arguments"),
        ({"task": []}, "task: expected text, got an empty list"),
        ({"name": "x" * 250}, "name: expected text of at most 200 characters"),
    ],
)
def test_settings_from_python_are_refused_in_one_short_line(settings: dict[str, Any], problem: str) -> None:
    from unrolled.model.build import check_config

    with pytest.raises(InvalidSetting) as caught:
        check_config(ExperimentConfig.load({"data": "mnist", "network": [{"LSTM": {"units": 4}}], **settings}))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["network." + "9" * 5000, ".".join("a" * 30)], ids=["digits", "names"])
def test_a_path_on_the_command_line_has_an_end(path: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^--set"):
        ExperimentConfig.load("mnist-rows", overrides=[f"{path}=1"])


def test_a_value_on_the_command_line_has_no_line() -> None:
    with pytest.raises(InvalidSetting, match=r"^--set seed: expected a whole number below 2\^63, got 1000"):
        ExperimentConfig.load("mnist-rows", overrides=["seed=1" + "0" * 5000])


def test_a_file_with_a_long_name_has_a_folder_that_can_be_made(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.yaml"
    path.write_text(MINIMAL)
    assert ExperimentConfig.load(path).name == "x" * 200


PIECES = [
    "&a ", "*a", "*a", "<<: *a", "[", "]", "{", "}", ": ", "- ", "? ", "| ", "> ", "! ", "!!int ", "!x ", "'", '"',
    "%YAML 1.1\n---\n", "---\n", "...\n", "\n", "\t", "  ", "\0", "\x1b", "\x85", "\u2028", "\ufeff", "\\ud800", "#",
    "0x" + "f" * 400, "1" + "0" * 400, "1e999", ".nan", ".inf", "-0", "0o", "0b2", "._", "~", "null", "true", "é",
    "2026-01-01", "\U0001f600", "x" * 300, "{class_name: Lambda, config: {}}", "{search: [1, 2]}", "Lambda", "LSTM",
    "network: ", "data: ",
]  # fmt: skip


def spoilt(text: str, draw: random.Random) -> str:
    """Return a text with pieces put in, cut out, doubled or replaced."""
    for _ in range(draw.choice([1, 1, 2, 4, 8])):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice([0, 0, 1, 5, 40]))
        middle = draw.choice(
            [draw.choice(PIECES), draw.choice(PIECES), "", text[start:end] * 2, draw.choice(text or "x")]
        )
        text = text[:start] + middle + text[end:]
    return text


@pytest.mark.parametrize("quarter", range(4))
def test_a_spoilt_text_is_an_experiment_or_one_line(quarter: int, tmp_path: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in recipes().values()]
    path, read = tmp_path / "spoilt.yaml", 0
    for number in range(quarter * CASES // 4, (quarter + 1) * CASES // 4):
        draw = random.Random(number)
        text = spoilt(draw.choice([*texts, REPEATED, MERGED]), draw)
        path.write_text(text, encoding="utf-8", newline="")
        try:
            config = ExperimentConfig.load(path)
            path.write_text(config.to_yaml(), encoding="utf-8")
            assert ExperimentConfig.load(path) == config
            read += 1
        except UnrolledError as error:
            assert "\n" not in str(error), f"case {number}: {text!r}"
            assert len(str(error)) < 1500, f"case {number}: {text!r}"
        except Exception as error:
            raise AssertionError(f"case {number}: {text!r}") from error
    assert 0 < read < CASES
