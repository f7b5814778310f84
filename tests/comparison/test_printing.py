"""Comparisons and lists of runs in terminals of 80 characters and less: no name is broken in the middle of a word."""

import re
from pathlib import Path

import unrolled
from tests.comparison.written_runs import experiment_of, write_group, write_run
from unrolled.cli.output import print_comparison, print_runs
from unrolled.cli.tables import print_rows, wrap_words
from unrolled.comparison.listing import list_runs

import pytest
from rich.console import Console

DEEP = [
    "network.2={Bidirectional: {layer: {LSTM: {units: 64, activation: relu, return_sequences: true}}}}",
    "training.optimizer={AdamW: {learning_rate: {OneCycle: {peak: 0.01}}, weight_decay: 0.0001}}",
]


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]{2,}", text)


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


@pytest.mark.parametrize("columns", [80, 60, 40], indirect=True)
def test_a_comparison_breaks_no_word(columns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_group(tmp_path, {0: 0.97, 1: 0.98}, name="bidirectional-with-dropout")
    comparison = unrolled.compare(first, write_group(tmp_path, {0: 0.97, 1: 0.98}, name="deep", settings=DEEP))
    print_comparison(comparison, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    (difference,) = comparison.differences
    known = {word for line in lines for word in words(line)}
    assert len(difference.settings) >= 2
    for setting in difference.settings:
        assert set(words(setting.path)) <= known
    assert {"bidirectional", "return_sequences", "weight_decay", "accuracy", "learning_rate"} <= known


@pytest.mark.parametrize("columns", [80, 30], indirect=True)
def test_many_arms_are_not_crushed(columns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiments = [experiment_of(f"arm-{n}-with-a-long-name", [f"network.1.LSTM.units={n}"]) for n in range(10, 32)]
    runs = [write_run(tmp_path, 0.9 + n / 1000, experiment=one) for n, one in enumerate(experiments)]
    print_comparison(unrolled.compare(*runs), as_json=False)
    output = capsys.readouterr().out
    for number, run in enumerate(runs):
        assert f" {0.9 + number / 1000:.4f}" in output
        assert run.config.name.removesuffix("-name") in output.replace("\n", "") or columns < 80
    assert "475" in output


@pytest.mark.parametrize("columns", [80], indirect=True)
def test_the_list_of_runs_fits(columns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(22):
        write_run(tmp_path, 0.9, experiment=experiment_of(f"a-rather-long-name-of-run-{number}"))
    write_group(tmp_path, {0: 0.8, 1: 0.9}, name="group-of-runs").ask_for([2])
    print_runs(*list_runs(tmp_path), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].split() == ["folder", "status", "seed", "data", "test", "epochs", "seconds"]
    assert sum("finished" in line for line in lines) == 22
    assert sum("0.9000" in line for line in lines) == 22
    assert any(line.split()[:1] in (["a-rather-long-name-of-run-7"], ["run-7"]) for line in lines)
    assert any("incomplete" in line for line in lines)


def test_a_table_that_does_not_fit_is_printed_in_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    header = ("name", *(f"metric{number}" for number in range(30)))
    print_rows(Console(width=80), header, [("first", *(f"v{number}" for number in range(30)))], right=header[1:])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if line.startswith("name")]
    values = [line.split() for line in lines if line.startswith("first")]
    assert [name for head in heads for name in head[1:]] == list(header[1:])
    assert [value for row in values for value in row[1:]] == [f"v{number}" for number in range(30)]


def test_text_is_wrapped_behind_separators_and_nothing_is_lost() -> None:
    for text in ("network[7].Dense.activation", "LSTM: {units: 128, activation: relu}", "a/path/of/files", "", "a  b"):
        for width in range(1, 60):
            assert re.sub(r"\s", "", wrap_words(text, width)) == re.sub(r"\s", "", text)
    assert wrap_words("network[7].Dense.activation", 20).splitlines() == ["network[7].Dense.", "activation"]
