"""Conversion of the columns of a table to the inputs of a network with several."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from unrolled.data.named_inputs import NamedInputs
from unrolled.data.texts import Texts
from unrolled.errors import InvalidInput

import numpy as np
import polars as pl
from numpy.typing import NDArray

Shape = tuple[int | None, ...]


def keras_names(columns: Iterable[str]) -> dict[str, str]:
    """Return a name that every backend of Keras accepts for each of several inputs: its own, or ``input_2``.

    Example:
        >>> keras_names(["review", "Text (é)"])
        {'review': 'review', 'Text (é)': 'input_1'}
    """
    plain = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
    return {
        name: name if plain.fullmatch(name) and not name.startswith("input_") else f"input_{index}"
        for index, name in enumerate(columns)
    }


class ColumnPreprocessor(Protocol):
    """The conversion of one input."""

    @property
    def shape(self) -> Shape:
        """The shape of one example; None for a length that varies."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of an encoded example in a batch."""

    @property
    def dtype(self) -> str:
        """The dtype of an encoded example."""

    @property
    def vocabulary(self) -> int | None:
        """Number of different tokens or categories, if there are such."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user."""

    def encode(self, inputs: Any) -> Any:
        """Return [B] examples as the network takes them."""

    def to_json(self) -> dict[str, Any]:
        """Return what a run keeps of it."""


@dataclass(frozen=True)
class FeaturesPreprocessor:
    """Features [F] of an example; the network's first layer scales them.

    Attributes:
        mean: [F] of the training examples.
        scale: [F] standard deviation of the training examples, 1 where it is 0.
        offset: [F] what is subtracted in float64 before the network reads float32, or None.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...] | None = None
    dtype: str = "float32"
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return (len(self.mean),)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of an encoded example in a batch."""
        return ((len(self.mean),),)

    def encode(self, inputs: Any) -> NDArray[np.float32]:
        """Return [B, F], NaN where a value is missing.

        Raises:
            InvalidInput: They are no numbers, or have another number of features.
        """
        try:
            values = np.asarray(inputs, np.float64)
        except (ValueError, TypeError):
            raise InvalidInput("predict: features: expected numbers. Give every example all features.") from None
        if values.ndim != 2 or values.shape[1] != len(self.mean):
            raise InvalidInput(
                f"predict: features: expected numbers [B, {len(self.mean)}], got {list(values.shape)}. "
                "Give every example all features."
            )
        narrow: NDArray[np.float32] = (values - np.array(self.offset or 0.0)).astype(np.float32)
        return narrow

    def to_json(self) -> dict[str, Any]:
        """Return what a run keeps of it."""
        values = {"kind": "features", "mean": list(self.mean), "scale": list(self.scale)}
        return values if self.offset is None else {**values, "offset": list(self.offset)}


@dataclass(frozen=True)
class CategoryPreprocessor:
    """Categories as numbers: that of a value among those of the training examples, 0 for any other.

    Attributes:
        values: The values of the training examples.
    """

    values: tuple[str, ...]
    shape: Shape = ()
    shapes: tuple[tuple[int, ...], ...] = ((),)
    dtype: str = "int32"
    notes: tuple[str, ...] = ()

    @property
    def vocabulary(self) -> int:
        """Number of different values, with that for any other."""
        return len(self.values) + 1

    @classmethod
    def fit(cls, train: Texts) -> "CategoryPreprocessor":
        """Fit the values of the training examples."""
        values = pl.concat(list(train.columns())).unique().sort()
        return cls(tuple(values.filter(values != "").to_list()))

    def encode(self, inputs: Any) -> NDArray[np.int32]:
        """Return [B] numbers from 0 to the number of values."""
        columns = list((inputs if isinstance(inputs, Texts) else Texts.of([str(one) for one in inputs])).columns())
        known = pl.concat(columns).cast(pl.Enum(self.values), strict=False).to_physical()
        numbers: NDArray[np.int32] = (known.cast(pl.Int32) + 1).fill_null(0).to_numpy()
        return numbers

    def to_json(self) -> dict[str, Any]:
        """Return what a run keeps of it."""
        return {"kind": "category", "values": list(self.values)}


@dataclass(frozen=True)
class ColumnsPreprocessor:
    """Several inputs by name, each with a conversion of its own.

    Attributes:
        parts: The conversion of each input.
    """

    parts: Mapping[str, ColumnPreprocessor] = field(default_factory=dict)
    vocabulary: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks of all."""
        return tuple(f"{name}: {note}" for name, part in self.parts.items() for note in part.notes)

    @cached_property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """By name of the network's input, the lengths to which an input of unequal lengths is padded."""
        unequal = {name: part for name, part in self.parts.items() if None in part.shape}
        return {self.names[name]: tuple(shape[0] for shape in part.shapes) for name, part in unequal.items()}

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of the network's inputs."""
        return keras_names(self.parts)

    def encode(self, inputs: Any) -> NamedInputs:
        """Return [B] examples with all inputs.

        Args:
            inputs: ``NamedInputs``, or for each example a mapping from the names to its inputs.

        Raises:
            InvalidInput: An input is missing or of another type, or there are no examples.
        """
        if not isinstance(inputs, NamedInputs):
            inputs = self._by_name(inputs)
        encoded = {self.names[name]: part.encode(inputs.parts[name]) for name, part in self.parts.items()}
        return NamedInputs(encoded, self.sizes)

    def _by_name(self, rows: Any) -> NamedInputs:
        """Return examples given one by one."""
        names = ", ".join(self.parts)
        rows = rows if isinstance(rows, str | Mapping) else list(rows)
        if isinstance(rows, str | Mapping) or not all(isinstance(row, Mapping) for row in rows):
            raise InvalidInput(
                f"predict: expected examples with the inputs {names}. Give a data frame with the columns of the "
                "training table, or a list of dicts."
            )
        if not len(rows):
            raise InvalidInput("predict: expected examples, got none. Give one or more.")
        for name in self.parts:
            missing = next((index for index, row in enumerate(rows) if name not in row), None)
            if missing is not None:
                raise InvalidInput(f'predict: example {missing} has no input "{name}". Its inputs: {names}.')
        return NamedInputs({name: [row[name] for row in rows] for name in self.parts})

    def blank_batches(self, size: int) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield ``size`` examples of zeros in every shape of a batch."""
        for rank in range(max((len(sizes) for sizes in self.sizes.values()), default=1)):
            shapes = {name: part.shapes[min(rank, len(part.shapes) - 1)] for name, part in self.parts.items()}
            dtypes = {name: part.dtype for name, part in self.parts.items()}
            yield {self.names[name]: np.zeros((size, *shape), dtypes[name]) for name, shape in shapes.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``preprocessor.json``."""
        return {"kind": "columns", "parts": {name: part.to_json() for name, part in self.parts.items()}}


def format_example(example: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Return the inputs of an example as one text.

    Args:
        example: The inputs by name.
        columns: The names of the columns, those of the features last.
    """
    parts = []
    for name, value in example.items():
        if isinstance(value, str):
            parts.append(f"{name}: {value}")
        elif value.ndim == 1:
            named = zip(columns[-len(value) :], value.tolist(), strict=True)
            shown = (_format_feature(column, number) for column, number in named)
            parts.append(", ".join(one for one in shown if one))
        else:
            parts.append(f"{name}: {len(value):,} steps")
    return " · ".join(parts)


def _format_feature(column: str, number: float) -> str:
    """Return a number behind its name; of the channels of a category, the name of the one that is 1."""
    is_value = "=" in column and number in (0.0, 1.0)
    return (column if number else "") if is_value else f"{column}: {number:.10g}"
