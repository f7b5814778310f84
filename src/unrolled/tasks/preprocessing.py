"""From an example as the user has it to what the network takes: fitted on the training examples, kept with the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.config.sections import TextConfig
from unrolled.data.dataset import Dataset, Split, objects
from unrolled.data.examples import RowTexts
from unrolled.data.streaming import Stored
from unrolled.data.tokens import UNKNOWN, Tokenizer
from unrolled.errors import InvalidInput

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int | None, ...]
_SERIES_AT_ONCE = 4096


@dataclass(frozen=True)
class ArrayPreprocessor:
    """Arrays of one shape, taken as they are.

    Attributes:
        shape: Of one example.
    """

    shape: Shape
    dtype: str = "float32"
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()

    def encode(self, inputs: Any) -> NDArray[Any]:
        """The examples [B, ...], checked.

        Raises:
            InvalidInput: They have another shape.
        """
        try:
            given: NDArray[Any] = np.asarray(inputs)
        except ValueError:
            raise InvalidInput(
                "predict: expected examples of one shape, got several. Bring them to one size."
            ) from None
        shape = list(self.shape)
        if list(given.shape[1:]) != shape or given.dtype.kind not in "biuf":
            spelled = ", ".join(str(length) for length in shape)
            remedy = " Add a batch axis: images[None]." if list(given.shape) == shape else " Change their size."
            raise InvalidInput(
                f"predict: expected numbers [B, {spelled}], got {given.dtype} {list(given.shape)}.{remedy}"
            )
        if given.dtype.kind == "f" and np.isnan(given).any():
            example = int(np.isnan(given.reshape(len(given), -1)).any(axis=1).argmax())
            raise InvalidInput(
                f"predict: expected numbers, got NaN in example {example}: the network learned from none that miss. "
                "Fill it in."
            )
        return given

    def to_json(self) -> dict[str, Any]:
        """What makes the encoding again."""
        return {"kind": "arrays", "shape": list(self.shape)}


@dataclass(frozen=True)
class TextPreprocessor:
    """Texts as the numbers of their tokens.

    Attributes:
        tokenizer: Its vocabulary is that of the training examples.
        max_length: Longer texts are cut.
    """

    tokenizer: Tokenizer
    max_length: int
    shape: Shape = (None,)
    notes: tuple[str, ...] = ()
    dtype: str = "int32"

    @property
    def vocabulary(self) -> int:
        """How many different numbers there are."""
        return self.tokenizer.size

    def encode(self, inputs: Any) -> Any:
        """[B] of int32 [T], each of its own length and at least 1 long.

        Raises:
            InvalidInput: They are not texts.
        """
        if isinstance(inputs, RowTexts):
            return Stored.of(self._numbers(text) for text in inputs)
        if isinstance(inputs, str) or not all(isinstance(text, str) for text in inputs):
            raise InvalidInput("predict: expected a list of texts, got something else. Give a list of str.")
        return objects([self._numbers(text) for text in inputs])

    def _numbers(self, text: str) -> NDArray[np.int32]:
        numbers = self.tokenizer.encode(text, self.max_length)
        return numbers if len(numbers) else np.full(1, UNKNOWN, np.int32)

    def to_json(self) -> dict[str, Any]:
        """What makes the encoding again."""
        return {"kind": "text", "max_length": self.max_length, "tokenizer": self.tokenizer.to_json()}


@dataclass(frozen=True)
class SeriesPreprocessor:
    """Series [T, F] of their own lengths; the network itself scales them.

    Attributes:
        mean: [F] of the training examples.
        scale: [F] their standard deviation, 1 where that is 0.
        relative: Whether each series is divided by the mean of its own values first.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    relative: bool = False
    dtype: str = "float32"
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """Of one example."""
        return (None, len(self.mean))

    def encode(self, inputs: Any) -> Any:
        """[B] of float32 [T, F].

        Raises:
            InvalidInput: One has another number of channels, or no steps.
        """
        if isinstance(inputs, Stored):
            return inputs
        try:
            encoded = [np.asarray(item, np.float32) for item in inputs]
        except (ValueError, TypeError):
            raise InvalidInput("predict: expected series of numbers, got something else. Give arrays.") from None
        for place, item in enumerate(encoded):
            if item.ndim != 2 or item.shape[1] != len(self.mean) or not len(item):
                raise InvalidInput(
                    f"predict: expected series [T, {len(self.mean)}], got {list(item.shape)} in place {place}. "
                    "Give each step all channels."
                )
        return objects(encoded)

    def to_json(self) -> dict[str, Any]:
        """What makes the encoding again."""
        return {"kind": "series", "mean": list(self.mean), "scale": list(self.scale), "relative": self.relative}


Preprocessor = ArrayPreprocessor | TextPreprocessor | SeriesPreprocessor


def fit_preprocessor(data: Dataset, learned: Split, text: TextConfig) -> Preprocessor:
    """The encoding of a data set's kind, fitted on the examples to learn from.

    Args:
        data: Says the kind.
        learned: What to fit on, and nothing else.
        text: How texts become numbers.
    """
    if data.kind == "arrays":
        return ArrayPreprocessor(data.example_shape)
    if data.kind == "series":
        return fit_series(learned.inputs)
    most = text.max_length
    tokenizer = fit_tokenizer(learned, text, most)
    cut = sum(len(tokenizer.encode(given, most + 1)) > most for given in learned.inputs)
    note = f"{cut:,} of {learned.size:,} training texts are cut after {text.max_length} tokens" if cut else ""
    return TextPreprocessor(tokenizer, text.max_length, notes=(note,) if note else ())


def fit_tokenizer(learned: Split, text: TextConfig, most: int | None = None) -> Tokenizer:
    """The vocabulary of texts.

    Args:
        learned: Those to learn from, and no others.
        text: Which tokens, and how many.
        most: How many tokens of each text are read.
    """
    return Tokenizer.fit(
        learned.inputs,
        kind=text.tokenizer or "words",
        lowercase=text.lowercase and text.tokenizer == "words",
        min_count=text.min_count,
        vocabulary_size=text.vocabulary_size,
        most=most,
    )


def fit_series(series: Sequence[NDArray[Any]] | NDArray[Any] | Stored, *, relative: bool = False) -> SeriesPreprocessor:
    """Mean and scale of each channel.

    Args:
        series: Each [T, F].
        relative: Whether they are divided by their own levels first.
    """
    count = total = squares = np.float64(0)
    for values in _together(series, relative):
        count, total = count + (~np.isnan(values)).sum(axis=0), total + np.nansum(values, axis=0)
    mean = total / np.maximum(count, 1)
    for values in _together(series, relative):
        squares = squares + np.nansum((values - mean) ** 2, axis=0)
    scale = np.sqrt(squares / np.maximum(count, 1))
    return SeriesPreprocessor(tuple(mean.tolist()), tuple(np.where(scale > 0, scale, 1.0).tolist()), relative)


def _together(series: Sequence[NDArray[Any]] | NDArray[Any] | Stored, relative: bool) -> Iterator[NDArray[np.float64]]:
    """[N, F] the steps of many series, and again, in float64."""
    for begin in range(0, len(series), _SERIES_AT_ONCE):
        some = series[begin : begin + _SERIES_AT_ONCE]
        yield np.concatenate([item / level_of(item) if relative else item for item in some]).astype(np.float64)


def level_of(series: NDArray[Any]) -> NDArray[np.float64]:
    """[..., 1, F] the mean of a series [..., T, F] over its steps; 1 where that is 0 or there is none."""
    mean = np.nan_to_num(np.nanmean(series, axis=-2, keepdims=True, dtype=np.float64))
    return np.where(mean == 0, 1.0, mean)


def preprocessor_from_json(values: Mapping[str, Any]) -> Preprocessor:
    """The encoding that ``to_json`` gave."""
    if values["kind"] == "arrays":
        return ArrayPreprocessor(tuple(values["shape"]))
    if values["kind"] == "series":
        return SeriesPreprocessor(tuple(values["mean"]), tuple(values["scale"]), values["relative"])
    return TextPreprocessor(Tokenizer.from_json(values["tokenizer"]), values["max_length"])
