"""The article's program on each backend, and its weights in plain Keras layers."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment

import pytest

PROGRAM = """
import dataclasses, runpy, sys
import unrolled
import keras, numpy as np

full, few = unrolled.load("mnist"), np.arange(2000)
unrolled.load = lambda name: dataclasses.replace(full, train=full.train.select(few), test=full.test.select(few))
keras.utils.set_random_seed(0)
names = runpy.run_path(sys.argv[1])
assert keras.backend.backend() == sys.argv[2]
model, x_test = names["model"], names["x_test"]
assert len(x_test) == 2000
ours = [layer for layer in model.layers if "unrolled" in type(layer).__module__]
assert [type(layer).__name__ for layer in ours] == ["LSTM", "LSTM"]

plain = keras.Sequential([keras.Input((28, 28))])
for layer in model.layers:
    plain.add(getattr(keras.layers, type(layer).__name__).from_config(layer.get_config()))
assert not any("unrolled" in type(layer).__module__ for layer in plain.layers)
plain.set_weights(model.get_weights())

# The outputs of the recurrent layers keep their contract; relu lets them grow, and softmax amplifies differences.
ours, keras_own = (keras.Sequential(m.layers[:3]).predict(x_test, verbose=0) for m in (model, plain))
apart = np.abs(ours - keras_own).max() / np.abs(keras_own).max()
assert apart <= 1e-5, apart
apart = np.abs(plain.predict(x_test, verbose=0) - model.predict(x_test, verbose=0)).max()
assert apart <= 1e-5 * np.abs(keras_own).max(), apart
print("accuracy", model.evaluate(x_test, names["y_test"], verbose=0)[1])
"""


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_the_article_runs_and_its_weights_are_keras_weights(backend: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, ROOT / "examples/article.py", backend],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(KERAS_BACKEND=backend),
    )
    assert finished.returncode == 0, finished.stderr
    accuracy = float(finished.stdout.split()[-1])
    assert accuracy > 0.2, "the network is no better than chance after 189 steps"


def test_the_article_differs_from_keras_in_its_imports_alone() -> None:
    program = (ROOT / "examples/article.py").read_text()
    assert [line for line in program.splitlines() if "unrolled" in line and "import" in line] == [
        "from unrolled import load",
        "from unrolled.layers import LSTM",
    ]
    assert program.split('"""', 2)[2].count("unrolled") == 2
