"""Regression on sequences."""

from typing import Any, Self

from unrolled.sklearn.sequences import SequenceEstimator, check_lengths

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d


class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """Recurrent network that predicts one or several numbers for each sequence, as a scikit-learn estimator.

    It is trained like an experiment with ``task: regress``: the network learns each number in standard deviations from
    its mean. ``score`` is R2, of several numbers their mean. The parameters are those of ``SequenceClassifier``.

    Attributes:
        channels_: F, the number of channels, if the sequences are numbers.
        model_: The fitted ``keras.Model``.
        task_: The task with which it was trained, of ``unrolled.tasks``.

    Example::

        from unrolled import SequenceRegressor

        regressor = SequenceRegressor(units=32, random_state=0).fit(sequences, values)  # a list of [T, F], [B]
        regressor.predict(others)
    """

    task_name = "regress"

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the network to sequences and their values.

        Args:
            X: The sequences, texts or lists of words, as of ``SequenceClassifier.fit``.
            y: The values [B] or [B, outputs].

        Returns:
            The fitted estimator.

        Raises:
            ValueError: The values are not finite numbers, one for each sequence, or a parameter is impossible.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        examples = self._read(X)
        try:
            values = np.asarray(y, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected numbers y, [B] or [B, outputs], got others ({error}). Convert them.") from None
        if values.ndim == 2 and values.shape[1] == 1:
            values = column_or_1d(values, warn=True)
        if values.ndim not in (1, 2):
            raise ValueError(f"expected y [B] or [B, outputs], got {list(values.shape)}. Reshape it.")
        check_lengths(examples, values)
        if not np.isfinite(values).all():
            raise ValueError("Input y contains NaN or infinity. Leave those examples out.")
        self._is_flat = values.ndim == 1
        targets = values.reshape(len(values), -1)
        self._train_on(examples, targets, tuple(f"y{index + 1}" for index in range(targets.shape[1])), "numbers")
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Predict the values of each sequence, [B] or [B, outputs] like the targets of ``fit``, in their units."""
        values: NDArray[np.float64] = self._predict(X)
        return values[:, 0] if self._is_flat else values
