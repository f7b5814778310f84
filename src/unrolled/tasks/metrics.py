"""How well a trained network does on examples that it has not learned from."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The cross-entropy of a class that got probability 0, as Keras bounds it.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class ClassScore:
    """One class against all others.

    Attributes:
        name: The class.
        precision: Of the examples given this class, the share that have it; 0 where none was given.
        recall: Of the examples that have this class, the share that were given it; 0 where none has it.
        f1: The harmonic mean of the two.
        support: How many examples have this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Figures over one set of examples.

    Attributes:
        examples: How many.
        loss: The mean cross-entropy, in nats; of a forecast the mean squared error of the scaled differences.
        accuracy: The share whose most probable class or token is right; NaN of a forecast.
        classes: Each class' scores, where classes are told.
        confusion: [classes, classes]; row: the true class, column: the class given.
        figures: What else is customary, by name: bits per character and perplexity; MAE, RMSE and MASE.
        baselines: The same figures of simple methods, by their names.
    """

    examples: int
    loss: float
    accuracy: float
    classes: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False)

    @property
    def scores(self) -> dict[str, float]:
        """Every single figure of the examples, by name; those that one looks at first come first.

        Example:
            >>> list(Evaluation(60, 0.1, 0.5, figures={"perplexity": 1.1}).scores)
            ['perplexity', 'accuracy', 'loss']
        """
        known = {} if math.isnan(self.accuracy) else {"accuracy": self.accuracy}
        return {**self.figures, **known, "loss": self.loss}

    @property
    def headline(self) -> str:
        """The figures that one looks at first.

        Example:
            >>> Evaluation(60, 0.1, math.nan, figures={"MAE": 12.5}).headline
            'MAE 12.5000'
        """
        shown = self.figures or {"accuracy": self.accuracy}
        return "  ".join(f"{name} {value:.4f}" for name, value in shown.items())

    def to_json(self) -> dict[str, Any]:
        """What ``evaluation.json`` holds."""
        return {**asdict(self), "accuracy": None if math.isnan(self.accuracy) else self.accuracy}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Evaluation":
        """The evaluation that ``to_json`` gave."""
        scores = tuple(ClassScore(**score) for score in values["classes"])
        confusion = tuple(tuple(row) for row in values["confusion"])
        accuracy = math.nan if values["accuracy"] is None else values["accuracy"]
        return cls(**{**values, "accuracy": accuracy, "classes": scores, "confusion": confusion})


def evaluate(
    probabilities: NDArray[np.floating[Any]], targets: NDArray[np.int64], names: tuple[str, ...]
) -> Evaluation:
    """Compare what a network says with what is so.

    Args:
        probabilities: [B, classes], each row adding up to one.
        targets: [B], the index of each true class.
        names: The classes' names.
    """
    given = probabilities.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (targets, given), 1)
    right, having, receiving = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _ratio(right, receiving), _ratio(right, having)
    f1 = _ratio(2 * right, having + receiving)
    truth = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return Evaluation(
        examples=len(targets),
        loss=float(-np.log(np.maximum(truth, SMALLEST_PROBABILITY)).mean()),
        accuracy=float((given == targets).mean()),
        classes=tuple(
            ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(having[i]))
            for i, name in enumerate(names)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def seasonal_naive(windows: NDArray[Any], *, horizon: int, season: int, window: int) -> NDArray[Any]:
    """The values one season before those to tell, or as many seasons as it takes.

    Args:
        windows: [B, >= window, F].
        horizon: How many steps are told.
        season: In steps.
        window: How many steps are seen.

    Returns:
        [B, horizon, F].

    Example:
        >>> seasonal_naive(np.arange(6.0).reshape(1, 6, 1), horizon=3, season=2, window=6)[0, :, 0].tolist()
        [4.0, 5.0, 4.0]
    """
    steps = np.arange(horizon)
    naive: NDArray[Any] = windows[:, window + steps - season * (steps // season + 1)]
    return naive


def mean_errors(errors: NDArray[Any], learned: NDArray[Any], season: int) -> dict[str, float]:
    """MAE, RMSE and MASE.

    ::

        MASE = mean |error| / mean |x[t] - x[t - season]|        the latter within the training part

    Args:
        errors: [B, horizon, F], in the units of the data.
        learned: [T, F] the training part.
        season: In steps.

    Reference:
        Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006.
    """
    learned = learned.astype(np.float64)
    naive = np.nanmean(np.abs(learned[season:] - learned[:-season]), axis=0)
    return {
        "MAE": float(np.nanmean(np.abs(errors))),
        "RMSE": float(np.sqrt(np.nanmean(errors**2))),
        "MASE": float(np.nanmean(np.abs(errors) / np.where(naive > 0, naive, 1.0))),
    }
