"""A trained network goes on with a text, one token after another."""

from collections.abc import Iterator
from typing import Any

from unrolled.data.tokens import PADDING, UNKNOWN
from unrolled.errors import InvalidInput
from unrolled.experiments.encodings import Tokens
from unrolled.experiments.network import gives_probabilities
from unrolled.experiments.run import Run

import keras
import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1e-30


def write(
    run: Run,
    prompt: str,
    *,
    length: int = 400,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """What a network writes after a prompt, piece by piece.

    The recurrent layers keep their states, so that a token costs the same wherever it stands.

    ::

        p_i = exp(l_i / temperature) / sum_j exp(l_j / temperature)

    Args:
        run: A network that was trained to generate.
        prompt: What it reads first.
        length: How many tokens it writes.
        temperature: Below 1 it keeps to what is likely, above 1 it dares more; 0 takes the likeliest each time.
        top_k: It draws among the likeliest so many only.
        top_p: It draws among the likeliest only whose chances add up to this share.
        seed: Decides what is drawn.

    Yields:
        The text of one token at a time; of words with the space before it.

    Raises:
        InvalidInput: The network was trained for something else or reads from both ends, the prompt is empty, or an
            argument is out of range.
    """
    _check(run, prompt, length, temperature, top_k, top_p)
    encoding = run.encoding
    assert isinstance(encoding, Tokens)
    tokenizer, random = encoding.tokenizer, np.random.default_rng(seed)
    numbers = tokenizer.encode(prompt)
    if not len(numbers):
        raise InvalidInput("write: expected a prompt with a token or more, got none. Give it a beginning: --prompt It")
    reader = Reader(run.model)
    outputs = [reader.read(int(number)) for number in numbers][-1]
    space = " " if tokenizer.kind == "words" else ""
    pending: list[int] = []
    for _ in range(length):
        chances = chances_of(outputs, gives_probabilities(run.model), temperature, top_k, top_p)
        number = int(random.choice(len(chances), p=chances))
        pending.append(number)
        text = tokenizer.decode(pending)
        if "�" not in text or len(pending) == 4:  # else the rest of a character's bytes is still to come
            yield space + text
            pending = []
        outputs = reader.read(number)


def chances_of(
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
        >>> chances_of(np.array([0.0, 0.0, 0.5, 0.3, 0.2]), True, 1.0, 2, None).round(3).tolist()
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


class Reader:
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


def _check(run: Run, prompt: str, length: int, temperature: float, top_k: int | None, top_p: float | None) -> None:
    if run.experiment.task != "generate":
        raise InvalidInput(
            f"write: expected a network that was trained to generate, got one that was to {run.experiment.task}. "
            "Train one: unrolled train austen-characters"
        )
    wanted = {
        "a length of at least 1": (length, length >= 1),
        "a temperature of at least 0": (temperature, temperature >= 0),
        "top_k of at least 1": (top_k, top_k is None or top_k >= 1),
        "top_p above 0, at most 1": (top_p, top_p is None or 0 < top_p <= 1),
    }
    for words, (value, is_so) in wanted.items():
        if not is_so:
            raise InvalidInput(f"write: expected {words}, got {value}. Change it.")
