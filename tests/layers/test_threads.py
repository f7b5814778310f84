"""Many threads that ask one model, and processes that are forked from one that has trained."""

import subprocess
import sys
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


FORK = """
import os, sys
import numpy as np
import unrolled
import keras
from unrolled.errors import InvalidSetting
from unrolled.layers import LSTM

model = keras.Sequential([keras.Input((9, 4)), LSTM(8), keras.layers.Dense(3)])
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(64, 9, 4)).astype("float32")
model.fit(x, np.zeros((64, 3)), verbose=0)
expected = model.predict_on_batch(x)
for ask in (model.predict_on_batch, lambda x: model.predict(x, verbose=0)):
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if np.allclose(ask(x), expected, atol=1e-6) else 1)
        except InvalidSetting as error:
            print(error, flush=True)
            os._exit(2)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), np.allclose(model.predict_on_batch(x), expected))
"""


def test_a_process_forked_after_a_training_answers_or_says_that_it_cannot() -> None:
    """On JAX and TensorFlow it would wait for ever for threads that a fork does not copy."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    printed = done.stdout.splitlines()
    if keras.backend.backend() == "torch":
        assert printed == ["0 True"] * 2
        return
    assert printed[1::2] == ["2 True"] * 2
    assert "this process was forked from one that had computed" in printed[0]
    assert "Start it with the method spawn" in printed[0]
