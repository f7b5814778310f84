"""Tables on the terminal stay legible whatever their width."""

from collections.abc import Sequence

from unrolled.cli.forecasts import print_forecast
from unrolled.cli.output import print_evaluation, print_predictions
from unrolled.cli.tables import add_row, table_of, wrap_words
from unrolled.runs.forecasts import SeriesForecast, TableForecast
from unrolled.tasks.metrics import Evaluation

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table


def printed(table: Table, width: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    Console(highlight=False, width=width).print(table)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def filled(headers: Sequence[str], *rows: Sequence[str]) -> Table:
    table = table_of(*headers)
    for row in rows:
        add_row(table, *row)
    return table


def test_a_table_that_does_not_fit_is_printed_in_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    table = filled(["step", *(f"channel{n}" for n in range(9))], ["+1", *(f"{n}.5" for n in range(9))])
    lines = printed(table, 40, capsys)
    assert [line.split() for line in lines if line.startswith("step")] == [
        ["step", "channel0", "channel1", "channel2"],
        ["step", "channel3", "channel4", "channel5"],
        ["step", "channel6", "channel7", "channel8"],
    ]
    assert [line.split()[1:] for line in lines if line.startswith("+1")] == [
        ["0.5", "1.5", "2.5"],
        ["3.5", "4.5", "5.5"],
        ["6.5", "7.5", "8.5"],
    ]
    assert max(map(len, lines)) <= 40


def test_text_is_wrapped_between_words_and_names_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    table = filled(["setting", "value"], ["network[7].Dense.activation", "softmax or sigmoid or none of them at all"])
    lines = printed(table, 50, capsys)
    assert lines[2].startswith("network[7].Dense.activation   ")
    assert " ".join(line[30:].strip() for line in lines[2:]) == "softmax or sigmoid or none of them at all"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("network[7].Dense.activation", ["network[7].Dense.", "activation"]),
        ("runs/20260102T030405Z-digits", ["runs/", "20260102T030405Z-", "digits"]),
        ("accuracy 0.98765432 10.5 %", ["accuracy 0.98765432", "10.5 %"]),
    ],
)
def test_paths_are_broken_between_their_parts_and_numbers_nowhere(text: str, lines: list[str]) -> None:
    assert wrap_words(text, 20).split("\n") == lines


def test_a_cell_of_brackets_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(filled(["class", "n"], ["[red]", "1"]), 40, capsys)[2].split() == ["[red]", "1"]


def test_a_forecast_of_twenty_series_has_every_name_and_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    values = np.arange(60.0).reshape(3, 20) * 1000
    one = SeriesForecast("", values, values)
    print_forecast(TableForecast([one], tuple(f"Shop {n}" for n in range(20))), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for number in range(20):
        assert any(f"Shop {number}" in line for line in lines)
    first = [word for line in lines if line.startswith("+1") for word in line.split()[1:]]
    assert first == [f"{value:,.0f}" for value in values[0]]


def test_predictions_have_the_class_and_the_probabilities(capsys: pytest.CaptureFixture[str]) -> None:
    print_predictions(
        [{"text": "a film", "label": "good", "probabilities": {"bad": 0.2, "good": 0.8}}], 1, as_json=False
    )
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["text", "prediction", "probabilities"]
    assert "good 80.0 %" in out
    assert "bad" not in out


def test_an_evaluation_is_printed_beside_its_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    baselines = {"majority class": {"accuracy": 0.5}, "TF-IDF": {"accuracy": 0.875}}
    evaluation = Evaluation(
        60, {"accuracy": 0.75, "loss": 0.25}, "accuracy", is_higher_better=True, baselines=baselines
    )
    print_evaluation(evaluation, as_json=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "method accuracy",
        "this network 0.7500",
        "majority class 0.5000",
        "TF-IDF 0.8750",
        "accuracy 0.7500 loss 0.2500 examples 60",
        "not better than the best baseline, TF-IDF (accuracy 0.8750)",
    ):
        assert line in lines
