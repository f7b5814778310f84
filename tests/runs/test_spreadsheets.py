"""CSV that is opened in a spreadsheet computes nothing of what strangers wrote."""

import csv
import io

from unrolled.cli.forecasts import write_backtest
from unrolled.comparison.backtest import Backtest
from unrolled.data.frames import read_source
from unrolled.runs.forecasts import SeriesForecast, TableForecast
from unrolled.runs.inference import write_predictions, write_table
from unrolled.runs.spreadsheets import as_text

import numpy as np
import polars as pl
import pytest

FORMULAS = (
    "=1+1",
    "=cmd|'/C calc'!A0",
    "+A1",
    "-A1",
    "-2+3*cmd",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\uff1d1+1",
)
VALUES = ("-1.5", "+1", "-1e-05", "-inf", "-1,5", "- ", "--", "-", "+5 %", "1=1", "a-b", "", "'=1", "2024-01-01")


def read(stream: io.StringIO) -> list[list[str]]:
    return list(csv.reader(io.StringIO(stream.getvalue(), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize("text", VALUES)
def test_numbers_and_other_texts_stay(text: str) -> None:
    assert as_text(text) == text
    assert as_text(-1.5) == -1.5


def test_predictions_have_no_formula_in_any_cell() -> None:
    prediction = {"text": "=1+1", "label": "@a", "probabilities": {"@a": 0.75}, "values": {"-height": -1.5}}
    of_texts, of_rows = io.StringIO(), io.StringIO()
    write_predictions([prediction], of_texts)
    assert read(of_texts) == [["text", "label", "p(@a)", "'-height"], ["'=1+1", "'@a", "0.750000", "-1.500000"]]
    table = read_source(pl.DataFrame({"=a": ["+A1"], "b": ["-2.50"]}))
    write_table(table, [prediction], of_rows)
    header, row = read(of_rows)
    assert (header[:2], row[:2]) == (["'=a", "b"], ["'+A1", "-2.50"])


def test_forecasts_and_backtests_have_no_formula_in_any_cell() -> None:
    one = SeriesForecast("=shop", np.zeros((2, 1)), np.array([[-1.5]]), times=["2024-01-01"])
    stream = io.StringIO()
    TableForecast([one], ("=sales",), "shop", "day").write(stream)
    assert read(stream) == [["shop", "day", "'=sales"], ["'=shop", "2024-01-01", "-1.5"]]
    row, stream = {"series": "=shop", "@a: actual": -1.5}, io.StringIO()
    write_backtest(Backtest(1, 1, 1, refit=False, quantiles=(), methods={}, by_series={}, rows=[row]), stream)
    assert read(stream) == [["series", "'@a: actual"], ["'=shop", "-1.5"]]
