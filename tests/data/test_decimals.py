"""Decimal points and commas: in the table a network is trained on, and in those that it reads later."""

from pathlib import Path

from unrolled.data.formats import ReadContext, read_inputs, read_labeled
from unrolled.data.registry import load_config_data
from unrolled.data.schema import TableSchema
from unrolled.data.tables import read_table
from unrolled.errors import DataError

import numpy as np
import pytest

COMMAS = "a;b;label\n193,37;1.200,5;x\n81,5;2.000,25;y\n7,25;12;x\n8,5;900;y\n"
POINTS = "a,b,label\n193.37,1200.5,x\n81.5,2000.25,y\n7.25,12,x\n8.5,900,y\n"


def written(folder: Path, content: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def trained(folder: Path, content: str) -> TableSchema:
    return TableSchema.decide(read_table(written(folder, content)), target="label")


@pytest.mark.parametrize(
    ("training", "content", "expected", "changed"),
    [
        (COMMAS, "a,b\n193.375,1200.5\n0.375,12\n", [[193.375, 0.375], [1200.5, 12]], "a, b"),
        (COMMAS, "a,b\n193.375,1.5\n149.125,12.5\n", [[193.375, 149.125], [1.5, 12.5]], "a, b"),
        (COMMAS, "a,b\n193.375,1234.567\n81.5,900.125\n", [[193.375, 81.5], [1234.567, 900.125]], "a, b"),
        (COMMAS, 'a,b\n12.5,"1,234.5"\n1.234e-05,7.0\n', [[12.5, 1.234e-05], [1234.5, 7]], "a, b"),
        (COMMAS, "a;b\n1.234;0,5\n2.345;1,5\n", [[1234, 2345], [0.5, 1.5]], ""),
        (COMMAS, "a;b\n1.234;12\n2.345;13\n", [[1234, 2345], [12, 13]], ""),
        (COMMAS, "a;b\n0.5;0,5\n1.234;1,5\n", [[0.5, 1.234], [0.5, 1.5]], "a"),
        (POINTS, "a;b\n0,436;99,125\n0,436;98,500\n", [[0.436, 0.436], [99.125, 98.5]], "a, b"),
        (POINTS, "a;b\n0,436;1.234,5\n12;7\n", [[0.436, 12], [1234.5, 7]], "a, b"),
        (POINTS, 'a,b\n0.5,"1,234"\n1.5,"2,345"\n', [[0.5, 1.5], [1234, 2345]], ""),
        (POINTS, "a;b\n1,436;99,125\n1,170;98,500\n", [[1436, 1170], [99125, 98500]], ""),
    ],
)
def test_another_table_is_read_by_the_decimal_separator_that_it_shows(
    training: str, content: str, expected: list[list[float]], changed: str, tmp_path: Path
) -> None:
    table = trained(tmp_path, training).read(written(tmp_path, content, "u.csv"))
    np.testing.assert_allclose([table.numbers(name) for name in "ab"], expected)
    here, there = ("point", "comma") if training is COMMAS else ("comma", "point")
    note = f"u.csv: numbers are read with a decimal {here}, in training with a decimal {there}: {changed}"
    assert table.note == (note if changed else "")


@pytest.mark.parametrize(
    ("training", "content", "message"),
    [
        (COMMAS, "a;b\n0.375;1\n12,5;2\n", 'u.csv:2: a: expected a number with a decimal comma, got "0.375"'),
        (POINTS, "a;b\n12.5;1\n0,375;2\n", 'u.csv:3: a: expected a number with a decimal point, got "0,375"'),
    ],
)
def test_a_column_with_both_separators_is_refused(training: str, content: str, message: str, tmp_path: Path) -> None:
    table = trained(tmp_path, training).read(written(tmp_path, content, "u.csv"))
    with pytest.raises(DataError) as refused:
        table.numbers("a")
    assert message in str(refused.value)
    assert str(refused.value).endswith("Write the numbers of a column alike.")


@pytest.mark.parametrize(("decimal", "cell"), [(",", "0.375"), (".", "0,375"), (",", "01.375"), (",", "1.234e-05")])
def test_no_group_of_thousands_stands_behind_a_zero_or_before_an_exponent(
    decimal: str, cell: str, tmp_path: Path
) -> None:
    table = read_table(written(tmp_path, f"a;label\n1;x\n{cell};y\n"), decimal=decimal)
    with pytest.raises(DataError, match=r"t\.csv:3: a: expected a number with a decimal"):
        table.numbers("a")


def test_predictions_and_evaluations_say_that_the_separator_differs(tmp_path: Path) -> None:
    context = ReadContext("series", ("x", "y"), schema=trained(tmp_path, COMMAS))
    path = written(tmp_path, POINTS, "u.csv")
    assert "numbers are read with a decimal point" in "".join(read_inputs(path, context).notes)
    assert np.asarray(read_labeled(path, context).inputs[0]).tolist() == [[193.37, 1200.5]]
    assert ["numbers are read with a decimal point" in note for note in context.notes] == [True]


def test_dots_before_three_digits_are_asked_for_where_semicolons_divide_the_cells(tmp_path: Path) -> None:
    path = written(tmp_path, "n;label\n1.284;a\n2.345;b\n13.456;a\n4.567;b\n")
    with pytest.raises(DataError) as refused:
        load_config_data(file=str(path))
    message = "n: cannot tell if 1.284 means 1.284 or 1284. Set decimal: '.' for 1.284, or decimal: ',' for 1284"
    assert message in str(refused.value)
    np.testing.assert_allclose(read_table(path, decimal=".").numbers("n"), [1.284, 2.345, 13.456, 4.567])
    np.testing.assert_allclose(read_table(path, decimal=",").numbers("n"), [1284, 2345, 13456, 4567])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("n;label\n1.284;a\n0.345;b\n", [1.284, 0.345]),
        ("n;label\n1.284;a\n2.34;b\n", [1.284, 2.34]),
        ("n;label\n1.284;a\n1234.567;b\n", [1.284, 1234.567]),
        ("n;m;label\n1.284;0.5;a\n2.345;1.5;b\n", [1.284, 2.345]),
        ("n;m;label\n1.284;0,5;a\n2.345;1,5;b\n", [1284, 2345]),
        ("Monat;n;m\n01.2023;1.284;0,5\n02.2023;2.345;1,5\n", [1284, 2345]),
        ("n,label\n1.284,a\n2.345,b\n", [1.284, 2.345]),
        ("n\tlabel\n1.284\ta\n2.345\tb\n", [1.284, 2.345]),
    ],
)
def test_dots_are_decimal_where_the_file_tells(content: str, expected: list[float], tmp_path: Path) -> None:
    np.testing.assert_allclose(read_table(written(tmp_path, content)).numbers("n"), expected)
