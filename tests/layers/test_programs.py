"""Programs drawn from seeds have the outputs, gradients and trained weights that they have with Keras' own layers.

``UNROLLED_PROGRAMS`` is their number and ``UNROLLED_FIRST_PROGRAM`` the first seed. With ``UNROLLED_SOAK_SECONDS``,
programs are drawn for that long instead. A failure names its seed.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from tests.layers.comparison import Array, differentiator
from tests.layers.programs import LIBRARIES, UNUSUAL, Program, arrays, build, draw

import keras
import numpy as np
import pytest

SOAK = float(os.environ.get("UNROLLED_SOAK_SECONDS", "0"))
PROGRAMS = int(os.environ.get("UNROLLED_PROGRAMS", "100"))
FIRST = int(os.environ.get("UNROLLED_FIRST_PROGRAM", "0"))
GROUPS = 10
TOLERANCES = {"float32": (1e-5, 1e-4), "float64": (1e-5, 1e-4)}
HALF = (2e-2, 1e-1)


def seeds(group: int) -> Iterator[int]:
    if not SOAK:
        yield from range(FIRST + group, FIRST + PROGRAMS, GROUPS)
        return
    end = time.monotonic() + SOAK / GROUPS * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for seed in count(FIRST + group, GROUPS):
        if time.monotonic() > end:
            return
        yield seed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("group", range(GROUPS))
def test_programs_equal_keras(group: int) -> None:
    for seed in seeds(group):
        program = draw(seed)
        try:
            compare(program)
        except Exception as error:
            raise AssertionError(f"{program}") from error
        if seed % 100 < GROUPS:
            forget()


def compare(program: Program) -> None:
    models = [attempt(partial(build, program, library)) for library in LIBRARIES]
    if failed(*models):
        return
    ours, theirs = models
    both = Both(program, ours, theirs, TOLERANCES.get(program.policy, HALF))
    if program.way == "gradients" and not program.keeps_state:
        both.gradients()
        return
    ask = {"predict": predict, "train": train}.get(program.way, call)
    if program.keeps_state and keras.backend.backend() == "jax":
        ask = call  # predict and fit forget the state of Keras' layers, not of ours
    both.check(ask, unusual=False)
    if program.keeps_state:
        both.check(ask, unusual=False, again=1)
    elif program.unusual and ask is not train:
        both.check(ask, unusual=True)


def forget() -> None:
    """Forget what was compiled, which takes 10 MB for each program."""
    keras.backend.clear_session()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()  # type: ignore[no-untyped-call]


class Both:
    """One program with our layers and with Keras'."""

    def __init__(self, program: Program, ours: keras.Model, theirs: keras.Model, tolerances: tuple[float, float]):
        self.program, self.ours, self.theirs, self.tolerances = program, ours, theirs, tolerances

    def check(self, ask: Callable[..., list[Array]], *, unusual: bool, again: int = 0) -> None:
        """Assert that both answer the same."""
        inputs = arrays(self.program, unusual=unusual, again=again)
        expected = attempt(lambda: ask(self.program, self.theirs, inputs))
        found = attempt(lambda: ask(self.program, self.ours, inputs))
        if failed(found, expected):
            return
        assert_same(found, expected, self.tolerances[0 if ask is not train else 1])

    def gradients(self) -> None:
        """Assert that both have the same gradients, of usual inputs and of unusual ones."""
        program = self.program
        functions = [differentiator(model, partial(ask_model, program)) for model in (self.ours, self.theirs)]
        for unusual in (False, True) if program.unusual else (False,):
            inputs = arrays(program, unusual=unusual)
            floats = [number for number, one in enumerate(inputs) if one.dtype == np.float32]
            answers = [attempt(partial(function, inputs, floats)) for function in functions]
            if failed(*answers):
                return
            (outputs, found), (expected_outputs, expected) = answers
            assert_same(outputs, expected_outputs, self.tolerances[0])
            if not unusual or keras.backend.backend() == "jax":
                # A masked step is not read, so that no NaN comes from it; Keras differentiates it, times zero.
                assert_same(found, expected, self.tolerances[1], fewer=unusual and program.mask is not None)


def ask_model(program: Program, model: keras.Model, inputs: list[Any]) -> list[Any]:
    return list(keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0], training=program.training)))


def call(program: Program, model: keras.Model, inputs: list[Array]) -> list[Array]:
    return as_numpy([*ask_model(program, model, inputs), *states(model)])


def predict(program: Program, model: keras.Model, inputs: list[Array]) -> list[Array]:
    return as_numpy(keras.tree.flatten(model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])))


def train(program: Program, model: keras.Model, inputs: list[Array]) -> list[Array]:
    model.compile(keras.optimizers.SGD(0.1), ["mse"] * len(model.outputs))
    targets = [np.zeros((program.batch, *one.shape[1:]), "float32") for one in model.outputs]
    losses = [model.train_on_batch(inputs if len(inputs) > 1 else inputs[0], targets) for _ in range(2)]
    return as_numpy([np.array(losses, "float32"), *model.weights])


def states(model: keras.Model) -> list[Any]:
    return [one for layer in model.layers for one in getattr(layer, "states", None) or [] if one is not None]


def attempt(function: Callable[[], Any]) -> Any:
    keras.utils.set_random_seed(7)  # of torch's generator, from which layers draw there
    try:
        return function()
    except Exception as error:
        return error


def failed(ours: Any, theirs: Any) -> bool:
    """Whether Keras' layers raised. Where they do not, ours must not."""
    if isinstance(ours, Exception) and not isinstance(theirs, Exception):
        raise ours
    return isinstance(theirs, Exception)


def as_numpy(tensors: list[Any]) -> list[Array]:
    return [np.array(keras.ops.convert_to_numpy(one), "float32") for one in tensors]


def assert_same(ours: list[Array], theirs: list[Array], tolerance: float, *, fewer: bool = False) -> None:
    """Assert equality, also of where NaN stands; with ``fewer``, some NaN of theirs may be numbers."""
    assert [one.shape for one in ours] == [one.shape for one in theirs]
    scale = max([1e-3, *(float(np.abs(one[np.isfinite(one)]).max(initial=0)) for one in theirs)])
    for our, their in zip(ours, theirs, strict=True):
        if fewer:
            assert not np.isnan(our)[~np.isnan(their)].any(), (our, their)
            our = np.where(np.isnan(their), their, our)
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def test_the_draws_reach_everything() -> None:
    programs = [draw(seed) for seed in range(2000)]
    assert {one.unusual for one in programs} == {None, *UNUSUAL}
    assert {one.batch for one in programs} == {0, 1, 2, 3, 5}
    assert all(draw(one.seed) == one for one in programs[:20])
    assert any(one.keeps_state for one in programs)
    assert any(replace(one, seed=0).states for one in programs)
