"""The native layers pass Keras' own tests of its recurrent layers and their wrappers."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

import keras

TESTS = Path(keras.__file__).parent / "src" / "layers" / "rnn"
NAMES = ("lstm", "gru", "simple_rnn", "bidirectional", "time_distributed")


def test_our_layers_pass_the_tests_of_keras(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.layers.keras_plugin", "-p", "no:cacheprovider"]
    command += ["--import-mode=importlib", "-c", os.devnull, "--rootdir", str(tmp_path)]
    command += [str(TESTS / f"{name}_test.py") for name in NAMES]
    counts = tmp_path / "kernels.json"
    environment = {**os.environ, "KERNELS_USED": str(counts), "KERAS_BACKEND": keras.backend.backend()}
    environment |= {"PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    finished = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-2000:]
    used = json.loads(counts.read_text())
    assert used.pop("native") > 100
    assert set(used) <= {"dtype float16 has no native kernel, only float32 has"}
