"""An experiment: the data, the network, its training, and the seed."""

import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

from unrolled.config.document import Document, check_no_search, describe_value, first_problem, read_document, write_yaml
from unrolled.config.sections import Component, ConfigModel, DataConfig, TextConfig, TrainingConfig
from unrolled.config.task_sections import DetectConfig, ForecastConfig
from unrolled.data.samples import SAMPLES
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.storage import looks_like_a_file

from pydantic import Discriminator, Field, PrivateAttr, Tag, ValidationError, field_validator

# The names of files have at most 255 bytes, and those of folders begin with the time and may end in a number.
_LONGEST_NAME = 200

DATA_PATHS = ("file", "labels", "train", "test", "folder")
"""The settings of the section ``data`` that name files, relative to that of the experiment, or samples."""

Data = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[DataConfig, Tag("<file>")],
    Discriminator(lambda value: "<name>" if isinstance(value, str) else "<file>"),
]


Branch = Annotated[tuple[Component, ...], Field(strict=False)]
LayerPath = tuple[str | int, ...]
"""The path of a layer in an experiment: ``("network", 0)``, ``("inputs", "text", 1)``."""


class ExperimentConfig(ConfigModel):
    """One experiment, checked against the schema.

    ``unrolled.model.resolve`` fills in what the task and the data decide; the resolved experiment is what
    ``experiment.yaml`` in a run folder holds.

    Example:
        >>> config = ExperimentConfig.load("mnist-rows", overrides=["training.epochs=5"])
        >>> config.training.epochs, config.network[1].arguments["units"]
        (5, 128)
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=_LONGEST_NAME)] = "experiment"
    """The name of the run folder, after the time."""
    data: Data
    """A data set's name, or your own data: ``{file: ...}``, ``{train: ..., test: ...}`` or ``{folder: ...}``."""
    task: str | None = None
    """``classify`` sequences, ``label`` their steps, ``generate`` a text token by token, or ``forecast`` the next
    values of a series; follows from the data and the other settings where it is left out."""
    scan: Literal["rows", "columns", "pixels", "permuted", "snake"] = "rows"
    """The order in which an image [height, width] becomes a sequence [T, F]: ``rows`` or ``columns``, one per step;
    single ``pixels``, row by row; ``snake``, the same with every other row from right to left; or ``permuted``, in one
    fixed random order."""
    text: TextConfig = TextConfig()
    """The conversion of texts to token numbers."""
    forecast: ForecastConfig | None = None
    """Input window and target steps; needed to forecast."""
    detect: DetectConfig | None = None
    """What is read and what counts as an anomaly; needed to detect them."""
    inputs: Annotated[dict[str, Branch], Field(min_length=1)] | None = None
    """For a table with a text beside numbers or categories in each row, the layers of each input by name: that of its
    column, or ``features`` for all columns of numbers and categories. Their outputs, vectors, are concatenated."""
    network: Annotated[tuple[Component, ...], Field(min_length=1, strict=False)]
    """The layers from the input to the output. What the data decides may be left out: ``input_dim`` and ``mask_zero``
    of an Embedding, and the last layer, or its ``units`` as ``units: classes``."""
    training: TrainingConfig = TrainingConfig()
    """Optimizer, loss, duration and validation of the training."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides the initial weights, the order of the examples, dropout and random splits."""

    _document: Document = PrivateAttr(default_factory=lambda: Document({}, "experiment"))

    @field_validator("data", mode="before")
    @classmethod
    def _named_data(cls, value: Any) -> Any:
        if value is None:
            from unrolled.data.registry import NAMES  # which imports the readers of tables

            raise ValueError(f"a data set ({', '.join(NAMES)}) or a file, got nothing. Write for example: data: mnist")
        return value

    @classmethod
    def load(
        cls,
        experiment: "str | Path | Mapping[str, Any] | ExperimentConfig",
        *,
        overrides: Sequence[str] = (),
        name: str | None = None,
        seed: int | None = None,
    ) -> "ExperimentConfig":
        """Load an experiment from a recipe's name, a file, a mapping or another experiment.

        Args:
            experiment: ``"mnist-rows"``, ``"digits.yaml"``, or the settings themselves.
            overrides: ``PATH=VALUE`` for each setting to change, in the form of ``--set``.
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
        """Return the settings as they were written, with the overrides, before they are checked.

        Args:
            experiment: ``"mnist-rows"``, ``"digits.yaml"``, or the settings themselves.
            overrides: ``PATH=VALUE`` for each setting to change.
            name: Replaces the experiment's name.
            seed: Replaces the experiment's seed.

        Raises:
            InvalidSetting: There is no such recipe or file, or an override's path leads nowhere.
        """
        if isinstance(experiment, ExperimentConfig):
            settings = experiment.model_dump(mode="json")
            document = Document(settings, experiment.name, experiment._document.locations)
        else:
            document = _find_document(experiment)
        _check_mapping(document)
        document = document.override(overrides)
        for key, value in {"name": name, "seed": seed}.items():
            if value is not None:
                document = document.replace((key,), value, f"--{key}")
        return _with_absolute_paths(document, Path.cwd())

    @classmethod
    def parse(cls, document: Document) -> "ExperimentConfig":
        """Check a document against the schema.

        Raises:
            InvalidSetting: The first problem, and where it is.
        """
        _check_mapping(document)
        check_no_search(document)
        try:
            config = cls.model_validate(document.values)
        except ValidationError as error:
            raise InvalidSetting(first_problem(error, document, cls)) from None
        config._document = document
        return config

    def __eq__(self, other: object) -> bool:
        """Return True if all settings are equal, wherever they were written."""
        return isinstance(other, ExperimentConfig) and self.model_dump() == other.model_dump()

    def where(self, *path: str | int) -> str:
        """Return the location of a setting, for a message: ``digits.yaml:7: network[1].LSTM``."""
        return self._document.where(path)

    def replaced(self, **fields: Any) -> "ExperimentConfig":
        """Return a copy with some fields replaced, which keeps the locations of its settings."""
        copy = self.model_copy(update=fields)
        copy._document = self._document
        return copy

    @property
    def layers(self) -> dict[LayerPath, Component]:
        """Every layer by its path, those of ``inputs`` before those of ``network``."""
        branches = (self.inputs or {}).items()
        found: dict[LayerPath, Component] = {
            ("inputs", name, index): layer for name, layers in branches for index, layer in enumerate(layers)
        }
        return found | {("network", index): layer for index, layer in enumerate(self.network)}

    @property
    def data_name(self) -> str:
        """The data set's name, or that of the file or folder."""
        if isinstance(self.data, str):
            return self.data
        return Path(self.data.file or self.data.train or self.data.folder or "").name

    def to_yaml(self) -> str:
        """Return every setting as YAML, the omitted ones with their defaults; reads back as the same experiment."""
        return write_yaml(self.model_dump(mode="json"))


def recipes() -> dict[str, Path]:
    """Return the files of the recipes that come with the package, by name."""
    with as_file(files("unrolled.config") / "recipes") as folder:
        return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _find_document(experiment: str | Path | Mapping[str, Any]) -> Document:
    """Return the document of a recipe's name, a file, or the settings themselves."""
    if isinstance(experiment, Mapping):
        return Document(dict(experiment), "experiment")
    known = recipes()
    if str(experiment) in known:
        return _with_name(read_document(known[str(experiment)], str(experiment)), str(experiment))
    if not looks_like_a_file(experiment):
        raise InvalidSetting(
            f'train: unknown recipe "{experiment}".{did_you_mean(str(experiment), known)} '
            "List them with: unrolled recipes"
        )
    path = Path(experiment)
    return _with_absolute_paths(_with_name(read_document(path), path.stem), path.parent)


def _is_data_set(name: str) -> bool:
    from unrolled.data.registry import NAMES  # which imports the readers of tables

    return name in NAMES


def _with_absolute_paths(document: Document, folder: Path) -> Document:
    """Return the document with absolute paths of data; relative ones are relative to ``folder``."""
    data = document.values.get("data") if isinstance(document.values, dict) else None
    if isinstance(data, str) and looks_like_a_file(data) and not _is_data_set(data):
        data = {"folder" if os.path.isdir(folder / data) else "file": data}  # noqa: PTH112
    if not isinstance(data, dict):
        return document
    named = {key: data[key] for key in DATA_PATHS if isinstance(data.get(key), str)}
    paths = {key: str((folder / path).resolve()) for key, path in named.items() if path not in SAMPLES}
    settings = {**document.values, "data": {**data, **paths}}
    return Document(settings, document.name, document.locations)


def _with_name(document: Document, stem: str) -> Document:
    """Return the document named after its file, where it has no name of its own."""
    if not isinstance(document.values, dict) or "name" in document.values:
        return document
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-")[:_LONGEST_NAME] or "experiment"
    return Document({"name": name, **document.values}, document.name, document.locations)


def _check_mapping(document: Document) -> None:
    if not isinstance(document.values, dict):
        raise InvalidSetting(
            f"{document.name}: expected the settings data, network and training, got "
            f"{describe_value(document.values)}. Start from a recipe: unrolled recipes"
        )
