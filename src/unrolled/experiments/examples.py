"""Which examples a training learns from, which it watches, and how much each counts."""

from dataclasses import dataclass
from typing import Any

from unrolled.data.dataset import Dataset, Split, fold_out, hold_out
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.experiments.batches import Batches, balanced_weights, one_hot
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.settings import Fold

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """What a training has to do with of its data.

    Attributes:
        learned: The examples to learn from.
        watched: Those to watch after each epoch, if any.
        weights: [classes] how much an example of each class counts, or None.
        classes: How many classes there are where targets are to be one-hot, or None.
    """

    learned: Split
    watched: Split | None
    weights: NDArray[np.float32] | None
    classes: int | None

    @property
    def validation_data(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """What Keras validates on."""
        if self.watched is None:
            return None
        targets = self.watched.targets
        return self.watched.inputs, targets if self.classes is None else one_hot(targets, self.classes)

    def batches(self, experiment: Experiment, *, epochs: int, start: int = 0) -> Batches:
        """What the network is given, in the order of an experiment's seed and varied as it says.

        Args:
            experiment: Whose training.
            epochs: How many times each example is seen.
            start: The batch of the whole training that comes first.
        """
        training = experiment.training
        return Batches(
            self.learned,
            batch_size=training.batch_size,
            epochs=epochs,
            seed=experiment.seed,
            start=start,
            shift=training.augment.shift if training.augment else 0,
            weights=self.weights,
            classes=self.classes,
        )


def choose_examples(data: Dataset, experiment: Experiment) -> Examples:
    """Divide and weigh the examples as an experiment says.

    Raises:
        InvalidSetting: A class weight is of no class, or images are to be shifted that are none.
    """
    training = experiment.training
    if training.augment and data.train.inputs.ndim != 3:
        raise InvalidSetting(
            f"{experiment.where('training', 'augment')}: expected images [B, height, width] to shift, got "
            f"{list(data.train.inputs.shape)}. Leave out the setting."
        )
    learned, watched = divide(data, experiment)
    takes_indices = training.loss.name.startswith("Sparse")
    return Examples(
        learned, watched, _weights(learned, data.classes, experiment), None if takes_indices else len(data.classes)
    )


def divide(data: Dataset, experiment: Experiment) -> tuple[Split, Split | None]:
    """The examples to learn from, and those to watch after each epoch."""
    validation = experiment.training.validation
    if validation == "test":
        return data.train, data.test
    if validation == "none":
        return data.train, None
    if isinstance(validation, Fold):
        return fold_out(data.train, validation.fold, validation.of, experiment.seed)
    return hold_out(data.train, float(validation), experiment.seed)


def _weights(learned: Split, classes: tuple[str, ...], experiment: Experiment) -> NDArray[np.float32] | None:
    weights = experiment.training.class_weights
    if weights is None:
        return None
    if weights == "balanced":
        return balanced_weights(learned.targets, len(classes))
    for name in weights:
        if name not in classes:
            remedy = did_you_mean(name, classes) or f" Choose among: {', '.join(classes[:20])}."
            where = experiment.where("training", "class_weights")
            raise InvalidSetting(f'{where}: unknown class "{name}".{remedy}')
    return np.array([weights.get(name, 1.0) for name in classes], dtype=np.float32)
