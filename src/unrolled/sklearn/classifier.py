"""Classification of sequences."""

from typing import Any, Self

from unrolled.sklearn.sequences import SequenceEstimator, check_lengths

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


class SequenceClassifier(ClassifierMixin, SequenceEstimator):
    """Recurrent network that classifies sequences, as a scikit-learn estimator.

    It is trained like an experiment with ``task: classify``. Each channel is scaled by its mean and standard deviation
    over the training sequences; NaN is a missing value. Texts are split into words, which are embedded in ``units``
    dimensions.

    Args:
        cell: The recurrent cell: ``gru``, ``lstm`` or ``simple_rnn``.
        units: H, the size of the state of each recurrent layer.
        layers: The number of recurrent layers.
        bidirectional: Read the sequences in both directions.
        dropout: The dropout rate after each recurrent layer.
        epochs: The number of epochs.
        batch_size: The number of sequences in a batch.
        learning_rate: The learning rate of Adam; gradients are clipped to the norm 1.
        network: The layers as in an experiment, ``[{"GRU": {"units": 32}}]``, in place of those that ``cell``,
            ``units``, ``layers``, ``bidirectional`` and ``dropout`` name; the last layer may be left out.
        text: The section ``text`` of an experiment, for texts and words: ``{"tokenizer": "characters"}``.
        random_state: An int for reproducible results, a ``numpy.random.RandomState``, or None.

    Attributes:
        classes_: The class labels.
        channels_: F, the number of channels, if the sequences are numbers.
        model_: The fitted ``keras.Model``.
        task_: The task with which it was trained, of ``unrolled.tasks``.

    Example::

        from unrolled import SequenceClassifier

        classifier = SequenceClassifier(units=32, random_state=0).fit(sequences, labels)  # a list of [T, F]
        classifier.predict(others)
    """

    task_name = "classify"

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the network to sequences and their labels.

        Args:
            X: A list of sequences [T, F] of any lengths, or an array [B, T, F] or [B, T] (see ``as_sequences``); a list
                of texts; or a list of lists of words.
            y: The labels [B].

        Returns:
            The fitted estimator.

        Raises:
            ValueError: They are none of these, there are fewer than two classes, or a parameter is impossible.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        examples = self._read(X)
        labels = column_or_1d(y, warn=True)
        missing = [index for index, label in enumerate(labels.tolist()) if label is None or label != label]
        if missing and labels.dtype == object:  # scikit-learn has words of its own for numbers
            raise ValueError(
                f"expected a label for each sequence, got none for {len(missing)}: {missing[:5]}. Leave them out."
            )
        check_classification_targets(labels)
        check_lengths(examples, labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"expected at least two classes, got one class: {self.classes_[0]}. Add examples of another class."
            )
        self._train_on(examples, targets.astype(np.int64), tuple(map(str, self.classes_)))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Predict the probability of each class, [B, classes]."""
        probabilities: NDArray[np.float32] = self._predict(X)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Predict the label of each sequence, [B]."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels
