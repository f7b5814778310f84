"""A learning problem as one object: its data, splits, preprocessing, metrics, baselines and predictions."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NoReturn

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Component, DataConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.data.registry import load, load_config_data
from unrolled.data.schema import TableSchema
from unrolled.data.series import channels_of
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.tasks.batches import EvaluationBatches, TrainingBatches, predict_probabilities
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.preprocessing import Preprocessor
from unrolled.tasks.sections import Sections

import keras
import numpy as np
from numpy.typing import NDArray

Baselines = Mapping[str, Mapping[str, float]]
Prediction = dict[str, Any]
"""One prediction as JSON."""


class Task(ABC):
    """One learning problem of one experiment.

    Data is loaded, split and preprocessed when it is first needed: a trained network predicts with the preprocessor of
    its run and without its data. A subclass is a new task; one line in ``unrolled.tasks.registry`` adds it.

    Args:
        config: The experiment; what the task decides is filled in where it is left out.
        preprocessor: That of a trained network; without it, one is fitted on the training examples.
        outputs: The names of the outputs of a trained network; without them, those of the data.
        schema: The schema of the table that a trained network was trained on, if any.
        facts: What was fitted beside the preprocessor of a trained network (see ``facts``).
        calibration: What ``calibrate`` fitted to the outputs of a trained network.

    Attributes:
        name: The word in experiment files.
        section: The setting that belongs to this task alone, if any.
        per: The value of ``data.per`` that chooses this one of two tasks with one name; None if it has none.
        default_loss: Used where the experiment names no loss.
        default_metrics: Used where the experiment names no metrics.
        default_tokenizer: Used where the experiment names no tokenizer.
        output_activations: The activations that the last layer may have.
        output_unit: The plural noun for one output value, in messages.
        is_per_step: True if the network gives outputs at every step.
        search_metric: The metric by which a search compares trials.
        takes_other_data: True if a network can be evaluated on examples of other files.
        weighs_steps: True if each step of a batch has a weight, 0 for padding.
        has_gaps: True if targets may be missing, NaN; loss and metrics then pass over them.
        is_calibrated: True if ``calibrate`` fits something.
        calibration: What was fitted to the outputs of the trained network, as JSON; empty until then.
        takes_inputs: True if a network may have several inputs, the columns of a table.
        learned_by: The metric that shows if anything was learned; None for the main metric.
        purpose: The purpose for which files are loaded (see ``load_file``); None for the first of their format.
    """

    name: ClassVar[str]
    section: ClassVar[str | None] = None
    per: ClassVar[str | None] = None
    default_loss: ClassVar[str]
    default_metrics: ClassVar[tuple[str, ...]]
    default_tokenizer: ClassVar[str] = "words"
    output_activations: ClassVar[tuple[str | None, ...]] = ("softmax", "linear", None)
    output_unit: ClassVar[str] = "values"
    is_per_step: ClassVar[bool] = False
    search_metric: ClassVar[str] = "val_loss"
    takes_other_data: ClassVar[bool] = True
    takes_inputs: ClassVar[bool] = False
    purpose: ClassVar[str | None] = None
    weighs_steps: ClassVar[bool] = False
    has_gaps: ClassVar[bool] = False
    is_calibrated: ClassVar[bool] = False
    learned_by: ClassVar[str | None] = None

    def __init__(
        self,
        config: ExperimentConfig,
        preprocessor: Preprocessor | None = None,
        outputs: Sequence[str] | None = None,
        schema: TableSchema | None = None,
        facts: Mapping[str, Any] | None = None,
        calibration: Mapping[str, Any] | None = None,
    ):
        self.config = self.with_defaults(config)
        self.calibration: Mapping[str, Any] = calibration or {}
        if preprocessor is not None:
            self.preprocessor = preprocessor
        if outputs is not None:
            self.output_names = tuple(outputs)
            self.schema = schema
        if facts is not None:
            self.facts = facts

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return True if an experiment that names no task has this one."""
        return cls.section is not None and getattr(config, cls.section, None) is not None

    @classmethod
    def with_defaults(cls, config: ExperimentConfig) -> ExperimentConfig:
        """Return the experiment with what this task decides, where the file leaves it out."""
        training, text = config.training, config.text
        if training.loss is None:
            training = training.model_copy(update={"loss": Component.model_validate(cls.default_loss)})
        if training.metrics is None:
            metrics = tuple(Component.model_validate(metric) for metric in cls.default_metrics)
            training = training.model_copy(update={"metrics": metrics})
        if text.tokenizer is None:
            text = text.model_copy(update={"tokenizer": cls.default_tokenizer})
        return config.replaced(task=cls.name, training=training, text=text)

    # Data

    @cached_property
    def data(self) -> Dataset:
        """The data set of the experiment.

        Raises:
            DataError: It cannot be loaded.
        """
        return self.load()

    def load(self) -> Dataset:
        """Load the data set.

        Raises:
            DataError: It cannot be loaded.
        """
        if isinstance(data := self.config.data, DataConfig):
            settings: dict[str, Any] = data.model_dump(exclude_none=True)
            settings |= {"inputs": tuple(self.config.inputs)} if self.config.inputs else {}
            return load_config_data(**settings, purpose=self.purpose)
        if self.config.inputs:
            raise InvalidSetting(
                f"{self.config.where('inputs')}: the data set {data} has one input. Move its layers to network."
            )
        return load(data, where=self.config.where("data"))

    @abstractmethod
    def split(self) -> tuple[Split, Split | None]:
        """Return the training examples and the validation examples, if any, as the data set has them.

        Raises:
            InvalidSetting: The data does not suit the task, or has no such validation split.
        """

    @cached_property
    def _parts(self) -> tuple[Split, Split | None]:
        self._check_augmentation()
        return self.split()

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """The conversion from raw examples to the network's input, fitted on the training examples."""
        return self.fit_preprocessor(self._parts[0])

    @abstractmethod
    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit a preprocessor on the training examples alone."""

    def fit_and_encode(self, train: Split) -> tuple[Preprocessor, Split]:
        """Fit a preprocessor on the training examples, and encode them; a task may do both faster than one by one."""
        self.preprocessor = self.fit_preprocessor(train)
        return self.preprocessor, self.encode(train)

    @abstractmethod
    def encode(self, split: Split) -> Split:
        """Return examples as the network takes them, with their targets."""

    def encode_test(self) -> Split:
        """Return the test examples as the network takes them."""
        return self.encode(self.data.test)

    def encode_test_as_training(self) -> Split:
        """Return the test examples in the form of the training examples, to compare the two."""
        return self.encode_test()

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of examples of each part, as the network takes them."""
        _ = self.class_weights  # a weight that is not possible is refused before anything is trained
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        return {part: 0 if split is None else split.size for part, split in parts.items()}

    @cached_property
    def train(self) -> Split:
        """The training examples, encoded."""
        if "preprocessor" in vars(self):
            return self.encode(self._parts[0])
        self.preprocessor, train = self.fit_and_encode(self._parts[0])
        return train

    @cached_property
    def validation(self) -> Split | None:
        """The validation examples, encoded, if any."""
        return None if self._parts[1] is None else self.encode(self._parts[1])

    @cached_property
    def test(self) -> Split:
        """The test examples, encoded."""
        return self.encode_test()

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs: classes, or the channels of a series."""
        return self.data.classes

    @cached_property
    def schema(self) -> TableSchema | None:
        """The schema of the table that the data is read from, if it is one."""
        return TableSchema.from_json(self.data.schema) if self.data.schema else None

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Values fitted on the training examples beside the preprocessor, as JSON; empty where there are none."""
        return {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes; empty where none are predicted."""
        return ()

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels of series, those of the table's columns where there are any; empty for others."""
        if self.data.kind != "series":
            return ()
        channels = self.data.example_shape[-1] or 0
        named = (channels_of(self.schema) if self.schema else (), self.data.columns)
        for names in named:
            if len(names) == channels:
                return names
        return tuple(f"channel {index}" for index in range(1, channels + 1))

    @property
    def notes(self) -> list[str]:
        """Remarks on the data and on its preprocessing, a sentence each."""
        return [*self.data.notes, *self.preprocessor.notes]

    # Training

    @property
    def one_hot_classes(self) -> int | None:
        """Number of classes if the loss takes one-hot targets, else None."""
        return None

    @property
    def class_weights(self) -> NDArray[np.float32] | None:
        """[classes] weight of the examples of each class, or None.

        Raises:
            InvalidSetting: The task has no classes.
        """
        if self.config.training.class_weights is not None:
            raise InvalidSetting(
                f"{self.config.where('training', 'class_weights')}: the task {self.name} has no classes to weigh. "
                "Leave it out."
            )
        return None

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in one epoch."""
        return -(-self.sizes["training"] // self.config.training.batch_size)

    def batches(self, *, epochs: int, start: int = 0) -> TrainingBatches:
        """Return the training batches in the order of the experiment's seed.

        Args:
            epochs: Number of passes over the training examples.
            start: The batch of the whole training that comes first.
        """
        training = self.config.training
        return TrainingBatches(
            self.train,
            batch_size=training.batch_size,
            epochs=epochs,
            seed=self.config.seed,
            start=start,
            shift=training.augment.shift if training.augment else 0,
            weights=self.class_weights,
            classes=self.one_hot_classes,
            padding=training.padding,
        )

    def validation_batches(self, batch_size: int) -> EvaluationBatches | None:
        """Return the batches that Keras validates on, or None."""
        if self.validation is None:
            return None
        return EvaluationBatches(self.validation, batch_size, classes=self.one_hot_classes)

    # The network's last layer

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Number of values that the network gives, for each example or for each step."""

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return the last layer of a network that names none."""
        return Component.model_validate({"Dense": {"units": num_outputs, "activation": "softmax"}})

    def check_model(self, model: keras.Model) -> None:  # noqa: B027 - most tasks have nothing to check
        """Refuse a network that does not suit the task, beyond the shape of its outputs.

        Raises:
            InvalidSetting: It does not.
        """

    # Calibration

    def calibrate(self, outputs: Any, split: Split) -> Mapping[str, Any]:
        """Fit what turns a trained network's outputs into predictions, such as a threshold.

        It is kept with the run as ``calibration.json`` and is the ``calibration`` of the tasks that are loaded from it.

        Args:
            outputs: The return value of ``predict``.
            split: The examples that were predicted: the validation examples, encoded.

        Returns:
            What was fitted, as JSON; empty where these examples are too few.
        """
        return {}

    @property
    def calibration_split(self) -> Split | None:
        """The examples to calibrate on: the validation examples, but never those of the test."""
        if not self.is_calibrated or self.config.training.validation == "test":
            return None
        return self.validation

    # Evaluation

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return a network's outputs for encoded examples, in the form that ``evaluate`` takes."""
        return predict_probabilities(model, split.inputs, batch_size)

    @abstractmethod
    def evaluate(self, outputs: Any, split: Split) -> Evaluation:
        """Compare outputs with the targets of the examples.

        Args:
            outputs: The return value of ``predict``.
            split: The examples that were predicted.
        """

    def baselines(self) -> Baselines:
        """Return the metrics of simple methods on the test examples by their names, the simplest first.

        They come behind those of the evaluation, of methods that are measured on the same examples as the network.
        """
        return {}

    def count_independent(self, evaluation: Evaluation) -> float:
        """Return on how many results, independent of each other, the main metric of an evaluation rests."""
        return evaluation.examples

    @property
    def originals(self) -> Mapping[str, Any]:
        """The raw inputs of each split by its name, where encoding makes different ones the same."""
        return {}

    @property
    def rules_left_out(self) -> tuple[str, ...]:
        """The codes of the rules of the doctor that say nothing about this task."""
        return ()

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Return what a report shows of the test examples, below the metrics.

        Args:
            model: The trained network.
            outputs: Its outputs for the test examples.
        """
        return Sections()

    # Inference

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Return a network's outputs for raw examples.

        Args:
            model: The trained network.
            inputs: Raw examples: images [B, height, width] or [B, height, width, 3], a list of texts, or a list of
                series [T, F].
            batch_size: Number of examples computed at once.

        Raises:
            InvalidInput: The examples have another shape than the training examples.
        """
        return predict_probabilities(model, self.preprocessor.encode(inputs), batch_size)

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the outputs for one example as JSON, in the order of the columns of a CSV file."""
        return {f"output_{index}": float(value) for index, value in enumerate(np.ravel(output))}

    def describe_steps(self, output: NDArray[Any]) -> list[Prediction]:
        """Return the outputs for each step of one example as JSON."""
        self._refuse("label", "unrolled recipes")

    def generate(self, model: keras.Model, prompt: str, **options: Any) -> Iterator[str]:
        """Continue a text; see ``unrolled.generate``."""
        self._refuse("generate", "unrolled train austen-characters")

    def forecast(
        self,
        model: keras.Model,
        series: Any,
        steps: int | None = None,
        future: Any = None,
        *,
        quantiles: bool = False,
    ) -> NDArray[np.floating[Any]]:
        """Continue a series; see ``unrolled.forecast``."""
        self._refuse("forecast", "unrolled train passengers-forecast")

    # Checks

    def _refuse(self, what: str, train: str) -> NoReturn:
        raise InvalidInput(f"{what}: the network was trained to {self.name}, not to {what}. Train one: {train}")

    def named_validation(self) -> Split | None:
        """Return the validation split that a word names: ``test``, ``given`` or ``none``.

        Raises:
            InvalidSetting: The data set has no validation split.
        """
        validation = self.config.training.validation
        if validation != "given":
            return self.data.test if validation == "test" else None
        if self.data.validation is None:
            raise InvalidSetting(
                f"{self.config.where('training', 'validation')}: {self.data.name} has no validation split. "
                "Set validation: 0.1"
            )
        return self.data.validation

    def _check_augmentation(self) -> None:
        if self.config.training.augment and not self.data.has_images:
            shape = ["B", *self.data.example_shape]
            raise InvalidSetting(
                f"{self.config.where('training', 'augment')}: expected images [B, height, width], got {shape}. "
                "Leave out the setting."
            )
