"""Conversion of raw examples to the network's input, fitted on the training examples and kept with the run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from unrolled.config.sections import TextConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.data.precision import LARGEST_LOSS
from unrolled.data.ragged import LARGEST_IN_MEMORY, Ragged, padded_lengths
from unrolled.data.texts import Texts
from unrolled.data.tokens import Tokenizer
from unrolled.errors import InvalidInput
from unrolled.storage import in_form
from unrolled.tasks.columns import CategoryPreprocessor, ColumnPreprocessor, ColumnsPreprocessor, FeaturesPreprocessor
from unrolled.tasks.words import WordsPreprocessor, words_from_json

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int | None, ...]
_SERIES_AT_ONCE = 4096
_FEW_TEXTS = 64


@dataclass(frozen=True)
class ArrayPreprocessor:
    """Arrays of one shape, unchanged.

    Attributes:
        shape: The shape of one example.
    """

    shape: Shape
    dtype: str = "float32"
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of an encoded example in a batch."""
        return (tuple(length or 1 for length in self.shape),)

    def encode(self, inputs: Any) -> NDArray[Any]:
        """Return the examples [B, ...] after checking them.

        Raises:
            InvalidInput: They have another shape, or NaN.
        """
        try:
            array: NDArray[Any] = np.asarray(inputs)
        except ValueError:
            raise InvalidInput(
                "predict: the examples have several shapes, but the network reads one. Bring them to one size."
            ) from None
        shape = list(self.shape)
        if list(array.shape[1:]) != shape or array.dtype.kind not in "biuf":
            expected = ", ".join(str(length) for length in shape)
            remedy = " Resize them."
            if list(array.shape) == shape:
                remedy = " Add a batch axis: images[None]."
            elif list(array.shape[1:3]) == shape[:2]:
                remedy = f" Convert them to {'red, green and blue' if len(shape) == 3 else 'grey levels'}."
            raise InvalidInput(
                f"predict: expected numbers [B, {expected}], got {array.dtype} {list(array.shape)}.{remedy}"
            )
        if array.dtype.kind == "f" and np.isnan(array).any():
            example = int(np.isnan(array.reshape(len(array), -1)).any(axis=1).argmax())
            raise InvalidInput(
                f"predict: example {example} has missing values (NaN), the training examples had none. Fill them in."
            )
        return array

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``preprocessor.json``."""
        return {"kind": "arrays", "shape": list(self.shape)}


@dataclass(frozen=True)
class TextPreprocessor:
    """Texts as token numbers.

    Attributes:
        tokenizer: The tokenizer; its vocabulary is that of the training examples.
        max_length: Number of tokens after which a text is cut.
    """

    tokenizer: Tokenizer
    max_length: int
    shape: Shape = (None,)
    notes: tuple[str, ...] = ()
    dtype: str = "int32"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of an encoded example in a batch: those of the padded lengths."""
        return tuple((length,) for length in padded_lengths(self.max_length))

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        return self.tokenizer.size

    def encode(self, inputs: Any) -> Ragged:
        """Return [B] arrays of int32 [T], each of its own length of at least 1; very many are kept on disk.

        Raises:
            InvalidInput: They are not texts.
        """
        is_texts = isinstance(inputs, Texts)
        if isinstance(inputs, str) or not (is_texts or all(isinstance(text, str) for text in inputs)):
            raise InvalidInput("predict: expected a list of texts. Give a list of str.")
        _check_any(inputs)
        shortest = padded_lengths(self.max_length)[0]
        if len(inputs) <= _FEW_TEXTS:
            return Ragged.of_pieces([self.tokenizer.encode_each(list(inputs), self.max_length)], shortest)
        texts = inputs if is_texts else Texts.of(list(inputs))
        encoded = self.tokenizer.encode_all(texts, self.max_length)
        return Ragged.of_pieces(encoded, shortest, is_on_disk=not fits_in_memory(texts))

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``preprocessor.json``."""
        return {
            "kind": "text",
            "max_length": self.max_length,
            "tokenizer": self.tokenizer.to_json(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class SeriesPreprocessor:
    """Series [T, F] of unequal lengths; the network's first layer scales them.

    Attributes:
        mean: [F] of the training examples.
        scale: [F] standard deviation of the training examples, 1 where it is 0.
        by_window: True if each series is divided by its own mean first.
        longest: The number of steps of the longest training example.
        divided: With ``by_window``, the number of the first channels that are divided; all if None.
        offset: [F] what is subtracted in float64 before the network reads float32, or None: a channel around 1e9 with
            small differences.
        from_zero: [targets] True for a channel to forecast that was 0 in training, but never negative; or None.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    by_window: bool = False
    longest: int = 1
    divided: int | None = None
    offset: tuple[float, ...] | None = None
    from_zero: tuple[bool, ...] | None = None
    dtype: str = "float32"
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return (None, len(self.mean))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of an encoded example in a batch: those of the padded lengths."""
        return tuple((length, len(self.mean)) for length in padded_lengths(self.longest))

    @property
    def relative(self) -> bool | list[bool]:
        """The argument of ``ReadSeries``: which channels are divided by their own level."""
        if not self.by_window or self.divided is None:
            return self.by_window
        return [channel < self.divided for channel in range(len(self.mean))]

    def narrow(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return values [..., F] as the network reads them, the offset subtracted before they are rounded."""
        if self.offset is None:
            return np.asarray(values, np.float32)
        narrow: NDArray[np.float32] = (np.asarray(values, np.float64) - np.array(self.offset)).astype(np.float32)
        return narrow

    def encode(self, inputs: Any) -> Ragged:
        """Return [B] arrays of float32 [T, F].

        Raises:
            InvalidInput: A series has another number of channels, or no steps.
        """
        shortest = padded_lengths(self.longest)[0]
        if isinstance(inputs, Ragged):
            if self.offset is None and inputs.values.dtype == np.float32:
                return Ragged(inputs.values, inputs.begins, inputs.lengths, shortest)
            return inputs.mapped(self.narrow, shortest)
        try:
            encoded = [np.asarray(item, np.float32 if self.offset is None else np.float64) for item in inputs]
        except (ValueError, TypeError):
            raise InvalidInput("predict: expected series of numbers. Give arrays [T, F].") from None
        for index, item in enumerate(encoded):
            if item.ndim != 2 or item.shape[1] != len(self.mean) or not len(item):
                raise InvalidInput(
                    f"predict: series {index}: expected [T, {len(self.mean)}], got {list(item.shape)}. "
                    "Give every step all channels."
                )
        _check_any(encoded)
        return Ragged.of([self.narrow(item) for item in encoded], shortest)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``preprocessor.json``."""
        values = {"kind": "series", "mean": list(self.mean), "scale": list(self.scale), "by_window": self.by_window}
        more = {
            "divided": self.divided,
            "offset": None if self.offset is None else list(self.offset),
            "from_zero": None if self.from_zero is None else list(self.from_zero),
        }
        return {**values, "longest": self.longest, **{name: one for name, one in more.items() if one is not None}}


def _check_any(inputs: Sequence[Any] | Texts) -> None:
    if not len(inputs):
        raise InvalidInput("predict: expected examples, got none. Give one or more.")


Preprocessor = ArrayPreprocessor | TextPreprocessor | SeriesPreprocessor | WordsPreprocessor | ColumnsPreprocessor


def blank_batches(preprocessor: Preprocessor, size: int) -> Iterator[Any]:
    """Yield ``size`` examples of zeros in every shape that an encoded batch can have."""
    if isinstance(preprocessor, ColumnsPreprocessor):
        yield from preprocessor.blank_batches(size)
        return
    for shape in preprocessor.shapes:
        yield np.zeros((size, *shape), preprocessor.dtype)


def tokenizers(preprocessor: Preprocessor) -> dict[str, Tokenizer]:
    """Return the tokenizers by the names of their files in a run folder."""
    if isinstance(preprocessor, TextPreprocessor):
        return {"tokenizer.json": preprocessor.tokenizer}
    if not isinstance(preprocessor, ColumnsPreprocessor):
        return {}
    parts = {name: part for name, part in preprocessor.parts.items() if isinstance(part, TextPreprocessor)}
    return {f"tokenizer-{preprocessor.names[name]}.json": part.tokenizer for name, part in parts.items()}


def fit_preprocessor(data: Dataset, train: Split, text: TextConfig) -> Preprocessor:
    """Fit the preprocessor that suits a data set's kind.

    Args:
        data: Decides the kind.
        train: The training examples; nothing else is used to fit.
        text: The conversion of texts.
    """
    if data.kind == "arrays":
        return ArrayPreprocessor(data.example_shape)
    if data.kind == "columns":
        return ColumnsPreprocessor(
            {name: _fit_column(kind, train.inputs.parts[name], text) for name, kind in data.input_kinds.items()}
        )
    if data.kind == "tokens":
        return WordsPreprocessor.fit(
            train.inputs, lowercase=text.lowercase, min_count=text.min_count, vocabulary_size=text.vocabulary_size
        )
    return fit_series(train.inputs) if data.kind == "series" else _fit_texts(train.inputs, text)


def _fit_column(kind: str, inputs: Any, text: TextConfig) -> ColumnPreprocessor:
    if kind == "features":
        series = fit_series(Ragged(inputs, np.arange(len(inputs)), np.ones(len(inputs), np.int64)))
        return FeaturesPreprocessor(series.mean, series.scale, series.offset)
    if kind == "category":
        return CategoryPreprocessor.fit(inputs)
    return _fit_texts(inputs, text) if kind == "text" else fit_series(inputs)


def fits_in_memory(texts: Texts) -> bool:
    """Return True if texts are so few that their encoding is kept in memory."""
    return int(texts.bytes_of_each.sum()) <= LARGEST_IN_MEMORY


def fit_words(texts: Texts, text: TextConfig) -> tuple[TextPreprocessor, Ragged]:
    """Fit the preprocessor of texts whose tokens are words, and encode these texts.

    Args:
        texts: The training texts.
        text: The conversion of texts.
    """
    longest = text.max_length
    tokenizer, encoded = Tokenizer.fit_and_encode(
        texts,
        lowercase=text.lowercase,
        min_count=text.min_count,
        vocabulary_size=text.vocabulary_size,
        most=longest,
    )
    return _of_tokenizer(tokenizer, texts, longest), Ragged.of_pieces(encoded, padded_lengths(longest)[0])


def _fit_texts(texts: Any, text: TextConfig) -> TextPreprocessor:
    longest = text.max_length
    return _of_tokenizer(fit_tokenizer(texts, text, longest), texts, longest)


def _of_tokenizer(tokenizer: Tokenizer, texts: Texts, longest: int) -> TextPreprocessor:
    # A text has no more tokens than bytes.
    long = texts[np.flatnonzero(texts.bytes_of_each > longest)]
    cut = sum(int((lengths > longest).sum()) for _, lengths in tokenizer.encode_all(long, longest + 1))
    note = f"{cut:,} of {len(texts):,} training texts are cut after {longest} tokens" if cut else ""
    return TextPreprocessor(tokenizer, longest, notes=(note,) if note else ())


def fit_tokenizer(texts: Any, text: TextConfig, max_length: int | None = None) -> Tokenizer:
    """Fit the vocabulary.

    Args:
        texts: The training texts.
        text: The kind of token, and the limits of the vocabulary.
        max_length: Number of tokens of each text that are read.
    """
    return Tokenizer.fit(
        texts,
        kind=text.tokenizer or "words",
        lowercase=text.lowercase and text.tokenizer == "words",
        min_count=text.min_count,
        vocabulary_size=text.vocabulary_size,
        most=max_length,
    )


def fit_series(
    series: Sequence[NDArray[Any]] | NDArray[Any] | Ragged, *, by_window: bool = False
) -> SeriesPreprocessor:
    """Fit the mean and the standard deviation of each channel.

    Args:
        series: Arrays [T, F].
        by_window: True to divide each by its own mean first.
    """
    count = total = squares = np.float64(0)
    for values in _all_steps(series, by_window):
        count, total = count + (~np.isnan(values)).sum(axis=0), total + np.nansum(values, axis=0)
    mean = total / np.maximum(count, 1)
    for values in _all_steps(series, by_window):
        squares = squares + np.nansum((values - mean) ** 2, axis=0)
    scale = np.sqrt(squares / np.maximum(count, 1))
    longest = max(map(len, series))
    scales = tuple(np.where(scale > 0, scale, 1.0).tolist())
    rounding = np.abs(mean) * np.finfo(np.float32).eps / 2
    if by_window or series[0].dtype != np.float64 or not (rounding > LARGEST_LOSS * scale).any():
        return SeriesPreprocessor(tuple(mean.tolist()), scales, by_window, longest)
    return SeriesPreprocessor(tuple(np.zeros_like(mean).tolist()), scales, longest=longest, offset=tuple(mean.tolist()))


def _all_steps(
    series: Sequence[NDArray[Any]] | NDArray[Any] | Ragged, by_window: bool
) -> Iterator[NDArray[np.float64]]:
    """Yield the steps [N, F] of many series at a time, in float64."""
    for begin in range(0, len(series), _SERIES_AT_ONCE):
        some = series[begin : begin + _SERIES_AT_ONCE]
        yield np.concatenate([item / window_level(item) if by_window else item for item in some]).astype(np.float64)


def window_level(series: NDArray[Any]) -> NDArray[np.float64]:
    """Return [..., 1, F] the mean of series [..., T, F] over their steps; 1 where it is 0 or there is none."""
    counts = (~np.isnan(series)).sum(axis=-2, keepdims=True)
    mean = np.nansum(series, axis=-2, keepdims=True, dtype=np.float64) / np.maximum(counts, 1)
    return np.where(mean == 0, 1.0, mean)


def preprocessor_from_json(values: Mapping[str, Any]) -> Preprocessor:
    """Return the preprocessor that ``to_json`` wrote.

    Raises:
        ValueError: The values have another form.
    """
    if values["kind"] == "columns":
        return ColumnsPreprocessor({name: _FROM_JSON[part["kind"]](part) for name, part in values["parts"].items()})
    found: Preprocessor = _FROM_JSON[values["kind"]](values)
    return found


def _scaled_from_json(form: type[Any], values: Mapping[str, Any]) -> Any:
    found = in_form(form, values)
    lengths = {len(each) for each in (found.mean, found.scale, found.offset) if each is not None}
    if lengths != {len(found.mean) or None}:
        raise ValueError("expected a mean and a scale of each channel")
    return found


def _texts_from_json(values: Mapping[str, Any]) -> TextPreprocessor:
    tokenizer = Tokenizer.from_json(values["tokenizer"])
    most, notes = in_form(int, values["max_length"]), in_form(tuple[str, ...], values.get("notes", ()))
    return TextPreprocessor(tokenizer, most, notes=notes)


_FROM_JSON: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "arrays": partial(in_form, ArrayPreprocessor),
    "category": partial(in_form, CategoryPreprocessor),
    "features": partial(_scaled_from_json, FeaturesPreprocessor),
    "series": partial(_scaled_from_json, SeriesPreprocessor),
    "text": _texts_from_json,
    "words": words_from_json,
}
