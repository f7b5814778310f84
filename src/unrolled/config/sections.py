"""The groups of settings that an experiment is made of; a key that a group does not have is refused."""

import inspect
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

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


class ConfigModel(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, ser_json_inf_nan="constants")

    @classmethod
    def describe(cls, name: str) -> str:
        """What a setting means, as the class' docstring says.

        Example:
            >>> EarlyStoppingConfig.describe("patience")
            'How many epochs to wait for an improvement.'
        """
        _, _, attributes = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
        found = re.search(rf"^    {name}: (.*(?:\n {{8}}.*)*)", attributes, re.MULTILINE)
        return re.sub(r"\s+", " ", found[1]).replace("``", "") if found else ""


class Component(ConfigModel):
    """A class by its name, with its arguments: ``LSTM: {units: 128}``, or just ``Flatten``."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and len(value) == 1:
            name, arguments = next(iter(value.items()))
            if isinstance(name, str) and (arguments is None or isinstance(arguments, Mapping)):
                _check_names(arguments)
                return {"name": name, "arguments": dict(arguments or {})}
        raise ValueError('one class name with its arguments, as in "LSTM: {units: 128}"')

    @model_serializer
    def _to_yaml(self) -> str | dict[str, Any]:
        return {self.name: self.arguments} if self.arguments else self.name


def _check_names(value: Any) -> None:
    """Refuse a name that is no text, at any depth; it would not read back as it was written."""
    if isinstance(value, Mapping):
        for name, within in value.items():
            if not isinstance(name, str):
                raise ValueError(f"names of arguments as text, got {name!r}. Put it in quotation marks.")
            _check_names(within)
    elif isinstance(value, list | tuple):
        for within in value:
            _check_names(within)


class DataConfig(ConfigModel):
    """The user's own data: a file, a file for each part, or a folder; paths are relative to the experiment's file.

    Attributes:
        file: A table (CSV, TSV, JSONL, Parquet), series (``.ts``), Orange's ``.tab``, one text (``.txt``), arrays
            (NPZ), or the images of an IDX pair.
        labels: The labels of an IDX pair, where they are not named after the images.
        train: The file to learn from, where there is another one for the test.
        test: The file to measure on.
        folder: A folder with a folder of pictures or texts for each class.
        input: The table's column of the text, or its columns of values.
        target: The table's column of the class.
        series: In a table with a row for each step, the column that says which series a row belongs to.
        delimiter: What stands between the cells of a table; detected where it is left out.
        encoding: The encoding of a text or table, as Python names it; detected where it is left out.
        header: Whether the first row of a table names its columns; detected where it is left out.
        side: Pictures of a folder are brought to this many pixels in height and width.
    """

    file: str | None = None
    labels: str | None = None
    train: str | None = None
    test: str | None = None
    folder: str | None = None
    input: str | tuple[str, ...] | None = None
    target: str | None = None
    series: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None
    header: bool | None = None
    side: int | None = Field(default=None, ge=1)

    @model_serializer
    def _to_yaml(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}

    @property
    def read_options(self) -> dict[str, Any]:
        """What is said of how a table is written."""
        said = {"delimiter": self.delimiter, "encoding": self.encoding, "header": self.header}
        return {name: value for name, value in said.items() if value is not None}

    @field_validator("input", "target", "series", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Columns of a table without a header are called 1, 2, and so on."""
        if isinstance(value, list):
            return tuple(str(name) if type(name) is int else name for name in value)
        return str(value) if type(value) is int else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("file", "train", "folder") if getattr(self, name) is not None]
        if len(sources) != 1 or (self.test is not None and self.train is None):
            got = ", ".join(sources) or ("test" if self.test else "none")
            raise ValueError(f"one of file, train (with test) and folder, got {got}. Name one.")
        return self


class TextConfig(ConfigModel):
    """How a text becomes numbers.

    Attributes:
        tokenizer: ``words``, ``characters``, or ``bytes`` of UTF-8; words where texts are classified, characters where
            one is continued.
        lowercase: Whether words lose their capitals.
        min_count: How often a token has to occur in the training examples to be in the vocabulary.
        vocabulary_size: How many tokens are, at most.
        max_length: Longer texts are cut after so many tokens.
    """

    tokenizer: Literal["words", "characters", "bytes"] | None = None
    lowercase: bool = True
    min_count: int = Field(default=1, ge=1)
    vocabulary_size: int = Field(default=20_000, ge=1)
    max_length: int = Field(default=256, ge=1)


class ForecastConfig(ConfigModel):
    """What of a series is seen and what is told from it.

    Attributes:
        window: How many steps the network sees.
        horizon: How many steps after them it tells.
        season: After how many steps the series repeats itself, if it does; the network then learns the difference from
            the values one season before, which are also what it is compared with.
        relative: Whether each window is taken relative to its own mean, for series whose swings grow with their level.
        test_steps: How many steps at the end are not learned from but measured on.
    """

    window: int = Field(ge=1)
    horizon: int = Field(default=1, ge=1)
    season: int = Field(default=1, ge=1)
    relative: bool = False
    test_steps: int = Field(ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.season > self.window:
            raise ValueError(f"a window of at least one season of {self.season} steps, got {self.window}. Widen it.")
        if self.horizon > self.test_steps:
            raise ValueError(f"a horizon within the {self.test_steps} held out steps, got {self.horizon}. Shorten it.")
        return self


class EarlyStoppingConfig(ConfigModel):
    """Stop when the validation loss has not improved for a while.

    Attributes:
        patience: How many epochs to wait for an improvement.
    """

    patience: int = Field(ge=1)


class Fold(ConfigModel):
    """One of several equal parts of the training examples, held out; together they cover all of them.

    Attributes:
        fold: Which part, from 0 on.
        of: How many parts there are; the seed decides which example is in which.
    """

    fold: int = Field(ge=0)
    of: int = Field(ge=2)

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.fold >= self.of:
            raise ValueError(f"a fold from 0 to {self.of - 1}, got {self.fold}. Count from 0")
        return self


class AugmentationConfig(ConfigModel):
    """How a training example is varied each time it is seen.

    Attributes:
        shift: An image is moved by up to this many pixels, up or down and left or right; what comes in is 0.
    """

    shift: int = Field(ge=1)


Validation = Annotated[
    Annotated[Literal["test", "given", "none"] | float, Tag("<value>")] | Annotated[Fold, Tag("<fold>")],
    Discriminator(lambda value: "<fold>" if isinstance(value, Mapping | Fold) else "<value>"),
]


class TrainingConfig(ConfigModel):
    """How the network is trained.

    Attributes:
        epochs: Passes over the training examples.
        batch_size: Examples per step.
        optimizer: A class of ``keras.optimizers`` with its arguments; its ``learning_rate`` is a number or a schedule.
        loss: A class of ``keras.losses`` with its arguments. Targets are class indices for losses whose name begins
            with ``Sparse``, otherwise one-hot.
        metrics: ``accuracy``, or classes of ``keras.metrics`` with their arguments.
        class_weights: How much an example of each class counts: ``balanced`` (every class the same in all), or a
            weight for each class by its name.
        augment: How examples are varied.
        precision: A Keras dtype policy. Only ``float32`` is computed by the native kernels.
        validation: ``test`` (watch the test set, as the article does), a fraction of the training examples to hold
            out (stratified, by the seed; of a text or a series to continue its end), ``{fold: 0, of: 5}``, ``given``
            (the part that the data set has for it), or ``none``.
        padding: Sequences of unequal length are padded to the longest of their ``batch``, in which similar lengths
            are put together, or to the ``longest`` of all.
        early_stopping: When to stop early; needs validation examples.
        keep: Which epoch's weights to keep, the ``last`` or the ``best`` by validation loss; ``best`` needs
            validation examples.
        checkpoint_seconds: How much of the training a killed process may lose.
    """

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    optimizer: Component = Component.model_validate({"Adam": {"learning_rate": 0.001}})
    loss: Component = Component.model_validate("SparseCategoricalCrossentropy")
    metrics: tuple[Component, ...] = Field(default=(Component.model_validate("accuracy"),), strict=False)
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    augment: AugmentationConfig | None = None
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    validation: Validation = "none"
    padding: Literal["batch", "longest"] = "batch"
    early_stopping: EarlyStoppingConfig | None = None
    keep: Literal["last", "best"] = "last"
    checkpoint_seconds: float = Field(default=30.0, gt=0, strict=False)

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
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
                raise ValueError(f'a weight of at least 0 for class "{name}", got {weight!r}. Change it.')
        return {str(name): float(weight) for name, weight in value.items()}

    @model_validator(mode="after")
    def _select_on_validation(self) -> Self:
        if self.holds_out or not (self.early_stopping or self.keep == "best"):
            return self
        setting = "early_stopping" if self.early_stopping else "keep: best"
        reason = "selecting on the test set makes its accuracy meaningless" if self.validation == "test" else ""
        raise ValueError(
            f"a validation fraction for {setting}, got validation: {self.validation}"
            f"{' (' + reason + ')' if reason else ''}. Set validation: 0.1"
        )

    @property
    def holds_out(self) -> bool:
        """Whether some of the training examples are set aside to watch the training with."""
        return self.validation not in ("test", "none")
