"""What makes the tests of searches quick."""

import sys
from collections.abc import Iterator

from unrolled.backends import leave_out_tensorflow

import pytest


@pytest.fixture(autouse=True, scope="module")
def without_tensorflow() -> Iterator[None]:
    """As the command line does: Keras imports TensorFlow to save a model, if it can."""
    before = list(sys.meta_path)
    leave_out_tensorflow()
    yield
    sys.meta_path[:] = before
