"""The sections of an experiment file; a key that a section does not have is refused.

The sentence below each field is its description, which editors, ``unrolled init`` and the docs show.
"""

import re
import sys
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from unrolled.config.document import describe_value
from unrolled.config.plain_yaml import LARGEST_WHOLE
from unrolled.data.audio import HIGHEST_RATE, LOWEST_RATE
from unrolled.data.grids import parse_hours, parse_step

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

_LARGEST_FLOAT = sys.float_info.max


class ConfigModel(BaseModel):
    """Base of all sections: frozen, strict, and described by the docstrings of its fields."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, ser_json_inf_nan="constants", use_attribute_docstrings=True
    )

    @classmethod
    def describe(cls, name: str) -> str:
        """Return the description of a field on one line, without markup.

        Example:
            >>> EarlyStoppingConfig.describe("patience")
            'Number of epochs without improvement after which training stops.'
        """
        return re.sub(r"\s+", " ", cls.model_fields[name].description or "").replace("``", "").strip()


class Component(ConfigModel):
    """A class by its name, with its arguments: ``LSTM: {units: 128}``, or just ``Flatten``."""

    name: str
    """The name of the class."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """The arguments of its constructor."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and len(value) == 1:
            name, arguments = next(iter(value.items()))
            if isinstance(name, str) and (arguments is None or isinstance(arguments, Mapping)):
                _check_arguments(arguments)
                return {"name": name, "arguments": dict(arguments or {})}
        raise ValueError('one class name with its arguments, as in "LSTM: {units: 128}"')

    @model_serializer
    def _to_yaml(self) -> str | dict[str, Any]:
        return {self.name: self.arguments} if self.arguments else self.name


def _check_arguments(value: Any) -> None:
    """Refuse what would not read back as it was written, at any depth: a name that is not text, a huge number."""
    if isinstance(value, Mapping):
        for name, within in value.items():
            if not isinstance(name, str):
                raise ValueError(f"names of arguments as text, got {name!r}. Put it in quotation marks.")
            _check_arguments(within)
    elif isinstance(value, list | tuple):
        for within in value:
            _check_arguments(within)
    elif type(value) is int and abs(value) >= LARGEST_WHOLE:
        raise ValueError("whole numbers below 2^63 as arguments, got a larger one. Write a smaller one.")


def _as_float(value: Any) -> Any:
    """Return a whole number as float; anything else, also one that is too large for that, stays to be checked."""
    return float(value) if type(value) is int and abs(value) <= _LARGEST_FLOAT else value


class SplitConfig(ConfigModel):
    """The division of examples into training, validation and test examples, by groups or by time."""

    by: str | None = None
    """A table's column, or an NPZ file's array, of groups such as patients: all examples of a group are in one part."""
    time: str | float | None = None
    """The date or time, as in the table's column of times, from which on examples are test examples; validation
    examples are the last before it."""

    @field_validator("time", mode="before")
    @classmethod
    def _date_as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else _as_float(value)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.by is None) == (self.time is None):
            raise ValueError("either by or time, as in {by: patient} or {time: 2025-01-01}")
        return self


CalendarName = Literal["minute", "hour", "weekday", "day", "yearday", "week", "month", "quarter", "year"]


class DataConfig(ConfigModel):
    """The user's own data: a file, a file for each split, or a folder; paths are relative to the experiment's file."""

    file: str | None = None
    """A table (CSV, TSV, JSON, JSONL, Parquet, Arrow, Excel), series (``.ts``), Orange's ``.tab``, one text
    (``.txt``), arrays (NPZ), or the images of an IDX pair."""
    labels: str | None = None
    """The labels of an IDX pair, where they are not named after the images."""
    train: str | None = None
    """The file of the training examples, where the test examples have a file of their own."""
    test: str | None = None
    """The file of the test examples."""
    folder: str | None = None
    """A folder with a folder of pictures, sounds (``.wav``) or texts for each class."""
    input: str | tuple[str, ...] | None = None
    """The table's text column, or its columns of values."""
    target: str | tuple[str, ...] | None = None
    """The table's column of the class, or its columns to forecast."""
    per: Literal["sequence", "step"] | None = None
    """With ``task: regress``, what has a number: each ``sequence``, the default, or each ``step`` of one."""
    columns: Literal["steps", "features"] | None = None
    """The meaning of the columns of numbers in a table with one row per example: the ``steps`` of one series, or
    ``features``, the channels of a single step, each scaled by itself. Found from their names where it is left out:
    ``t1, t2, t3`` are steps."""
    categories: str | tuple[str, ...] | None = None
    """Columns of categories, each of whose values becomes a channel; found where ``columns`` are features."""
    series: str | None = None
    """In a table with one row per time step, the column that identifies the series a row belongs to; ``columns`` to
    forecast each column of numbers as a series of its own."""
    time: str | tuple[str, ...] | None = None
    """The column of times by which the rows of a series are ordered, or those that say when together, such as ``[year,
    month, day, hour]`` and ``[date, time]``; found where it is left out."""
    known: str | tuple[str, ...] | None = None
    """Columns whose values are known for the steps to forecast too, such as prices and holidays."""
    past: str | tuple[str, ...] | None = None
    """Columns that a forecast reads but does not forecast, and that are not known ahead."""
    calendar: tuple[CalendarName, ...] | None = None
    """Channels of a forecast that are made from its times: ``minute``, ``hour``, ``weekday``, ``day`` (of the month),
    ``yearday``, ``week``, ``month``, ``quarter``, ``year``."""
    every: str | None = None
    """The step between the rows of a series: a number and ``s``, ``m``, ``h``, ``d``, ``w``, ``mo``, ``q`` or ``y``,
    such as ``15m``; found where it is left out."""
    irregular: Literal["resample", "delta"] | None = None
    """Times at no regular distance: ``resample`` averages the rows within each step of ``every``, ``delta`` keeps them
    and adds a channel with the time since the row before."""
    hours: tuple[str, ...] | None = None
    """The times of the first and of the last step of each day, such as ``['08:00', '17:00']``, where there are none
    between them at night; with ``every``."""
    ignore: str | tuple[str, ...] | None = None
    """Columns that are not read."""
    missing: Literal["refuse", "drop"] | None = None
    """``drop`` leaves rows without a text, a class, a series or a time out, and says how many; without it a table with
    such rows is refused."""
    fill: dict[str, str | float] | None = None
    """By column, what stands in for its empty cells: ``{text: "", age: 40}``."""
    min_class_count: int | None = Field(default=None, ge=2)
    """The number of training examples below which a class is rare."""
    rare_classes: Literal["drop", "other"] | None = None
    """``drop`` leaves the examples of rare classes out, the default; ``other`` joins them as a class of that name."""
    deduplicate: bool | None = None
    """True to leave out examples that equal one before them."""
    split: SplitConfig | None = None
    """The groups or the time by which examples are divided; without it, test examples are chosen at random in each
    class."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """The character between the cells of a table; detected where it is left out."""
    encoding: str | None = None
    """The character encoding of a text or table, by Python's name; detected where it is left out."""
    header: bool | None = None
    """True if the first row of a table names its columns; detected where it is left out."""
    decimal: Literal[".", ","] | None = None
    """The decimal separator of the numbers in a table; found where it is left out."""
    sheet: str | None = None
    """The sheet of an Excel workbook; without it the first."""
    time_format: str | None = None
    """The format of a table's times, such as ``%d.%m.%Y %H:%M``; found where it is left out."""
    side: int | None = Field(default=None, ge=1)
    """Height and width, in pixels, of the square into which the pictures of a folder are scaled; the margin of those
    that are not square takes the colour of their border."""
    channels: Literal["grey", "rgb"] | None = None
    """``grey`` reads the pictures of a folder in grey levels, ``rgb`` in red, green and blue; where it is left out,
    ``rgb`` if any of them has colours."""
    rate: int | None = Field(default=None, ge=LOWEST_RATE, le=HIGHEST_RATE)
    """Sampling rate, in Hz, to which the sounds of a folder are resampled; where it is left out, all must have one."""

    @model_serializer
    def _to_yaml(self) -> dict[str, Any]:
        values = {name: value for name, value in self if value is not None}
        if self.split is not None:
            values["split"] = self.split.model_dump(exclude_none=True)
        return values

    @field_validator("calendar", "hours", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value

    @field_validator("every")
    @classmethod
    def _is_duration(cls, value: str | None) -> str | None:
        if value is not None:
            parse_step(value)
        return value

    @field_validator("input", "target", "categories", "series", "time", "ignore", "known", "past", mode="before")
    @classmethod
    def _column_names(cls, value: Any) -> Any:
        """Columns of a table without a header are called 1, 2, and so on."""
        if isinstance(value, list):
            return tuple(str(name) if type(name) is int else name for name in value)
        return str(value) if type(value) is int else value

    @field_validator("fill", mode="before")
    @classmethod
    def _whole_numbers(cls, value: Any) -> Any:
        if value is None:
            return value
        if not isinstance(value, Mapping):
            raise ValueError('a value for each column, as in {text: "", age: 40}')
        return {str(name): _as_float(one) for name, one in value.items()}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("file", "train", "folder") if getattr(self, name) is not None]
        if self.rare_classes is not None and self.min_class_count is None:
            raise ValueError("min_class_count beside rare_classes, as in {min_class_count: 5, rare_classes: other}")
        if len(sources) != 1 or (self.test is not None and self.train is None):
            got = ", ".join(sources) or ("test" if self.test else "none")
            raise ValueError(f"one of file, train (with test) and folder, got {got}. Name one.")
        return self

    @model_validator(mode="after")
    def _one_grid(self) -> Self:
        if self.hours is not None:
            if self.every is None:
                raise ValueError("a step beside hours, got none. Set for example every: 30m")
            parse_hours(self.hours, parse_step(self.every))
        if self.irregular == "resample" and self.every is None:
            raise ValueError("a step for irregular: resample, got none. Set for example every: 1h")
        if self.irregular == "delta" and self.every is not None:
            raise ValueError(
                "no step beside irregular: delta, which keeps the rows as they are, got every. Leave it out"
            )
        return self


class TextConfig(ConfigModel):
    """The conversion of texts to token numbers."""

    tokenizer: Literal["words", "characters", "bytes", "bpe"] | None = None
    """``words``, ``characters``, ``bytes`` of UTF-8, or ``bpe``, pairs of bytes that occur together often; where it is
    left out, the task decides: words to classify, characters to generate."""
    lowercase: bool = True
    """True if words are converted to lower case."""
    min_count: int = Field(default=1, ge=1)
    """Number of occurrences in the training examples that a token needs to enter the vocabulary."""
    vocabulary_size: int = Field(default=20_000, ge=1)
    """Maximum number of tokens in the vocabulary."""
    max_length: int = Field(default=256, ge=1)
    """Number of tokens after which a text is cut."""


class EarlyStoppingConfig(ConfigModel):
    """Training stops when the validation loss has not improved for a while."""

    patience: int = Field(ge=1)
    """Number of epochs without improvement after which training stops."""


class Fold(ConfigModel):
    """One of several equal parts of the training examples, used for validation; together they cover all of them."""

    fold: int = Field(ge=0)
    """The index of the part, from 0."""
    of: int = Field(ge=2)
    """Number of parts; the seed assigns the examples to them."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.fold >= self.of:
            raise ValueError(f"a fold from 0 to {self.of - 1}, got {self.fold}. Count from 0")
        return self


class AugmentationConfig(ConfigModel):
    """Random variation of the training examples, anew each time they are used."""

    shift: int = Field(ge=1)
    """Maximum number of pixels by which an image is shifted, vertically and horizontally; the margin becomes 0."""


Validation = Annotated[
    Annotated[Literal["test", "given", "none"] | float, Tag("<value>")] | Annotated[Fold, Tag("<fold>")],
    Discriminator(lambda value: "<fold>" if isinstance(value, Mapping | Fold) else "<value>"),
]


class TrainingConfig(ConfigModel):
    """Optimizer, loss, duration and validation of the training."""

    epochs: int = Field(default=3, ge=1)
    """Number of passes over the training examples."""
    batch_size: int = Field(default=32, ge=1)
    """Number of examples per step."""
    optimizer: Component = Component.model_validate({"Adam": {"learning_rate": 0.001}})
    """A class of ``keras.optimizers`` with its arguments; its ``learning_rate`` is a number or a schedule."""
    loss: Component | None = None
    """A class of ``keras.losses`` with its arguments; where it is left out, the task decides. Targets are class
    indices for losses whose name begins with ``Sparse``, otherwise one-hot."""
    metrics: tuple[Component, ...] | None = Field(default=None, strict=False)
    """``accuracy``, or classes of ``keras.metrics`` with their arguments; where they are left out, the task decides."""
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    """Weight of the examples of each class in the loss: ``balanced`` (all classes count the same in total), or a
    weight for each class by its name."""
    augment: AugmentationConfig | None = None
    """Random variation of the training examples."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """A Keras dtype policy. The native kernels compute ``float32`` only."""
    validation: Validation = "none"
    """``test`` (the test set, as in the article), a fraction of the training examples such as 0.1 (stratified, by the
    seed; of a text or a series to forecast its end), ``{fold: 0, of: 5}``, ``given`` (the validation split of the
    data set), or ``none``."""
    padding: Literal["batch", "longest"] = "batch"
    """Sequences of unequal length are padded to the longest of their ``batch``, in which similar lengths are put
    together, or to the ``longest`` of all."""
    early_stopping: EarlyStoppingConfig | None = None
    """Early stopping; needs validation examples."""
    keep: Literal["last", "best"] = "last"
    """The epoch whose weights are kept, the ``last`` or the ``best`` by validation loss; ``best`` needs validation
    examples."""
    checkpoint_seconds: float = Field(default=30.0, gt=0, strict=False)
    """Maximum training time, in seconds, that is lost when the process is killed."""

    @field_validator("validation", mode="before")
    @classmethod
    def _name_fraction_or_fold(cls, value: Any) -> Any:
        fraction = isinstance(value, float) and 0 < value < 1
        if not fraction and value not in ("test", "given", "none") and not isinstance(value, Mapping | Fold):
            raise ValueError(
                "test, given, none, a fraction of the training examples such as 0.1, or a fold such as {fold: 0, of: 5}"
            )
        return value

    @field_validator("class_weights", mode="before")
    @classmethod
    def _balanced_or_weights(cls, value: Any) -> Any:
        if value is None or value == "balanced":
            return value
        if not isinstance(value, Mapping) or not value:
            raise ValueError('balanced, or a weight for each class as in {"0": 1.0, "1": 2.5}')
        for name, weight in value.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= _LARGEST_FLOAT:
                got = describe_value(weight)
                raise ValueError(f'a weight of at least 0 for class "{name}", got {got}. Write for example 2.5')
        return {str(name): float(weight) for name, weight in value.items()}

    @model_validator(mode="after")
    def _select_on_validation(self) -> Self:
        if self.has_validation_split or not (self.early_stopping or self.keep == "best"):
            return self
        setting = "early_stopping" if self.early_stopping else "keep: best"
        reason = "selecting on the test set makes its accuracy meaningless" if self.validation == "test" else ""
        raise ValueError(
            f"a validation fraction for {setting}, got validation: {self.validation}"
            f"{' (' + reason + ')' if reason else ''}. Set validation: 0.1"
        )

    @property
    def has_validation_split(self) -> bool:
        """True if validation uses examples that are neither training nor test examples."""
        return self.validation not in ("test", "none")
