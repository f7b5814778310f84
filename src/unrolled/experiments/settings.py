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


class Settings(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, ser_json_inf_nan="constants")

    @classmethod
    def describe(cls, name: str) -> str:
        """What a setting means, as the class' docstring says.

        Example:
            >>> EarlyStopping.describe("patience")
            'How many epochs to wait for an improvement.'
        """
        _, _, attributes = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
        found = re.search(rf"^    {name}: (.*(?:\n {{8}}.*)*)", attributes, re.MULTILINE)
        return re.sub(r"\s+", " ", found[1]).replace("``", "") if found else ""


class Component(Settings):
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
                return {"name": name, "arguments": dict(arguments or {})}
        raise ValueError('one class name with its arguments, as in "LSTM: {units: 128}"')

    @model_serializer
    def _to_yaml(self) -> str | dict[str, Any]:
        return {self.name: self.arguments} if self.arguments else self.name


class FileData(Settings):
    """The user's own file.

    Attributes:
        file: An NPZ file, or the images of an IDX pair; relative to the experiment's file.
        labels: The labels of an IDX pair, where they are not named after the images.
    """

    file: str
    labels: str | None = None


class EarlyStopping(Settings):
    """Stop when the validation loss has not improved for a while.

    Attributes:
        patience: How many epochs to wait for an improvement.
    """

    patience: int = Field(ge=1)


class Fold(Settings):
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


class Augmentation(Settings):
    """How a training example is varied each time it is seen.

    Attributes:
        shift: An image is moved by up to this many pixels, up or down and left or right; what comes in is 0.
    """

    shift: int = Field(ge=1)


Validation = Annotated[
    Annotated[Literal["test", "none"] | float, Tag("<value>")] | Annotated[Fold, Tag("<fold>")],
    Discriminator(lambda value: "<fold>" if isinstance(value, Mapping | Fold) else "<value>"),
]


class Training(Settings):
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
            out (stratified, by the seed), ``{fold: 0, of: 5}``, or ``none``.
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
    augment: Augmentation | None = None
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    validation: Validation = "none"
    early_stopping: EarlyStopping | None = None
    keep: Literal["last", "best"] = "last"
    checkpoint_seconds: float = Field(default=30.0, gt=0, strict=False)

    @field_validator("validation", mode="before")
    @classmethod
    def _name_fraction_or_fold(cls, value: Any) -> Any:
        fraction = isinstance(value, float) and 0 < value < 1
        if not fraction and value not in ("test", "none") and not isinstance(value, Mapping | Fold):
            raise ValueError(
                "test, none, a fraction of the training examples such as 0.1, or a fold such as {fold: 0, of: 5}"
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
        return not isinstance(self.validation, str)
