"""The common part of all tasks that predict something of each example."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Fold
from unrolled.data.dataset import Split
from unrolled.data.splitting import fold_out, hold_out
from unrolled.errors import InvalidSetting
from unrolled.tasks.base import Task
from unrolled.tasks.columns import format_example
from unrolled.tasks.preprocessing import Preprocessor, fit_preprocessor, fit_words, fits_in_memory

from numpy.typing import NDArray

_LONGEST_QUOTED = 80


class ExampleTask(Task):
    """A task whose examples each have something: a class, numbers, or several labels.

    Attributes:
        target_kind: The kind of target that the examples have (see ``TargetKind``).
        wants: That kind in words, for messages.
    """

    takes_inputs = True
    purpose = "examples"
    target_kind: ClassVar[str] = "class"
    wants: ClassVar[str] = "a class"

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return False: an experiment names such a task."""
        return False

    def check_data(self) -> None:
        """Refuse examples that have something else.

        Raises:
            InvalidSetting: They have.
        """
        data = self.data
        if data.target_kind != self.target_kind or data.is_per_step or (data.kind == "text" and data.train.size == 1):
            got = {"class": "a class for each", "numbers": "numbers for each", "labels": "labels for each"}
            named = "labels at each step" if data.is_per_step else got[data.target_kind]
            raise InvalidSetting(
                f"{self.config.where('data')}: expected examples with {self.wants}, got {named} of {data.name}. "
                "Name a table with such a target, or another task."
            )

    def split(self) -> tuple[Split, Split | None]:
        """Split off validation examples, decided by the seed, and stratified by class where they have classes."""
        data, validation = self.data, self.config.training.validation
        self.check_data()
        if isinstance(validation, str):
            return data.train, self.named_validation()
        if isinstance(validation, Fold):
            return self._fold(validation)
        return hold_out(data.train, validation, self.config.seed, data.division)

    def _fold(self, validation: Fold) -> tuple[Split, Split]:
        data, where = self.data, self.config.where("training", "validation")
        if data.division is not None and data.division.by == "time":
            raise InvalidSetting(f"{where}: folds are not in the order of time. Set validation: 0.1")
        if data.division is not None and (groups := len(set(data.division.values.tolist()))) < validation.of:
            raise InvalidSetting(f"{where}: expected a group for each fold, got {groups} groups. Use fewer folds.")
        return fold_out(data.train, validation.fold, validation.of, self.config.seed, data.division)

    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit the preprocessor that suits the kind of data."""
        return fit_preprocessor(self.data, train, self.config.text)

    def fit_and_encode(self, train: Split) -> tuple[Preprocessor, Split]:
        """Do both at once for texts whose tokens are words."""
        text = self.config.text
        if self.data.kind != "text" or text.tokenizer != "words" or not fits_in_memory(train.inputs):
            return super().fit_and_encode(train)
        preprocessor, encoded = fit_words(train.inputs, text)
        return preprocessor, Split(encoded, self.encode_targets(train.targets))

    def encode(self, split: Split) -> Split:
        """Return the encoded inputs and targets."""
        return Split(self.preprocessor.encode(split.inputs), self.encode_targets(split.targets))

    def encode_targets(self, targets: Any) -> Any:
        """Return targets as the loss takes them."""
        return targets

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of examples of each part, for which nothing is encoded."""
        _ = self.class_weights
        train, validation = self._parts
        return {
            "training": train.size,
            "validation": validation.size if validation else 0,
            "test": self.data.test.size,
        }

    @property
    def num_outputs(self) -> int:
        """One for each class, number or label."""
        return len(self.output_names)

    def shown(self, example: Any) -> Any:
        """Return an example as a report shows it."""
        if self.data.kind == "columns":
            return format_example(example, self.data.columns)
        return spectrogram(example) if self.data.has_sounds else example

    def quoted(self, index: int) -> str:
        """Return the beginning of a test example that is a text or has columns; the number of another."""
        example = self.shown(self.data.test.inputs[index])
        text = " ".join(example.split()) if isinstance(example, str) else f"example {index}"
        return text if len(text) <= _LONGEST_QUOTED else text[:_LONGEST_QUOTED] + "…"

    @property
    def originals(self) -> Mapping[str, Any]:
        """Texts and lists of words: rare words have one number, or those of their forms."""
        if self.data.kind not in ("text", "tokens"):
            return {}
        train, validation = self._parts
        splits = {"train": train, "validation": validation, "test": self.data.test}
        return {name: split.inputs for name, split in splits.items() if split is not None}


def spectrogram(series: NDArray[Any]) -> NDArray[Any]:
    """Return the energies [T, bands] of a sound as an image [bands, T], the lowest frequency at the bottom."""
    return series.T[::-1]
