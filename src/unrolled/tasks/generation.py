"""Generation: the next token of a text, and thereby a text."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import DataConfig, Fold
from unrolled.data.dataset import Split
from unrolled.data.long_text import LongText
from unrolled.data.tokens import PADDING, UNKNOWN
from unrolled.errors import DataError, InvalidInput, InvalidSetting
from unrolled.tasks.base import Baselines, Prediction, Task
from unrolled.tasks.baselines import ENOUGH_TO_COUNT, trigram_baseline
from unrolled.tasks.batches import gives_probabilities, predict_probabilities
from unrolled.tasks.metrics import SMALLEST_PROBABILITY, Evaluation
from unrolled.tasks.preprocessing import Preprocessor, TextPreprocessor, fit_tokenizer
from unrolled.tasks.sections import SampleSection, Sections

import keras
import numpy as np
from numpy.typing import NDArray

# Data sets that are one text.
_TEXTS = ("pride-and-prejudice",)
_TEST_LENGTH = 4096
_MOST_PROBABILITIES = 1 << 26
_UNITS = {"characters": "character", "words": "word", "bytes": "byte", "bpe": "token"}
_SMALLEST = 1e-30
_OPTIONS = ("length", "temperature", "top_k", "top_p", "seed")
_PROMPT_CHARACTERS, _SAMPLE_TOKENS, _SAMPLE_TEMPERATURE = 60, 300, 0.7


class Generation(Task):
    """The probability of each next token; the text is cut into pieces of ``text.max_length`` tokens.

    Each piece is read from an initial state of zero.
    """

    name = "generate"
    default_loss = "SparseCategoricalCrossentropy"
    default_metrics = ("accuracy",)
    default_tokenizer = "characters"
    output_unit = "tokens"
    is_per_step = True
    takes_other_data = False

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return True if the data is one text."""
        data = config.data
        file = data.file or data.train if isinstance(data, DataConfig) else data
        return file is not None and (file in _TEXTS or Path(file).suffix.lower() == ".txt")

    def split(self) -> tuple[Split, Split | None]:
        """Split by position: validation comes after training."""
        data, validation = self.data, self.config.training.validation
        if data.kind != "text" or data.train.size != 1:
            raise InvalidSetting(
                f"{self.config.where('task')}: expected one text, got {data.train.size:,} examples of {data.name}. "
                "Set task: classify."
            )
        if isinstance(validation, str):
            return data.train, self.named_validation()
        if isinstance(validation, Fold):
            raise InvalidSetting(
                f"{self.config.where('training', 'validation')}: expected a share of the text's end, got a fold. "
                "Set validation: 0.1"
            )
        text = data.train.inputs[0]
        cut = round(len(text) * (1 - validation))
        return _with_text(data.train, text[:cut]), _with_text(data.train, text[cut:])

    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit the vocabulary."""
        return TextPreprocessor(fit_tokenizer(train.inputs, self.config.text), self.config.text.max_length)

    def encode(self, split: Split) -> Split:
        """Return pieces [B, T], and for each token the one after it [B, T]."""
        return self._pieces(split.inputs[0], self.config.text.max_length)

    def encode_test(self) -> Split:
        """Return the test part in few long pieces, so that few tokens are predicted from an initial state."""
        return self._pieces(self.data.test.inputs[0], _TEST_LENGTH)

    def encode_test_as_training(self) -> Split:
        """Return the test part in pieces of the length of the training pieces."""
        return self.encode(self.data.test)

    @property
    def num_outputs(self) -> int:
        """Number of tokens in the vocabulary."""
        assert self.preprocessor.vocabulary is not None
        return self.preprocessor.vocabulary

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return [B, T, 2] the probability of each true next token, and 1 where it is the most probable one."""
        pieces, length = split.inputs.shape
        at_once = max(1, min(batch_size, _MOST_PROBABILITIES // (length * model.output_shape[-1])))
        predicted = np.empty((pieces, length, 2), np.float32)
        for begin in range(0, pieces, at_once):
            here = slice(begin, begin + at_once)
            targets = np.asarray(split.targets[here])
            probabilities = predict_probabilities(model, np.asarray(split.inputs[here]), at_once)
            predicted[here, :, 0] = np.take_along_axis(probabilities, targets[..., None], axis=-1)[..., 0]
            predicted[here, :, 1] = probabilities.argmax(axis=-1) == targets
        return predicted

    def evaluate(self, outputs: NDArray[Any], split: Split) -> Evaluation:
        """Return bits per token, perplexity, accuracy and loss (the mean cross-entropy in nats)."""
        of_truth, right = outputs[..., 0].astype(np.float64), outputs[..., 1]
        loss = float(-np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).mean())
        return Evaluation(
            examples=of_truth.size,
            metrics={
                self._bits: loss / math.log(2),
                "perplexity": math.exp(loss),
                "accuracy": float(right.mean()),
                "loss": loss,
            },
            headline=self._bits,
            conditions={"tokens": self.config.text.tokenizer, "vocabulary": self.preprocessor.vocabulary},
        )

    def baselines(self) -> Baselines:
        """Return the cross-entropy of a trigram model."""
        assert isinstance(self.preprocessor, TextPreprocessor)
        train, test = (
            self.preprocessor.tokenizer.encode(str(part.inputs[0][:ENOUGH_TO_COUNT]))
            for part in (self.data.train, self.data.test)
        )
        return trigram_baseline(train, test, self.num_outputs, self._bits)

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Show a text that the network generates after the beginning of the test part, where it can generate."""
        start = str(self.data.test.inputs[0][:_PROMPT_CHARACTERS])
        prompt = " ".join(start.split()[1:-1]) + " " if len(start.split()) > 3 else start
        try:
            text = "".join(self.generate(model, prompt, length=_SAMPLE_TOKENS, temperature=_SAMPLE_TEMPERATURE))
        except InvalidInput:
            return Sections()
        note = f"The prompt is the beginning of the test set; temperature {_SAMPLE_TEMPERATURE}."
        return Sections([SampleSection("Generated text", prompt, text, note)])

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Refuse: a text is continued by ``generate``."""
        raise InvalidInput("predict: the network was trained to generate. Use: unrolled generate RUN --prompt TEXT")

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the probability of the true next token."""
        return {"probability": float(output[0])}

    def generate(
        self,
        model: keras.Model,
        prompt: str,
        *,
        length: int = 400,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Iterator[str]:
        """Yield the text that a network generates after a prompt, token by token; see ``unrolled.generate``."""
        if options:
            raise InvalidInput(f"generate: unknown option {next(iter(options))}. Options: {', '.join(_OPTIONS)}.")
        _check_sampling(length, temperature, top_k, top_p)
        assert isinstance(self.preprocessor, TextPreprocessor)
        tokenizer, random = self.preprocessor.tokenizer, np.random.default_rng(seed)
        numbers = tokenizer.encode(prompt)
        if not len(numbers):
            raise InvalidInput("generate: the prompt is empty. Give it a beginning: --prompt It")
        decoder, are_probabilities = StatefulDecoder(model), gives_probabilities(model)
        outputs = [decoder.step(int(number)) for number in numbers][-1]
        space = " " if tokenizer.kind == "words" else ""
        pending: list[int] = []
        for _ in range(length):
            probabilities = sampling_probabilities(outputs, are_probabilities, temperature, top_k, top_p)
            number = int(random.choice(len(probabilities), p=probabilities))
            pending.append(number)
            text = tokenizer.decode(pending)
            if "�" not in text or len(pending) == 4:  # else the rest of a character's bytes is still to come
                yield space + text
                pending = []
            outputs = decoder.step(number)
        if pending:
            yield space + tokenizer.decode(pending)

    @property
    def _bits(self) -> str:
        return f"bits per {_UNITS[self.config.text.tokenizer or self.default_tokenizer]}"

    def _pieces(self, text: str | LongText, length: int) -> Split:
        assert isinstance(self.preprocessor, TextPreprocessor)
        tokenizer = self.preprocessor.tokenizer
        encode: Callable[[Any], Any] = tokenizer.encode_long if isinstance(text, LongText) else tokenizer.encode
        numbers = encode(text)
        length = min(length, len(numbers) - 1)
        if length < 1:
            raise DataError(f"{self.config.data_name}: expected a text of at least two tokens, got {len(numbers)}.")
        count = (len(numbers) - 1) // length
        pieces = numbers[: count * length].reshape(count, length)
        return Split(pieces, numbers[1 : count * length + 1].reshape(count, length))


def sampling_probabilities(
    outputs: NDArray[Any], are_probabilities: bool, temperature: float, top_k: int | None, top_p: float | None
) -> NDArray[np.float64]:
    """Return the probability with which each token is sampled.

    ::

        p_i = exp(l_i / temperature) / sum_j exp(l_j / temperature)

    Args:
        outputs: [tokens] outputs of the network.
        are_probabilities: True if they are probabilities, False if they are logits l.
        temperature: Below 1 more conservative, above 1 more random; 0 takes the most probable token.
        top_k: Sample among this many most probable tokens only.
        top_p: Sample among the most probable tokens only whose probabilities add up to this share.

    Example:
        >>> sampling_probabilities(np.array([0.0, 0.0, 0.5, 0.3, 0.2]), True, 1.0, 2, None).round(3).tolist()
        [0.0, 0.0, 0.625, 0.375, 0.0]
    """
    logits = np.asarray(outputs, np.float64)
    if are_probabilities:
        logits = np.log(np.maximum(logits, _SMALLEST))
    logits[[PADDING, UNKNOWN]] = -np.inf
    if temperature == 0:
        one_hot = np.zeros(len(logits))
        one_hot[logits.argmax()] = 1.0
        return one_hot
    probabilities: NDArray[np.float64] = np.exp((logits - logits.max()) / temperature)
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    kept = len(order) if top_k is None else min(top_k, len(order))
    if top_p is not None:
        kept = min(kept, int(np.searchsorted(np.cumsum(probabilities[order]), top_p)) + 1)
    probabilities[order[kept:]] = 0.0
    probabilities /= probabilities.sum()
    return probabilities


class StatefulDecoder:
    """A copy of a network that reads one token at a time and keeps its states between them.

    The states are inputs and outputs of the copy: those of a stateful layer are not part of what Keras compiles on
    JAX.

    Args:
        model: A chain of layers from tokens [B, T].

    Raises:
        InvalidInput: A layer is bidirectional or reads backwards.
    """

    def __init__(self, model: keras.Model):
        token = keras.Input((1,), dtype="int32")
        values, before, after = token, list[Any](), list[Any]()
        for layer in model.layers[1:]:
            copy = _with_states(layer)
            if isinstance(copy, keras.layers.RNN):
                states = [keras.Input((size,)) for size in np.atleast_1d(copy.cell.state_size).tolist()]
                values, *ends = copy(values, initial_state=states)
                before, after = before + states, after + ends
            else:
                values = copy(values)
            copy.set_weights(layer.get_weights())
        self.model = keras.Model([token, *before], [values, *after])
        self.states = [np.zeros((1, state.shape[1]), np.float32) for state in before]

    def step(self, number: int) -> NDArray[Any]:
        """Read one more token and return the outputs [tokens] for the next one."""
        outputs, *self.states = self.model.predict_on_batch([np.array([[number]], np.int32), *self.states])
        of_token: NDArray[Any] = np.asarray(outputs)[0, 0]
        return of_token


def _with_states(layer: keras.Layer) -> keras.Layer:
    """Return a new layer with the same configuration that also returns its states, if it has any."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.Bidirectional) or config.get("go_backwards"):
        raise InvalidInput(
            f"generate: the layer {layer.name} ({type(layer).__name__}) reads backwards, so it needs the end of the "
            "text first. Train without it."
        )
    if isinstance(layer, keras.layers.RNN):
        config["return_state"] = True
    return type(layer).from_config(config)


def _with_text(split: Split, text: str | LongText) -> Split:
    inputs = split.inputs.copy()
    inputs[0] = text
    return Split(inputs, split.targets)


def _check_sampling(length: int, temperature: float, top_k: int | None, top_p: float | None) -> None:
    wanted = {
        "a length of at least 1": (length, length >= 1),
        "a temperature of at least 0": (temperature, 0 <= temperature < float("inf")),
        "top_k of at least 1": (top_k, top_k is None or top_k >= 1),
        "top_p above 0, at most 1": (top_p, top_p is None or 0 < top_p <= 1),
    }
    for words, (value, is_valid) in wanted.items():
        if not is_valid:
            raise InvalidInput(f"generate: expected {words}, got {value}.")
