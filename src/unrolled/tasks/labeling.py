"""Labeling: a class for each step of a sequence."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Split
from unrolled.data.formats import TAGGED_WORDS
from unrolled.data.ragged import Ragged
from unrolled.errors import InvalidSetting
from unrolled.tasks.base import Baselines, Prediction
from unrolled.tasks.batches import predict_steps
from unrolled.tasks.classification import Classification
from unrolled.tasks.metrics import Evaluation, evaluate_classes
from unrolled.tasks.sections import ConfusionSection, Sections, TableSection
from unrolled.tasks.spans import are_span_tags, span_f1

import keras
import numpy as np
from numpy.typing import NDArray

SPAN_F1 = "span F1"
_MOST_WORDS = 20


class Labeling(Classification):
    """The probability of each class at each step; a linear last layer gives logits."""

    name = "label"
    is_per_step = True
    takes_inputs = False
    weighs_steps = True
    purpose = "labels"

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return True for files of tagged words."""
        data = config.data
        if isinstance(data, str):
            return False
        return any(name.lower().endswith(TAGGED_WORDS.suffixes) for name in (data.file, data.train) if name)

    def check_data(self) -> None:
        """Refuse examples that have a class for the whole."""
        if not self.data.is_per_step:
            raise InvalidSetting(
                f"{self.config.where('data')}: expected a label at each step, got a class for each example. "
                "Set task: classify."
            )

    def flat_targets(self, split: Split) -> NDArray[np.int64]:
        """Return the classes of all labeled steps, end to end."""
        joined = split.targets.joined
        labeled: NDArray[np.int64] = joined[joined >= 0]
        return labeled

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> Any:
        """Return the probabilities [T, classes] of each encoded example."""
        return predict_steps(model, split.inputs, batch_size)

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> Any:
        """Return the probabilities [T, classes] of each raw example: lists of words, or series [T, F]."""
        return predict_steps(model, self.preprocessor.encode(inputs), batch_size)

    def evaluate(self, outputs: Any, split: Split) -> Evaluation:
        """Return accuracy, loss and the scores of each class, all of steps; of tags such as B-PER the F1 of spans."""
        joined = split.targets.joined
        evaluation = evaluate_classes(
            np.concatenate(list(outputs))[joined >= 0], joined[joined >= 0], self.output_names
        )
        if not are_span_tags(self.output_names):
            return evaluation
        predicted = [one.argmax(axis=-1) for one in outputs]
        return evaluation.with_headline(SPAN_F1, self._span_f1(split.targets, predicted))

    def _span_f1(self, targets: Ragged, predicted: Sequence[NDArray[np.int64]]) -> float:
        return span_f1(self._tags(targets), self._tags(predicted))

    def _tags(self, classes: Any) -> list[list[str]]:
        return [["O" if index < 0 else self.output_names[index] for index in some.tolist()] for some in classes]

    def baselines(self) -> Baselines:
        """Return the scores of the commonest label, and of the commonest label of each word."""
        train, test = self.data.train, self.data.test
        commonest = int(np.bincount(self.flat_targets(train)).argmax())
        found = {"majority class": [np.full(length, commonest) for length in test.targets.lengths]}
        if self.data.kind == "tokens":
            counts: dict[str, Counter[int]] = {}
            for word, label in zip(train.inputs.words.to_list(), train.targets.joined.tolist(), strict=True):
                if label >= 0:
                    counts.setdefault(word, Counter())[label] += 1
            usual = {word: count.most_common(1)[0][0] for word, count in counts.items()}
            found["commonest label of the word"] = [
                np.array([usual.get(word, commonest) for word in words]) for words in test.inputs
            ]
        return {name: self._baseline(test.targets, predicted) for name, predicted in found.items()}

    @property
    def rules_left_out(self) -> tuple[str, ...]:
        """Rare tags and runs of one label are usual; of spans, F1 is measured and not the accuracy."""
        usual = ("class-imbalance", "sorted-order")
        return (*usual, "majority-class") if are_span_tags(self.output_names) else usual

    def _baseline(self, targets: Ragged, predicted: Sequence[NDArray[np.int64]]) -> dict[str, float]:
        joined = targets.joined
        right = np.concatenate(list(predicted)) == joined
        spans = {SPAN_F1: self._span_f1(targets, predicted)} if are_span_tags(self.output_names) else {}
        return {**spans, "accuracy": float(right[joined >= 0].mean())}

    def report_sections(self, model: keras.Model, outputs: Any) -> Sections:
        """Show the scores of each class, the confusion matrix and the words that are labeled wrongly most often."""
        evaluation = self.evaluate(outputs, self.data.test)
        confusion = ConfusionSection("Confusion matrix of steps", self.output_names, evaluation.confusion)
        words = [self._wrong_words(outputs)] if self.data.kind == "tokens" else []
        return Sections([confusion, self.class_scores(evaluation), *(one for one in words if one.rows)])

    def _wrong_words(self, outputs: Sequence[NDArray[Any]]) -> TableSection:
        test = self.data.test
        predicted, true = np.concatenate([one.argmax(axis=-1) for one in outputs]), test.targets.joined
        wrong = np.flatnonzero((predicted != true) & (true >= 0))
        words = test.inputs.words
        names = self.output_names
        counts = Counter((words[int(step)], names[true[step]], names[predicted[step]]) for step in wrong)
        rows = [(*found, count) for found, count in counts.most_common(_MOST_WORDS)]
        return TableSection("Words labeled wrongly most often", ("word", "label", "predicted", "times"), rows)

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the most probable class of each step, and its probability."""
        names = [self.output_names[index] for index in output.argmax(axis=-1).tolist()]
        return {"labels": names, "probabilities_of_labels": [float(value) for value in output.max(axis=-1)]}

    def describe_steps(self, output: NDArray[Any]) -> list[Prediction]:
        """Return the most probable class of each step and the probability of each class, a prediction for each step."""
        return [super(Labeling, self).describe_prediction(step) for step in output]
