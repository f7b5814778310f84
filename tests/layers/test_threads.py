"""Many threads that ask one model, and processes that are forked from one that has trained."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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
layer, ends = model.layers
for ask in (model.predict_on_batch, lambda x: model.predict(x, verbose=0), model, lambda x: ends(layer(x))):
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if np.allclose(keras.ops.convert_to_numpy(ask(x)), expected, atol=1e-6) else 1)
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
        assert printed == ["0 True"] * 4
        return
    assert printed[1::2] == ["2 True"] * 4
    for message in printed[::2]:
        assert "this process was forked from one that had computed" in message
        assert "Start it with the method spawn" in message


CHILDREN = """
import multiprocessing, os, sys, threading
import numpy as np
import unrolled
import keras
from unrolled.errors import InvalidSetting
from unrolled.layers import LSTM

x = np.linspace(-1, 1, 64 * 9 * 4, dtype="float32").reshape(64, 9, 4)

def build():
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((9, 4)), LSTM(8), keras.layers.Dense(3)])

def ask(_=None):
    try:
        return keras.ops.convert_to_numpy((model if "model" in globals() else build())(x)).tolist()
    except InvalidSetting as error:
        return str(error)

def fork():
    receiver, sender = os.pipe()
    if os.fork() == 0:
        os.write(sender, repr(ask()).encode()[:1000])
        os._exit(0)
    os.close(sender)
    answers.append(os.fdopen(receiver).read())

def told(answer):
    print("refused" if "was forked from one that had computed" in str(answer) else "answered", flush=True)

if __name__ == "__main__":
    model, answers = build(), []
    expected = ask()
    way = sys.argv[1]
    if way == "thread":
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        told(answers[0])
    elif way == "DataLoader":
        from torch.utils.data import DataLoader
        told(list(DataLoader(range(2), batch_size=None, num_workers=1, collate_fn=ask))[0])
    else:
        with multiprocessing.get_context(way).Pool(1) as pool:
            answer = pool.apply(ask)
            told(answer)
            assert isinstance(answer, str) or np.allclose(answer, expected, atol=1e-6)
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "thread", "DataLoader"])
def test_children_of_every_kind_answer_or_say_that_they_cannot(way: str, tmp_path: Path) -> None:
    program = tmp_path / "children.py"
    program.write_text(CHILDREN)
    done = subprocess.run([sys.executable, program, way], capture_output=True, text=True, timeout=120)
    answers = way == "spawn" or keras.backend.backend() == "torch"
    assert (done.stdout, done.returncode) == ("answered\n" if answers else "refused\n", 0), done.stderr
