"""Recurrent networks as scikit-learn estimators, for pipelines, grid searches and cross-validation."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

if find_spec("sklearn") is None:
    raise ModuleNotFoundError(
        "unrolled.sklearn: scikit-learn is not installed. Install it with: pip install 'unrolled[sklearn]'",
        name="sklearn",
    )

from unrolled.data.dataset import Split
from unrolled.data.ragged import objects
from unrolled.errors import InvalidInput, did_you_mean
from unrolled.layers import GRU, LSTM, ReadSeries, SimpleRNN
from unrolled.tasks.batches import TrainingBatches, predict_outputs
from unrolled.tasks.preprocessing import fit_series

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

_CELLS: dict[str, Any] = {"gru": GRU, "lstm": LSTM, "simple_rnn": SimpleRNN}
_BATCH = 256


class _Recurrent(BaseEstimator):
    """Base class: recurrent layers over scaled sequences, followed by a dense layer."""

    def __init__(
        self,
        cell: str = "gru",
        units: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.003,
        random_state: Any = None,
    ):
        self.cell = cell
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def _train(self, sequences: NDArray[Any], targets: NDArray[Any], outputs: int, loss: str) -> None:
        if self.cell not in _CELLS:
            hint = did_you_mean(str(self.cell), _CELLS) or f" Choose among: {', '.join(_CELLS)}."
            raise ValueError(f'{type(self).__name__}: unknown cell "{self.cell}".{hint}')
        for name in ("units", "layers", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InvalidInput(
                    f"{type(self).__name__}: expected {name} of at least 1, got {getattr(self, name)}."
                    " Leave it out for the default."
                )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.preprocessor_ = preprocessor = fit_series(list(sequences))
        random = np.random.default_rng(seed)
        self.model_ = self._build(preprocessor.mean, preprocessor.scale, outputs, random)
        optimizer = keras.optimizers.Adam(self.learning_rate, clipnorm=1.0)
        self.model_.compile(optimizer, loss=loss)
        split = Split(preprocessor.encode(sequences), targets)
        batches = TrainingBatches(split, batch_size=self.batch_size, epochs=self.epochs, seed=seed)
        self.model_.fit(batches, epochs=self.epochs, steps_per_epoch=batches.steps, shuffle=False, verbose=0)

    def _build(
        self, mean: tuple[float, ...], scale: tuple[float, ...], outputs: int, random: np.random.Generator
    ) -> keras.Model:
        def seed() -> int:
            return int(random.integers(2**31 - 1))

        def initializers() -> dict[str, Any]:
            return {
                "kernel_initializer": keras.initializers.GlorotUniform(seed()),
                "recurrent_initializer": keras.initializers.Orthogonal(seed=seed()),
            }

        inputs = keras.Input((None, len(mean)))
        values = ReadSeries(mean, scale)(inputs)
        for index in range(self.layers):
            is_last = index == self.layers - 1
            layer = _CELLS[self.cell](self.units, return_sequences=not is_last, **initializers())
            if self.bidirectional:
                backward = _CELLS[self.cell](
                    self.units, return_sequences=not is_last, go_backwards=True, **initializers()
                )
                layer = keras.layers.Bidirectional(layer, backward_layer=backward)
            values = layer(values)
            values = keras.layers.Dropout(self.dropout, seed=seed())(values)
        activation = "softmax" if outputs > 1 and isinstance(self, ClassifierMixin) else None
        dense = keras.layers.Dense(
            outputs, activation=activation, kernel_initializer=keras.initializers.GlorotUniform(seed())
        )
        return keras.Model(inputs, dense(values))

    def _set_features(self, inputs: Any, sequences: NDArray[Any]) -> None:
        self.channels_ = sequences[0].shape[1]
        shape = np.shape(inputs) if isinstance(inputs, np.ndarray) and inputs.dtype != object else ()
        self.n_features_in_ = shape[1] if len(shape) == 2 else self.channels_

    def _predict_outputs(self, inputs: Any) -> NDArray[np.float32]:
        check_is_fitted(self, "model_")
        sequences = as_sequences(inputs, self.channels_)
        return predict_outputs(self.model_, self.preprocessor_.encode(sequences), _BATCH)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            model = state.pop("model_")
            state["_saved"] = (model.to_json(), model.get_weights())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_saved", None)
        super().__setstate__(state)
        if saved is not None:
            self.model_ = keras.models.model_from_json(saved[0])
            self.model_.set_weights(saved[1])


class SequenceClassifier(ClassifierMixin, _Recurrent):
    """Recurrent network that classifies sequences, as a scikit-learn estimator.

    Each channel is scaled by its mean and standard deviation over the training sequences; NaN is a missing value.

    Args:
        cell: The recurrent cell: ``gru``, ``lstm`` or ``simple_rnn``.
        units: H, the size of the state of each recurrent layer.
        layers: The number of recurrent layers.
        bidirectional: Read the sequences in both directions.
        dropout: The dropout rate after each recurrent layer.
        epochs: The number of epochs.
        batch_size: The number of sequences in a batch.
        learning_rate: The learning rate of Adam; gradients are clipped to the norm 1.
        random_state: An int for reproducible results, a ``numpy.random.RandomState``, or None.

    Attributes:
        classes_: The class labels.
        channels_: F, the number of channels.
        model_: The fitted ``keras.Model``.

    Example::

        from unrolled import SequenceClassifier

        classifier = SequenceClassifier(units=32, random_state=0).fit(sequences, labels)  # a list of [T, F]
        classifier.predict(others)
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the network to sequences and their labels.

        Args:
            X: A list of sequences [T, F] of any lengths, or an array [B, T, F] or [B, T]; see ``as_sequences``.
            y: The labels [B].

        Returns:
            The fitted estimator.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        sequences = as_sequences(X)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        _check_lengths(sequences, labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"expected at least two classes, got one class: {self.classes_[0]}. Add examples of another class."
            )
        self._set_features(X, sequences)
        self._train(sequences, targets.astype(np.int64), len(self.classes_), "sparse_categorical_crossentropy")
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Predict the probability of each class, [B, classes]."""
        return self._predict_outputs(X)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Predict the label of each sequence, [B]."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels


class SequenceRegressor(RegressorMixin, _Recurrent):
    """Recurrent network that predicts one or several numbers for each sequence, as a scikit-learn estimator.

    The arguments are those of ``SequenceClassifier``. Targets are standardized for training.
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the network to sequences and their values.

        Args:
            X: A list of sequences [T, F] of any lengths, or an array [B, T, F] or [B, T]; see ``as_sequences``.
            y: The values [B] or [B, outputs].

        Returns:
            The fitted estimator.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        sequences = as_sequences(X)
        values = np.asarray(y, np.float64)
        if values.ndim == 2 and values.shape[1] == 1:
            values = column_or_1d(values, warn=True)
        _check_lengths(sequences, values)
        if not np.isfinite(values).all():
            raise ValueError("Input y contains NaN or infinity. Leave those examples out.")
        self._is_flat = values.ndim == 1
        values = values.reshape(len(values), -1)
        self._mean, scale = values.mean(axis=0), values.std(axis=0)
        self._scale = np.where(scale > 0, scale, 1.0)
        self._set_features(X, sequences)
        targets = ((values - self._mean) / self._scale).astype(np.float32)
        self._train(sequences, targets, targets.shape[1], "mean_squared_error")
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Predict the values of each sequence, [B] or [B, outputs] like the targets of ``fit``."""
        values: NDArray[np.float64] = self._predict_outputs(X) * self._scale + self._mean
        return values[:, 0] if self._is_flat else values


def as_sequences(inputs: Any, features: int | None = None) -> NDArray[Any]:
    """Convert inputs to an object array [B] of sequences, each float32 [T, F].

    Args:
        inputs: A list of sequences [T, F] (or [T] with one channel) of any lengths: arrays, lists, tensors or data
            frames; one array [B, T, F]; or a table [B, T] whose rows are series of one channel.
        features: The expected F; None to accept any.

    Raises:
        ValueError: The inputs are not sequences of numbers, or differ in their number of channels.
    """
    if _is_list_of_sequences(inputs):
        items = [_as_sequence(index, item) for index, item in enumerate(inputs)]
        if any(np.isinf(item).any() for item in items):
            raise ValueError("expected finite numbers, or NaN for missing values, got infinity. Clip or drop it.")
    else:
        table = check_array(inputs, dtype=np.float32, allow_nd=True, ensure_all_finite="allow-nan")
        if table.ndim > 3:
            raise ValueError(f"expected sequences [B, T, F] or [B, T], got {list(table.shape)}. Reshape them.")
        items = list(table[:, :, None] if table.ndim == 2 else table)
    channels = {item.shape[1] for item in items if item.ndim == 2}
    if any(item.ndim != 2 or not len(item) for item in items) or len(channels) != 1:
        raise ValueError("expected sequences [T, F] of at least one step, with the same number of channels each.")
    if features is not None and channels != {features}:
        raise ValueError(f"expected {features} channels as in fit, got {channels.pop()}. Pass the same channels.")
    return objects(items)


def _is_list_of_sequences(inputs: Any) -> bool:
    """Return True for sequences one by one: lists, arrays, tensors or data frames in a list."""
    if isinstance(inputs, np.ndarray):
        return inputs.dtype == object and inputs.ndim == 1 and len(inputs) > 0 and _has_steps(inputs[0])
    return isinstance(inputs, Sequence) and len(inputs) > 0 and _has_steps(inputs[0])


def _has_steps(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return True
    return hasattr(item, "__array__") and len(getattr(item, "shape", ())) > 0


def _as_sequence(index: int, item: Any) -> NDArray[np.float32]:
    """Return one sequence as an array, [T, F]."""
    try:
        array = np.asarray(item.detach().cpu() if hasattr(item, "detach") else item, np.float32)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"sequence {index}: expected numbers, an array [T] or [T, F], got {type(item).__name__} ({error})."
        ) from None
    return array[:, None] if array.ndim == 1 else array


def _check_lengths(sequences: NDArray[Any], targets: NDArray[Any]) -> None:
    if len(sequences) != len(targets):
        raise ValueError(f"expected a target for each of {len(sequences)} sequences, got {len(targets)}. Match them.")
