"""The inputs of a network among the columns of a table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unrolled.data.cell_sequences import of_equal_length
from unrolled.data.cells import categories_of
from unrolled.data.columns import INPUTS, Column, find_usual_column
from unrolled.data.named_inputs import FEATURES
from unrolled.data.table import Table, format_list
from unrolled.data.values import is_missing, shown
from unrolled.errors import DataError, did_you_mean

import polars as pl

_FEWEST_STEPS = 2
MOST_CHANNELS = 16
"""The largest number of categories that become a channel each."""
BESIDE_TEXT = ("text", "numbers", "category", "sequence")
"""The kinds of columns that a network with several inputs reads beside a text."""
_READ_AS = {"category": "text", "text": "text", "identifier": "text", "sequence": "sequence"}
_WEEKDAYS = re.compile(r"(?i)(?:^|[\W_])(?:mon|tue|wed|thu|fri|sat|sun)(?:[a-z]*day)?(?:$|[\W_])")
_MONTHS = re.compile(
    r"(?i)(?:^|[\W_])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?:$|[\W_\d])"
)


def category_values(table: Table, name: str) -> list[str]:
    """Return the values of a column of categories.

    Raises:
        DataError: There are too many for a channel each.
    """
    cells = categories_of(table, name)
    values: list[str] = cells.filter(~is_missing(cells)).unique().sort().to_list()
    if len(values) > MOST_CHANNELS:
        raise DataError(
            f"{table.path}: {name}: expected at most {MOST_CHANNELS} different categories, a channel each, got "
            f"{len(values):,}. Leave it out, or give it an Embedding where rows are classified: inputs: "
            f"{{{name}: [Embedding: {{output_dim: 8}}], {FEATURES}: []}}"
        )
    return values


def is_a_feature(table: Table, column: Column, target: str | None) -> bool:
    """Return True for a category of few values that does not give the class of the target away."""
    if column.kind != "category":
        return False
    cells = table.frame[column.name]
    if cells.n_unique() > MOST_CHANNELS:
        return False
    if not target or target not in table.columns:
        return True
    pairs = pl.DataFrame({"value": cells, "class": table.frame[target]}).drop_nulls().unique()
    return bool(pairs["value"].is_duplicated().any())


@dataclass(frozen=True)
class ChosenInputs:
    """The inputs of a network, as ``TableSchema`` has them.

    Attributes:
        columns: The column of the texts or of the sequences, or the columns of the numbers.
        kind: The type of the inputs.
        categories: The columns whose values become channels.
        inputs: Of several inputs, the type of each by name.
    """

    columns: tuple[str, ...]
    kind: str
    categories: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


def choose_inputs(
    table: Table,
    named: tuple[str, ...],
    categories: tuple[str, ...] | None,
    others: dict[str, Column],
    series: str | None,
    kind: str | None,
    target: str | None,
    inputs: Sequence[str] = (),
) -> ChosenInputs:
    """Choose the columns of the inputs.

    Args:
        table: The table.
        named: The inputs that the user names, which may be categories.
        categories: The categories that the user names; None where they are to be found.
        others: The columns that have no other role.
        series: The column of series, if there is one.
        kind: ``steps`` or ``features``, if the user says which.
        target: The column of the class, if there is one.
        inputs: The names of the inputs of a network with several.

    Raises:
        DataError: There is no input, or it cannot be known which column is one.
    """
    if inputs:
        return _choose_several(table, inputs, named, categories, others, series, target)
    wanted = categories or tuple(
        name for name in named if (len(named) > 1 or series) and others[name].kind in ("category", "text")
    )
    others = {name: one for name, one in others.items() if name not in wanted}
    columns, found = _inputs(table, tuple(name for name in named if name not in wanted), others, series, wanted)
    if found == "steps" and series is None:
        found = kind or ("steps" if _are_steps(columns) and not wanted else "features")
    if found == "features" and not named and categories != ():
        wanted += tuple(name for name in others if is_a_feature(table, others[name], target))
    return ChosenInputs(columns, found, wanted)


def _choose_several(
    table: Table,
    names: Sequence[str],
    named: tuple[str, ...],
    categories: tuple[str, ...] | None,
    others: Mapping[str, Column],
    series: str | None,
    target: str | None,
) -> ChosenInputs:
    """Choose what each of several inputs reads: a column of its own, or all that are features."""
    if series is not None:
        raise DataError(
            f"{table.path}: inputs: expected an example in each row, got rows that are the steps of a {series}. "
            "Leave inputs out."
        )
    kinds = {name: _kind_of_input(table, name, named, categories or (), others) for name in names}
    columns: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    if "features" in kinds.values():
        rest = {name: one for name, one in others.items() if name not in kinds}
        columns, wanted = _choose_features(table, named, categories, rest, target)
        if not columns and not wanted:
            raise DataError(
                f"{table.path}: inputs.{FEATURES}: expected columns of numbers or categories, got none beside "
                f"{format_list(list(names))}. Leave it out."
            )
    for name in (*named, *(categories or ())):
        if name not in (*kinds, *columns, *wanted):
            raise DataError(
                f"{table.path}: {name}: expected a column that one of the inputs reads, got {_fact(others, name)}. "
                f"Add it to inputs, or leave it out of data.input."
            )
    return ChosenInputs(columns, "inputs", wanted, kinds)


def _choose_features(
    table: Table,
    named: Sequence[str],
    categories: Sequence[str] | None,
    rest: Mapping[str, Column],
    target: str | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of numbers and the categories among the columns that are no inputs of their own."""
    columns = tuple(name for name in named or rest if name in rest and rest[name].kind == "numbers")
    wanted = tuple(name for name in categories or () if name in rest)
    if not named and categories != ():
        wanted += tuple(name for name in rest if name not in wanted and is_a_feature(table, rest[name], target))
    return tuple(name for name in columns if name not in wanted), wanted


def _fact(columns: Mapping[str, Column], name: str) -> str:
    return columns[name].fact if name in columns else "a column of another role"


def _kind_of_input(
    table: Table, name: str, texts: Sequence[str], categories: Sequence[str], others: Mapping[str, Column]
) -> str:
    """Return the type of one of several inputs."""
    if name == FEATURES and name not in table.columns:
        return "features"
    if name not in table.columns:
        raise DataError(
            f"{table.path}: inputs.{name}: no such column.{did_you_mean(name, (*table.columns, FEATURES))} Name a "
            f"column, or {FEATURES} for all columns of numbers and categories."
        )
    if name not in others:
        raise DataError(f"{table.path}: inputs.{name}: the column has another role, such as target. Leave it out.")
    kind = "category" if name in categories else others[name].kind
    if kind == "category" and name in texts:
        return "text"
    if kind in ("text", "category", "sequence"):
        return kind
    raise DataError(
        f"{table.path}: inputs.{name}: expected a column of texts, categories or sequences, got {others[name].fact}. "
        f"Columns of numbers are read together: inputs: {{{FEATURES}: []}}"
    )


def _inputs(
    table: Table, named: tuple[str, ...], columns: Mapping[str, Column], series: str | None, categories: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Return the columns of the inputs, and the type of the inputs; sequences of equal length are channels of one."""
    if named:
        kinds = {columns[name].kind if name in columns and series is None else "numbers" for name in named}
        kind = kinds.pop() if len(named) == 1 or kinds == {"sequence"} else "numbers"
        return named, _READ_AS.get(kind, "steps")
    by_kind: dict[str, list[str]] = {}
    for name, one in columns.items():
        by_kind.setdefault(one.kind, []).append(name)
    texts, sequences, numbers = (by_kind.get(kind, []) for kind in ("text", "sequence", "numbers"))
    if series is not None:
        texts, sequences = _steps_of_numbers(table, [*texts, *by_kind.get("category", [])], numbers), []
    if sequences and not texts and of_equal_length(table, sequences) == tuple(sequences):
        return tuple(sequences), "sequence"
    if cells := [*texts, *sequences]:
        name = cells[0] if len(cells) == 1 else find_usual_column(table, INPUTS, "input")
        return (name,), "sequence" if name in sequences else "text"
    if numbers:
        return tuple(numbers), "steps"
    if categories:
        return (), "steps"
    if len(others := by_kind.get("category", [])) == 1:
        return (others[0],), "text"
    if others:
        return (), "steps"
    raise _no_input(table, columns)


def _are_steps(names: Sequence[str]) -> bool:
    """Return True if columns are the steps of one series: numbered, or named after the days or the months."""
    if len(names) < _FEWEST_STEPS:
        return False
    if any(all(words.search(name) for name in names) for words in (_WEEKDAYS, _MONTHS)):
        return True
    found = [re.fullmatch(r"(.*?)([-+]?\d+(?:[.,]\d+)?)(\D*)", name) for name in names]
    if not all(found):
        return False
    stems = {(one[1], one[3]) for one in found if one}
    numbers = [float(one[2].replace(",", ".")) for one in found if one]
    return len(stems) == 1 and (numbers == sorted(numbers) or numbers == sorted(numbers, reverse=True))


def _steps_of_numbers(table: Table, texts: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Refuse columns of text where the steps of a series are numbers."""
    if texts:
        raise DataError(
            f'{table.path}: {texts[0]}: expected numbers in the columns of a series, got text such as "'
            f'{_first(table, texts[0])}". Name the columns of numbers: input: [{", ".join(numbers[:3])}]'
        )
    return []


def _no_input(table: Table, columns: Mapping[str, Column]) -> DataError:
    found = "; ".join(f"{one.name}: {one.fact}" for one in list(columns.values())[:6]) or "the target alone"
    first = next((name for name, one in columns.items() if one.kind in ("identifier", "category")), table.columns[0])
    return DataError(
        f"{table.path}: cannot tell which column is the input: {found}. Name it: data: {{file: {table.path.name}, "
        f"input: {first}}}; to forecast a column, name it as the input and leave the target out"
        + (f".{table.format_sheets()}" if table.other_sheets else "")
    )


def _first(table: Table, name: str) -> str:
    return shown(table.frame[name].drop_nulls()[0])
