"""A pytest plugin that puts the native layers into ``keras.layers`` and counts the kernels of their calls.

The counts are written to the JSON file that KERNELS_USED names.
"""

import json
import os
from collections import Counter
from pathlib import Path

import unrolled.layers
from unrolled.layers.native_loop import NativeLoop

import keras
import keras.src.layers
import pytest

COUNTS: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requires_trainable_backend: a mark of Keras' own tests")
    for name in unrolled.layers.__all__:
        for module in (keras.layers, keras.src.layers):
            setattr(module, name, getattr(unrolled.layers, name))
    choose = NativeLoop._choose

    def count(self: NativeLoop, reason: str | None) -> str:
        used = choose(self, reason)
        COUNTS[used] += 1
        return used

    NativeLoop._choose = count  # type: ignore[method-assign]


def pytest_sessionfinish() -> None:
    Path(os.environ["KERNELS_USED"]).write_text(json.dumps(COUNTS))
