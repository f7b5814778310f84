"""Where an experiment is written: a recipe that comes with the package, a file of the user's, or a mapping."""

import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from unrolled.config.document import Document, check_no_search, describe_value, first_problem, read_document, write_yaml
from unrolled.config.sections import Component, ConfigModel, DataConfig, ForecastConfig, TextConfig, TrainingConfig
from unrolled.data.dataset import Dataset
from unrolled.data.registry import DATASETS, load, load_config_data, looks_like_a_file
from unrolled.errors import InvalidSetting, did_you_mean

from pydantic import Discriminator, Field, PrivateAttr, Tag, ValidationError, model_validator

_PATHS = ("file", "labels", "train", "test", "folder")


def recipes() -> dict[str, Path]:
    """The named experiments that come with the package."""
    with as_file(files("unrolled.config") / "recipes") as folder:
        return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_document(experiment: str | Path | Mapping[str, Any]) -> Document:
    """The document of a recipe's name, a file, or the settings themselves.

    Raises:
        InvalidSetting: There is no such recipe or file.
    """
    if isinstance(experiment, Mapping):
        return Document(dict(experiment), "experiment")
    known = recipes()
    if str(experiment) in known:
        return _named(read_document(known[str(experiment)], str(experiment)), str(experiment))
    if not looks_like_a_file(experiment):
        raise InvalidSetting(
            f'train: unknown recipe "{experiment}".{did_you_mean(str(experiment), known)} '
            "List them with: unrolled recipes"
        )
    return anchored(_named(read_document(Path(experiment)), Path(experiment).stem), Path(experiment).parent)


def anchored(document: Document, folder: Path) -> Document:
    """The document with its data file as an absolute path; those of a file are relative to that file."""
    data = document.values.get("data") if isinstance(document.values, dict) else None
    if isinstance(data, str) and data not in DATASETS and looks_like_a_file(data):
        data = {"folder" if os.path.isdir(folder / data) else "file": data}  # noqa: PTH112
    if not isinstance(data, dict):
        return document
    paths = {key: str((folder / data[key]).resolve()) for key in _PATHS if isinstance(data.get(key), str)}
    settings = {**document.values, "data": {**data, **paths}}
    return Document(settings, document.name, document.locations)


def _named(document: Document, stem: str) -> Document:
    """The document with its file's name where it names itself nothing."""
    if not isinstance(document.values, dict) or "name" in document.values:
        return document
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-") or "experiment"
    return Document({"name": name, **document.values}, document.name, document.locations)


CONTINUED = ("pride-and-prejudice",)
FORETOLD = ("air-passengers",)
_TRAINING = {
    "generate": {"loss": "SparseCategoricalCrossentropy", "metrics": ["accuracy"]},
    "forecast": {"loss": "MeanSquaredError", "metrics": ["MeanAbsoluteError"]},
}


def with_defaults(settings: Any) -> Any:
    """The settings of an experiment with its task, and what the task decides, filled in."""
    if not isinstance(settings, Mapping):
        return settings
    task = settings.get("task", task_of(settings))
    settings = {**settings, "task": task}
    training = settings.get("training", {})
    if isinstance(training, Mapping) and task in _TRAINING:
        settings["training"] = {**_TRAINING[task], **training}
    text = settings.get("text", {})
    if isinstance(text, Mapping) and text.get("tokenizer") is None:
        settings["text"] = {**text, "tokenizer": "characters" if task == "generate" else "words"}
    return settings


def task_of(settings: Mapping[str, Any]) -> str:
    """The task that the data and the settings are for."""
    data = settings.get("data")
    if settings.get("forecast") is not None or data in FORETOLD:
        return "forecast"
    file = data.get("file") or data.get("train") if isinstance(data, Mapping) else data
    if isinstance(file, str) and (file in CONTINUED or Path(file).suffix.lower() == ".txt"):
        return "generate"
    return "classify"


Data = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[DataConfig, Tag("<file>")],
    Discriminator(lambda value: "<name>" if isinstance(value, str) else "<file>"),
]


class ExperimentConfig(ConfigModel):
    """One experiment, complete and checked: what ``experiment.yaml`` in a run folder says.

    Attributes:
        name: Names the run folder.
        data: A data set's name, or the user's own: ``{file: ...}``, ``{train: ..., test: ...}``, ``{folder: ...}``.
        task: ``classify`` a sequence, ``generate`` the next token and so a text, or ``forecast`` the next values;
            follows from the data and the other settings where it is left out.
        read: In which order the network reads an image, a sequence [height, width] into [T, F]: as ``rows`` or
            ``columns``, one a step; as single ``pixels``, row by row; ``snake`` the same with every other row from
            right to left; or ``permuted``, in one fixed random order. See ``unrolled.layers.ReadImage``.
        text: How a text becomes numbers.
        forecast: What is told from what, where the task is to forecast.
        network: The layers from the input to the classes. What the data decides may be left out: the ``input_dim`` and
            ``mask_zero`` of an Embedding, and the last layer, or its ``units`` as ``units: classes``.
        training: How to train it.
        seed: Decides the weights at the start, the order of the examples, dropout and splits.

    Example:
        >>> experiment = ExperimentConfig.load("mnist-rows", overrides=["training.epochs=5"])
        >>> experiment.training.epochs, experiment.network[1].arguments["units"]
        (5, 128)
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "experiment"
    data: Data
    task: Literal["classify", "generate", "forecast"] = "classify"
    read: Literal["rows", "columns", "pixels", "permuted", "snake"] = "rows"
    text: TextConfig = TextConfig()
    forecast: ForecastConfig | None = None
    network: Annotated[tuple[Component, ...], Field(min_length=1, strict=False)]
    training: TrainingConfig = TrainingConfig()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, settings: Any) -> Any:
        return with_defaults(settings)

    @model_validator(mode="after")
    def _task_fits(self) -> Self:
        if (self.task == "forecast") != (self.forecast is not None):
            raise ValueError(
                f"the setting forecast (window, horizon, test_steps) for the task forecast and for no other, got task: "
                f"{self.task}. {'Leave it out' if self.forecast else 'Add it'}."
            )
        return self

    _document: Document = PrivateAttr(default_factory=lambda: Document({}, "experiment"))

    @classmethod
    def load(
        cls,
        experiment: "str | Path | Mapping[str, Any] | ExperimentConfig",
        *,
        overrides: Sequence[str] = (),
        name: str | None = None,
        seed: int | None = None,
    ) -> "ExperimentConfig":
        """An experiment from a recipe's name, a file, a mapping or another experiment.

        Args:
            experiment: ``"mnist-rows"``, ``"digits.yaml"``, or the settings themselves.
            overrides: ``PATH=VALUE`` for each setting to change, as ``--set`` takes them.
            name: Replaces the experiment's name.
            seed: Replaces the experiment's seed.

        Raises:
            InvalidSetting: There is no such recipe or file, or a setting is not possible; the message says where.
        """
        return cls.parse(cls.read_document(experiment, overrides=overrides, name=name, seed=seed))

    @staticmethod
    def read_document(
        experiment: "str | Path | Mapping[str, Any] | ExperimentConfig",
        *,
        overrides: Sequence[str] = (),
        name: str | None = None,
        seed: int | None = None,
    ) -> Document:
        """What ``find`` checks, with its arguments: the settings as they were written and changed.

        Raises:
            InvalidSetting: There is no such recipe or file, or a change leads nowhere.
        """
        if isinstance(experiment, ExperimentConfig):
            document = Document(experiment.model_dump(mode="json"), experiment.name, experiment._document.locations)
        else:
            document = find_document(experiment)
        _check_mapping(document)
        document = document.override(overrides)
        for key, value in {"name": name, "seed": seed}.items():
            if value is not None:
                document = document.replace((key,), value, f"--{key}")
        return anchored(document, Path.cwd())

    @classmethod
    def parse(cls, document: Document) -> "ExperimentConfig":
        """Check a document against the schema.

        Raises:
            InvalidSetting: The first thing that is wrong, and where.
        """
        _check_mapping(document)
        check_no_search(document)
        try:
            experiment = cls.model_validate(document.values)
        except ValidationError as error:
            raise InvalidSetting(first_problem(error, document, cls)) from None
        experiment._document = document
        return experiment

    def __eq__(self, other: object) -> bool:
        """Equal settings make equal experiments, wherever they were written."""
        return isinstance(other, ExperimentConfig) and self.model_dump() == other.model_dump()

    def where(self, *path: str | int) -> str:
        """Where a setting was written, for a message."""
        return self._document.where(path)

    @property
    def data_name(self) -> str:
        """The data set's name, or that of the file or folder."""
        if isinstance(self.data, str):
            return self.data
        return Path(self.data.file or self.data.train or self.data.folder or "").name

    def load_data(self) -> Dataset:
        """The data set that the experiment learns from.

        Raises:
            DataError: As in ``unrolled.load``.
        """
        test_steps = self.forecast.test_steps if self.forecast else None
        if isinstance(self.data, str):
            return load(self.data, where=self.where("data"), test_steps=test_steps)
        return load_config_data(**self.data.model_dump(exclude_none=True), task=self.task, test_steps=test_steps)

    def to_yaml(self) -> str:
        """Every setting, the omitted ones with their defaults; reads back as the same experiment."""
        return write_yaml(self.model_dump(mode="json"))


def _check_mapping(document: Document) -> None:
    if not isinstance(document.values, dict):
        raise InvalidSetting(
            f"{document.name}: expected the settings data, network and training, got "
            f"{describe_value(document.values)}. Start from a recipe: unrolled recipes"
        )
