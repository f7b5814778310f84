"""Inputs of the estimators: sequences of numbers, texts, and lists of words."""

import warnings
from collections.abc import Sequence
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.data.ragged import objects
from unrolled.data.table import format_list
from unrolled.data.texts import Texts
from unrolled.data.token_lists import TokenLists
from unrolled.sklearn.base import Recurrent

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_is_fitted

_KINDS = {"text": "texts", "tokens": "lists of words", "series": "sequences of numbers"}


class SequenceEstimator(Recurrent):
    """Base class: an estimator of sequences.

    The parameters are described by ``SequenceClassifier``.
    """

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
        network: Sequence[Any] | None = None,
        text: Any = None,
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
        self.network = network
        self.text = text
        self.random_state = random_state

    def _read(self, inputs: Any) -> Any:
        """Return the examples to fit, and keep their kind and their number of channels."""
        examples = as_examples(inputs)
        self._kind = kind_of(examples)
        self._channel_names = _channel_names(inputs)
        if self._kind == "series":
            self.channels_ = examples[0].shape[1]
            shape = np.shape(inputs) if isinstance(inputs, np.ndarray) and inputs.dtype != object else ()
            self.n_features_in_ = shape[1] if len(shape) == 2 else self.channels_
        return examples

    def _train_on(self, examples: Any, targets: Any, outputs: tuple[str, ...], target_kind: str = "class") -> None:
        """Train on all examples, with the names of the outputs."""
        train = Split(examples, targets)
        nothing = train.select(np.empty(0, np.int64))
        self._train(Dataset("X", train, nothing, outputs, target_kind=target_kind), text=self.text)
        for note in self.task_.preprocessor.notes:
            warnings.warn(note, stacklevel=3)

    def _predict(self, inputs: Any) -> Any:
        """Return the outputs of the task for raw examples."""
        check_is_fitted(self, "model_")
        return self.task_.predict_inputs(self.model_, self._read_again(inputs))

    def _read_again(self, inputs: Any) -> Any:
        examples = as_examples(inputs, self.channels_ if self._kind == "series" else None)
        if kind_of(examples) != self._kind:
            raise ValueError(
                f"expected {_KINDS[self._kind]} as in fit, got {_KINDS[kind_of(examples)]}. Pass the same."
            )
        names = _channel_names(inputs)
        if names and self._channel_names and names != self._channel_names:
            raise ValueError(
                f"expected the columns {format_list(self._channel_names)} in this order as in fit, got "
                f"{format_list(names)}. Select them: frame[columns]"
            )
        return examples


def _channel_names(inputs: Any) -> tuple[str, ...]:
    """Return the names of the columns of a data frame, or of the data frames in a list; none for anything else.

    Raises:
        ValueError: The data frames in a list have other columns, or in another order.
    """
    items = as_list(inputs)
    found = [_column_names(item) for item in ([inputs] if items is None else items)]
    for index, names in enumerate(found):
        if names and names != found[0]:
            raise ValueError(
                f"sequence {index}: expected the columns {format_list(found[0]) or 'of an array'} in this order as in "
                f"the first, got {format_list(names)}. Select them: frame[columns]"
            )
    return found[0] if found else ()


def _column_names(item: Any) -> tuple[str, ...]:
    names = list(getattr(item, "columns", ()))
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def kind_of(examples: Any) -> str:
    """Return ``text``, ``tokens`` or ``series`` for what ``as_examples`` returned."""
    return "text" if isinstance(examples, Texts) else "tokens" if isinstance(examples, TokenLists) else "series"


def as_examples(inputs: Any, features: int | None = None) -> Any:
    """Convert inputs to texts, lists of words or sequences of numbers, whichever they are.

    Args:
        inputs: A list or a column of texts; a list of lists of words; or sequences (see ``as_sequences``).
        features: The expected number of channels of sequences; None to accept any.

    Returns:
        [B] ``Texts``, ``TokenLists``, or an object array of float32 [T, F].

    Raises:
        ValueError: They are none of these.
    """
    items = as_list(inputs)
    if items is None or not items:
        return as_sequences(inputs, features)
    if any(isinstance(item, str) for item in items):
        return Texts.of([_text(index, item) for index, item in enumerate(items)])
    if any(_holds_words(item) for item in items):
        return TokenLists.of([_words(index, item) for index, item in enumerate(items)])
    return as_sequences(items if not isinstance(inputs, np.ndarray) else inputs, features)


def as_list(inputs: Any) -> list[Any] | None:
    """Return the items of a list, a column of a data frame or an array [B] of objects; None for anything else."""
    if isinstance(inputs, np.ndarray):
        return inputs.tolist() if inputs.ndim == 1 and inputs.dtype.kind in "OUT" else None
    if isinstance(inputs, str | bytes):
        raise ValueError(f"expected a list of examples, got one {type(inputs).__name__}. Put it in a list.")
    if isinstance(inputs, Sequence):
        return list(inputs)
    if _column_names(inputs) and inputs.shape[1] == 1 and str(np.asarray(inputs).dtype.kind) in "OUT":
        return [item[0] for item in np.asarray(inputs).tolist()]
    is_column = hasattr(inputs, "to_list") and len(getattr(inputs, "shape", ())) == 1
    return list(inputs.to_list()) if is_column else None


def _text(index: int, item: Any) -> str:
    if not isinstance(item, str):
        raise ValueError(
            f"example {index}: expected a text as the others are, got {type(item).__name__}. Leave it out."
        )
    return str(item)


def _holds_words(item: Any) -> bool:
    words = as_list(item) if not isinstance(item, str | bytes) else None
    return words is not None and any(isinstance(word, str) for word in words[:1])


def _words(index: int, item: Any) -> list[str]:
    words = as_list(item) if not isinstance(item, str | bytes) else None
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"example {index}: expected a list of one word or more, got {item!r:.60}. Leave it out.")
    return words


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


def check_lengths(examples: Any, targets: Any) -> None:
    """Refuse examples of which not each has a target.

    Raises:
        ValueError: It has not.
    """
    if len(examples) != len(targets):
        raise ValueError(f"expected a target for each of {len(examples)} sequences, got {len(targets)}. Match them.")
