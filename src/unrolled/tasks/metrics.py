"""Metrics of a trained network on examples that it was not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from unrolled.storage import in_form

import numpy as np
from numpy.typing import NDArray

# The cross-entropy of a class with probability 0, clipped in the same way as by Keras.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class against all others.

    Attributes:
        name: The class.
        precision: Of the examples predicted as this class, the share that belong to it; 0 if there are none.
        recall: Of the examples of this class, the share predicted as it; 0 if there are none.
        f1: The harmonic mean of the two.
        support: Number of examples of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Metrics over one set of examples.

    Attributes:
        examples: Number of examples.
        metrics: Every metric by its name, in the order in which they are shown.
        headline: The name of the main metric.
        is_higher_better: True if a higher value of the main metric is better.
        baselines: The metrics of simple methods on the same examples, by the names of the methods.
        classes: The scores of each class, where classes are predicted.
        confusion: [classes, classes] counts; row: the true class, column: the predicted class.
        conditions: Settings without which two evaluations cannot be compared, such as the tokenizer.
        notes: What a reader should know of the metrics, each a problem and a remedy.
    """

    examples: int
    metrics: Mapping[str, float]
    headline: str
    is_higher_better: bool = False
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False)
    classes: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """The loss."""
        return self.metrics["loss"]

    @property
    def accuracy(self) -> float:
        """The share of examples (or tokens) whose most probable class is right.

        Raises:
            KeyError: The task has no accuracy.
        """
        return self.metrics["accuracy"]

    @property
    def summary(self) -> str:
        """All metrics but the loss in one line.

        Example:
            >>> Evaluation(60, {"MAE": 12.5, "loss": 0.1}, "MAE").summary
            'MAE 12.5000'
        """
        return "  ".join(f"{name} {value:.4f}" for name, value in self.metrics.items() if name != "loss")

    @property
    def best_baseline(self) -> str | None:
        """The name of the baseline with the best value of the main metric; None if there is none."""
        values = {name: found[self.headline] for name, found in self.baselines.items() if self.headline in found}
        if not values:
            return None
        return (max if self.is_higher_better else min)(values, key=lambda name: values[name])

    @property
    def beats_baseline(self) -> bool | None:
        """True if the main metric is better than that of the best baseline; None if there is no baseline."""
        if (name := self.best_baseline) is None:
            return None
        own, best = self.metrics[self.headline], self.baselines[name][self.headline]
        return own > best if self.is_higher_better else own < best

    @property
    def equals_baseline(self) -> bool:
        """True if the main metric is that of the best baseline."""
        name = self.best_baseline
        return name is not None and self.metrics[self.headline] == self.baselines[name][self.headline]

    @property
    def verdict(self) -> str:
        """The comparison with the best baseline in words; empty if there is no baseline.

        Example:
            >>> Evaluation(9, {"MAE": 2.0, "loss": 1.0}, "MAE", baselines={"last value": {"MAE": 3.0}}).verdict
            'better than the best baseline, last value (MAE 3.0000)'
        """
        if (name := self.best_baseline) is None:
            return ""
        best = self.baselines[name][self.headline]
        words = "better than" if self.beats_baseline else "not better than"
        words = "as good as" if self.equals_baseline else words
        return f"{words} the best baseline, {name} ({self.headline} {best:.4f})"

    def with_headline(self, name: str, value: float) -> "Evaluation":
        """Return the evaluation with another main metric, of which a higher value is better."""
        return replace(self, metrics={name: value, **self.metrics}, headline=name, is_higher_better=True)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``; each metric also stands at the top level."""
        return {**self.metrics, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation that ``to_json`` wrote.

        Raises:
            ValueError: The values have another form.
        """
        found: Evaluation = in_form(cls, values)
        if found.headline not in found.metrics:
            raise ValueError(f'no metric "{found.headline}"')
        return found


def evaluate_classes(
    probabilities: NDArray[np.floating[Any]], targets: NDArray[np.int64], names: tuple[str, ...]
) -> Evaluation:
    """Compare predicted probabilities with the true classes.

    Args:
        probabilities: [B, classes], each row adding up to one.
        targets: [B], the index of each true class.
        names: The names of the classes.

    Returns:
        Accuracy, loss (the mean cross-entropy in nats), the scores of each class and the confusion matrix.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    right, true, positive = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    of_truth = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return Evaluation(
        examples=len(targets),
        metrics={
            "accuracy": float((predicted == targets).mean()),
            "loss": float(-np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).mean()),
        },
        headline="accuracy",
        is_higher_better=True,
        classes=_scores(right, true, positive, names),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def label_scores(
    predicted: NDArray[np.bool_], targets: NDArray[np.bool_], names: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    """Return the scores of each label by itself.

    Args:
        predicted: [B, labels] True for each label that is predicted.
        targets: [B, labels] True for each label that an example has.
        names: The names of the labels.
    """
    right, true, positive = (predicted & targets).sum(axis=0), targets.sum(axis=0), predicted.sum(axis=0)
    return _scores(right, true, positive, names)


_HALF = 0.5


def best_threshold(probabilities: NDArray[np.floating[Any]], is_true: NDArray[np.bool_]) -> float:
    """Return the probability from which on everything is predicted, so that F1 is highest.

    ::

        F1 = 2 * right / (predicted + true)

    Args:
        probabilities: [B]
        is_true: [B], with at least one True.

    Returns:
        0.5 where none is better; otherwise one of the probabilities, the highest of several that are equally good.

    Example:
        >>> best_threshold(np.array([0.9, 0.2, 0.3, 0.1]), np.array([True, False, True, False]))
        0.3
        >>> best_threshold(np.array([0.9, 0.2, 0.8, 0.1]), np.array([True, False, True, False]))
        0.5
    """
    order = np.argsort(-probabilities, kind="stable")
    found = probabilities[order]
    f1 = 2 * np.cumsum(is_true[order]) / (np.arange(1, len(order) + 1) + is_true.sum())
    f1[:-1][found[:-1] == found[1:]] = 0  # equal probabilities are predicted together
    is_best = f1 == f1.max()
    if (is_best & (found >= _HALF) & (np.append(found[1:], -np.inf) < _HALF)).any():
        return _HALF
    return float(found[is_best.argmax()])


def _scores(
    right: NDArray[np.int64], true: NDArray[np.int64], positive: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    """Return the scores of each class by the number of right ones, of true ones and of predicted ones."""
    precision, recall, f1 = _ratio(right, positive), _ratio(right, true), _ratio(2 * right, true + positive)
    return tuple(
        ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(true[i]))
        for i, name in enumerate(names)
    )


def regression_errors(errors: NDArray[np.float64], targets: NDArray[np.float64]) -> dict[str, float]:
    """Return MAE, RMSE and R2, the share of the targets' variance that is explained.

    ::

        R2 = 1 - sum error^2 / sum (target - mean target)^2

    Args:
        errors: [B] in the units of the data.
        targets: [B] the true values; a constant may be subtracted.
    """
    variance = float(((targets - targets.mean()) ** 2).sum())
    squares = float((errors**2).sum())
    return {
        "MAE": float(np.abs(errors).mean()),
        "RMSE": float(np.sqrt(squares / len(errors))),
        "R2": 1 - squares / variance if variance else 0.0,
    }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def forecast_errors(errors: NDArray[Any], naive: NDArray[Any], squared: NDArray[Any]) -> dict[str, float]:
    """Return MAE, RMSE, MASE (see ``mase``) and RMSSE.

    ::

        RMSSE = mean over windows and channels of sqrt (mean over the horizon of error^2 / squared naive)

    Args:
        errors: [B, horizon, F], in the units of the data, NaN for a gap.
        naive: [B or 1, 1, F] the mean error of the naive forecast (see ``naive_errors``) of each window's series.
        squared: [B or 1, 1, F] the mean of its squared errors.

    Reference:
        Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006.
    """
    squared = np.where(squared > 0, squared, 1.0)
    counts = (~np.isnan(errors)).sum(axis=1)
    scaled = np.sqrt(np.nansum(errors**2 / squared, axis=1) / np.maximum(counts, 1))
    return {
        "MAE": float(np.nanmean(np.abs(errors))),
        "RMSE": float(np.sqrt(np.nanmean(errors**2))),
        "MASE": mase(errors, naive),
        "RMSSE": float(scaled[counts > 0].mean()),
    }


def mase(errors: NDArray[Any], naive: NDArray[Any]) -> float:
    """Return the mean absolute scaled error, mean (|error| / naive).

    Args:
        errors: [..., F]
        naive: The mean error of the naive forecast (see ``naive_errors``), of a shape that broadcasts to it.
    """
    return float(np.nanmean(np.abs(errors) / np.where(naive > 0, naive, 1.0)))


def naive_errors(series: Sequence[NDArray[Any]] | NDArray[Any], season: int, power: int = 1) -> NDArray[np.float64]:
    """Return the mean absolute error of repeating the values one season before, in each series and channel.

    ::

        naive = mean |x[t] - x[t - season]|^power

    Args:
        series: [S] arrays [T, F], the training part of each series.
        season: Length of a season, in steps.
        power: 2 for the mean squared error.

    Returns:
        [S, F]; 0 where no step has a value one season before.
    """
    errors = []
    for values in series:
        differences = np.abs(season_differences(values, season)) ** power
        counts = (~np.isnan(differences)).sum(axis=0)
        errors.append(np.nansum(differences, axis=0) / np.maximum(counts, 1))
    return np.array(errors)


def season_differences(values: NDArray[Any], season: int) -> NDArray[np.float64]:
    """Return [T - season, F] the values of a series [T, F] less those one season before."""
    precise = values.astype(np.float64)
    return precise[season:] - precise[:-season]
