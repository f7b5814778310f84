"""Many threads that ask one model."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from unrolled.layers import GRU, LSTM

import keras
import numpy as np
import pytest

THREADS, QUESTIONS = 16, 120
SERIES = np.random.default_rng(0).normal(size=(24, 9, 4)).astype(np.float32)


def build() -> keras.Model:
    layers = [LSTM(8, return_sequences=True, dropout=0.2), GRU(6), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((None, 4)), *layers])
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=one.shape) for one in model.get_weights()])
    model.compile("sgd", "mse")
    return model


WAYS: dict[str, Callable[[keras.Model, Any], Any]] = {
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "call": lambda model, x: keras.ops.convert_to_numpy(model(x)),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_thread_gets_the_answer_that_it_gets_alone(way: str) -> None:
    """Of a model that nobody has asked before, so that the first ones also compile it."""
    questions = [SERIES[first : first + 1 + first % 3] for first in range(20)]
    twin = build()
    expected = [WAYS[way](twin, x) for x in questions]
    model = build()
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda n: WAYS[way](model, questions[n % 20]), range(QUESTIONS)))
    for number, answer in enumerate(found):
        np.testing.assert_allclose(answer, expected[number % 20], rtol=1e-5, atol=1e-6)
