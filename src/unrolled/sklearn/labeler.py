"""Labels for the steps of sequences."""

from collections.abc import Sequence
from typing import Any, Self

from unrolled.data.ragged import Ragged
from unrolled.sklearn.sequences import SequenceEstimator, as_list, check_lengths

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags


class SequenceLabeler(SequenceEstimator):
    """Recurrent network that labels each word of a sentence, or each step of a sequence, as a scikit-learn estimator.

    It is trained like an experiment with ``task: label``. Words are embedded in ``units`` dimensions; rare and unknown
    words are read by their shapes and endings. ``score`` is the accuracy over all steps, as in ``sklearn_crfsuite``.
    The parameters are those of ``SequenceClassifier``, but the sequences are read in both directions by default.

    Attributes:
        classes_: The labels.
        channels_: F, the number of channels, if the sequences are numbers.
        model_: The fitted ``keras.Model``.
        task_: The task with which it was trained, of ``unrolled.tasks``.

    Example::

        from unrolled import SequenceLabeler

        labeler = SequenceLabeler(random_state=0).fit([["Ada", "slept"], ["No"]], [["NAME", "VERB"], ["OTHER"]])
        labeler.predict([["Ada"]])  # [["NAME"]]
    """

    task_name = "label"
    is_per_step = True

    def __init__(
        self,
        cell: str = "gru",
        units: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.003,
        network: Sequence[Any] | None = None,
        text: Any = None,
        random_state: Any = None,
    ):
        super().__init__(
            cell=cell,
            units=units,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            network=network,
            text=text,
            random_state=random_state,
        )

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit the network to sequences and the labels of their steps.

        Args:
            X: A list of lists of words; or a list of sequences [T, F] of any lengths, or an array [B, T, F] or [B, T]
                (see ``as_sequences``).
            y: [B] lists of labels, texts or numbers, one for each word or step; None for a step without one.

        Returns:
            The fitted estimator.

        Raises:
            ValueError: Not every step has a label or None, there are fewer than two labels, or a parameter is
                impossible.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        examples = self._read(X)
        if self._kind == "text":
            raise ValueError("expected a list of words for each example, got texts. Split them: text.split()")
        labels = _as_lists(examples, y)
        known = [label for label in _flat(labels) if not _is_none(label)]
        if other := next((label for label in known if not isinstance(label, str | int | float | np.generic)), None):
            raise ValueError(f"expected labels that are texts or numbers, got {other!r:.60}. Convert them to texts.")
        if len({isinstance(label, str) for label in known}) > 1:
            raise ValueError("expected labels of one type, got texts and numbers. Convert them to texts.")
        self.classes_ = np.unique(known)
        if len(self.classes_) < 2:
            got = f"one class: {self.classes_[0]}" if len(self.classes_) else "none"
            raise ValueError(f"expected at least two classes, got {got}. Add steps with another label.")
        indices = {label: index for index, label in enumerate(self.classes_.tolist())}
        targets = [np.array([-1 if _is_none(one) else indices[one] for one in some], np.int64) for some in labels]
        self._train_on(examples, Ragged.of(targets), tuple(map(str, self.classes_)))
        return self

    def predict_proba(self, X: Any) -> list[NDArray[np.float32]]:  # noqa: N803
        """Predict the probability of each label at each step, [B] arrays [T, labels] in the order of ``classes_``."""
        return list(self._predict(X))

    def predict(self, X: Any) -> list[list[Any]]:  # noqa: N803
        """Predict the label of each step, [B] lists."""
        return [self.classes_[one.argmax(axis=1)].tolist() for one in self.predict_proba(X)]

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """Return the accuracy over all steps that have a label.

        Args:
            X: The sequences.
            y: [B] lists of labels, None for a step without one.
        """
        predicted = self.predict(X)
        pairs = zip((one for some in predicted for one in some), _flat(_as_lists(predicted, y)), strict=True)
        is_right = [found == label for found, label in pairs if not _is_none(label)]
        if not is_right:
            raise ValueError("expected a label at one step or more, got none. Add labels.")
        return float(np.mean(is_right))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _as_lists(examples: Any, labels: Any) -> list[list[Any]]:
    """Return [B] lists of labels after checking that there is one for each step of the examples.

    Raises:
        ValueError: There is not.
    """
    lists = as_list(labels) if not isinstance(labels, np.ndarray) else list(labels)
    if lists is None:
        raise ValueError(f"expected a list of labels for each sequence, got {type(labels).__name__}. Pass lists.")
    check_lengths(examples, lists)
    found = []
    for index, (example, item) in enumerate(zip(examples, lists, strict=True)):
        some = item.tolist() if isinstance(item, np.ndarray) and item.ndim == 1 else None
        some = as_list(item) if some is None and not isinstance(item, str | bytes) else some
        if some is None or len(some) != len(example):
            got = f"{item!r:.60}" if some is None else str(len(some))
            raise ValueError(
                f"example {index}: expected {len(example)} labels, one for each step, got {got}. Match them."
            )
        found.append(some)
    return found


def _flat(lists: list[list[Any]]) -> list[Any]:
    return [one for some in lists for one in some]


def _is_none(label: Any) -> bool:
    """Return True for None, and for NaN, which stands for it in columns of numbers."""
    return label is None or label != label
