"""The next token of a text, and so a text."""

import math
from collections.abc import Callable
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Fold
from unrolled.data.dataset import Dataset, Split
from unrolled.data.streaming import LongText
from unrolled.data.tokens import PADDING, UNKNOWN
from unrolled.errors import DataError, InvalidInput, InvalidSetting
from unrolled.tasks.base import named_part
from unrolled.tasks.baselines import ENOUGH_TO_COUNT, Figures, of_text
from unrolled.tasks.metrics import SMALLEST_PROBABILITY, Evaluation
from unrolled.tasks.predict import probabilities
from unrolled.tasks.preprocessing import Preprocessor, TextPreprocessor, fit_tokenizer

import keras
import numpy as np
from numpy.typing import NDArray


class Generate:
    """The text is learned in pieces of ``text.max_length`` tokens, each from an empty state."""

    def divide(self, data: Dataset, experiment: ExperimentConfig) -> tuple[Split, Split | None]:
        """By position: what is watched comes after what is learned."""
        if data.kind != "text" or data.train.size != 1:
            raise InvalidSetting(
                f"{experiment.where('task')}: expected one text to continue, got {data.train.size:,} examples of "
                f"{data.name}. Set task: classify."
            )
        validation = experiment.training.validation
        if isinstance(validation, str):
            return data.train, named_part(data, experiment)
        if isinstance(validation, Fold):
            raise InvalidSetting(
                f"{experiment.where('training', 'validation')}: expected a share of the text's end, got a fold. "
                "Set validation: 0.1"
            )
        text = data.train.inputs[0]
        cut = round(len(text) * (1 - validation))
        return _one(data.train, text[:cut]), _one(data.train, text[cut:])

    def fit(self, data: Dataset, learned: Split, experiment: ExperimentConfig) -> Preprocessor:
        """The vocabulary of what is learned."""
        return TextPreprocessor(fit_tokenizer(learned, experiment.text), experiment.text.max_length)

    def encode(self, split: Split, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """Pieces [B, T], and of each token the one after it."""
        return _pieces(split.inputs[0], encoding, experiment.text.max_length, experiment)

    def measured(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """The test part in few pieces, so that little of it is read from an empty state."""
        return _pieces(data.test.inputs[0], encoding, _MEASURED_LENGTH, experiment)

    def outputs(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> int:
        """One a token."""
        assert encoding.vocabulary is not None
        return encoding.vocabulary

    def say(self, model: keras.Model, measured: Split, batch_size: int) -> NDArray[np.float32]:
        """[B, T, 2] the probability of each token that comes next, and 1 where no other has a higher one."""
        pieces, length = measured.inputs.shape
        at_once = max(1, min(batch_size, _MOST_PROBABILITIES // (length * model.output_shape[-1])))
        told = np.empty((pieces, length, 2), np.float32)
        for begin in range(0, pieces, at_once):
            here = slice(begin, begin + at_once)
            targets = np.asarray(measured.targets[here])
            chances = probabilities(model, np.asarray(measured.inputs[here]), at_once)
            told[here, :, 0] = np.take_along_axis(chances, targets[..., None], axis=-1)[..., 0]
            told[here, :, 1] = chances.argmax(axis=-1) == targets
        return told

    def measure(
        self,
        outputs: NDArray[Any],
        measured: Split,
        data: Dataset,
        encoding: Preprocessor,
        experiment: ExperimentConfig,
    ) -> Evaluation:
        """From what ``say`` gives."""
        truth, right = outputs[..., 0].astype(np.float64), outputs[..., 1]
        loss = float(-np.log(np.maximum(truth, SMALLEST_PROBABILITY)).mean())
        return Evaluation(
            examples=truth.size,
            loss=loss,
            accuracy=float(right.mean()),
            figures={
                _bits(experiment): loss / math.log(2),
                "perplexity": math.exp(loss),
            },
        )

    def baselines(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Figures:
        """A trigram model."""
        assert isinstance(encoding, TextPreprocessor)
        learned, measured = (
            encoding.tokenizer.encode(str(part.inputs[0][:ENOUGH_TO_COUNT])) for part in (data.train, data.test)
        )
        return of_text(learned, measured, encoding.vocabulary, _bits(experiment))


def _bits(experiment: ExperimentConfig) -> str:
    return f"bits per {_NAMES[experiment.text.tokenizer or 'characters']}"


def _pieces(text: str | LongText, encoding: Preprocessor, length: int, experiment: ExperimentConfig) -> Split:
    assert isinstance(encoding, TextPreprocessor)
    encode: Callable[[Any], Any] = (
        encoding.tokenizer.encode_long if isinstance(text, LongText) else encoding.tokenizer.encode
    )
    numbers = encode(text)
    length = min(length, len(numbers) - 1)
    if length < 1:
        raise DataError(
            f"{experiment.data_name}: expected a text of two tokens or more, got {len(numbers)}. Give more."
        )
    count = (len(numbers) - 1) // length
    pieces = numbers[: count * length].reshape(count, length)
    return Split(pieces, numbers[1 : count * length + 1].reshape(count, length))


def _one(split: Split, text: str | LongText) -> Split:
    inputs = split.inputs.copy()
    inputs[0] = text
    return Split(inputs, split.targets)


_MEASURED_LENGTH = 4096
_MOST_PROBABILITIES = 1 << 26
_NAMES = {"characters": "character", "words": "word", "bytes": "byte"}
GENERATE = Generate()


_SMALLEST = 1e-30


def sampling_probabilities(
    outputs: NDArray[Any], are_probabilities: bool, temperature: float, top_k: int | None, top_p: float | None
) -> NDArray[np.float64]:
    """The chance of each token to be drawn.

    Args:
        outputs: [tokens] of the network.
        are_probabilities: Whether they are; otherwise they are logits.
        temperature: As in ``write``.
        top_k: As in ``write``.
        top_p: As in ``write``.

    Example:
        >>> sampling_probabilities(np.array([0.0, 0.0, 0.5, 0.3, 0.2]), True, 1.0, 2, None).round(3).tolist()
        [0.0, 0.0, 0.625, 0.375, 0.0]
    """
    logits = np.asarray(outputs, np.float64)
    if are_probabilities:
        logits = np.log(np.maximum(logits, _SMALLEST))
    logits[[PADDING, UNKNOWN]] = -np.inf
    if temperature == 0:
        likeliest = np.zeros(len(logits))
        likeliest[logits.argmax()] = 1.0
        return likeliest
    chances: NDArray[np.float64] = np.exp((logits - logits.max()) / temperature)
    chances /= chances.sum()
    order = np.argsort(-chances, kind="stable")
    kept = len(order) if top_k is None else min(top_k, len(order))
    if top_p is not None:
        kept = min(kept, int(np.searchsorted(np.cumsum(chances[order]), top_p)) + 1)
    chances[order[kept:]] = 0.0
    chances /= chances.sum()
    return chances


class StatefulDecoder:
    """A network that reads one token at a time and remembers what it has read.

    The states go in and out as arrays: those of a stateful layer are not part of what Keras compiles on JAX.

    Args:
        model: A chain of layers from tokens [B, T].

    Raises:
        InvalidInput: A layer reads from both ends or backwards.
    """

    def __init__(self, model: keras.Model):
        token = keras.Input((1,), dtype="int32")
        values, before, after = token, list[Any](), list[Any]()
        for layer in model.layers[1:]:
            twin = _forward(layer)
            if isinstance(twin, keras.layers.RNN):
                states = [keras.Input((size,)) for size in np.atleast_1d(twin.cell.state_size).tolist()]
                values, *ends = twin(values, initial_state=states)
                before, after = before + states, after + ends
            else:
                values = twin(values)
            twin.set_weights(layer.get_weights())
        self.step = keras.Model([token, *before], [values, *after])
        self.states = [np.zeros((1, state.shape[1]), np.float32) for state in before]

    def read(self, number: int) -> NDArray[Any]:
        """[tokens] what the network says of the next one, having read one more."""
        outputs, *self.states = self.step.predict_on_batch([np.array([[number]], np.int32), *self.states])
        said: NDArray[Any] = np.asarray(outputs)[0, 0]
        return said


def _forward(layer: keras.Layer) -> keras.Layer:
    """A layer like it that gives its states, where it has any."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.Bidirectional) or config.get("go_backwards"):
        raise InvalidInput(
            f"write: expected layers that read forward, got {type(layer).__name__} {layer.name}, which needs the "
            "end of the text first. Train without it."
        )
    if isinstance(layer, keras.layers.RNN):
        config["return_state"] = True
    return type(layer).from_config(config)
