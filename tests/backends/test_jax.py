"""The kernels under JAX's transformations equal the reference, and compute no more than is wanted."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.backends.cases import RECURRENCES, TIME, assert_close, expected, make_cotangents, make_inputs
from unrolled.backends import jax as backend
from unrolled.errors import InvalidInput
from unrolled.kernels.spec import Inputs, RecurrenceSpec

import jax
import jax.numpy as jnp
import pytest

FLOATS = Inputs._fields[:6]
LSTM = RECURRENCES["lstm"]


def arrays(recurrence: RecurrenceSpec) -> Inputs:
    return Inputs(*(None if array is None else jnp.asarray(array) for array in make_inputs(recurrence)))


def loss(recurrence: RecurrenceSpec, differentiated: dict[str, Any], inputs: Inputs) -> Any:
    results = backend.run_recurrence(recurrence, inputs._replace(**differentiated))
    weights = make_cotangents(recurrence)
    return sum(jnp.sum(result * weight) for result, weight in zip(results, weights, strict=True) if result is not None)


def differentiable(recurrence: RecurrenceSpec) -> dict[str, Any]:
    inputs = arrays(recurrence)._asdict()
    return {name: inputs[name] for name in FLOATS if inputs[name] is not None}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[tuple[int, ...]]]]:
    """The targets that were called and the shapes of their results."""
    made: list[tuple[str, list[tuple[int, ...]]]] = []
    call = backend._call

    def record(target: str, recurrence: RecurrenceSpec, shapes: list[tuple[int, ...]], operands: list[Any]) -> Any:
        made.append((target, shapes))
        return call(target, recurrence, shapes, operands)

    monkeypatch.setattr(backend, "_call", record)
    return made


@pytest.mark.parametrize("recurrence", RECURRENCES.values(), ids=RECURRENCES)
def test_results_and_gradients_equal_the_reference(recurrence: RecurrenceSpec) -> None:
    results, gradients = expected(recurrence)
    for actual, wanted in zip(
        jax.jit(backend.run_recurrence, static_argnums=0)(recurrence, arrays(recurrence)), results, strict=False
    ):
        if actual is not None:
            assert_close(actual, wanted)
    found = jax.jit(jax.grad(loss, argnums=1), static_argnums=0)(
        recurrence, differentiable(recurrence), arrays(recurrence)
    )
    for name, gradient in found.items():
        assert_close(gradient, getattr(gradients, name))


def test_gradients_of_constants_are_not_computed(calls: list[Any]) -> None:
    inputs = arrays(LSTM)
    jax.grad(lambda kernel: backend.run_recurrence(LSTM, inputs._replace(kernel=kernel)).h.sum())(inputs.kernel)
    (forward, forward_shapes), (backward, backward_shapes) = calls
    assert (forward, backward) == ("unrolled_forward", "unrolled_backward")
    assert forward_shapes[-1] != (0,)
    assert backward_shapes == ((0,), inputs.kernel.shape, (0,), (0,), (0,), (0,))


def test_gradients_of_constants_of_a_compiled_function_are_not_computed(calls: list[Any]) -> None:
    inputs = arrays(LSTM)
    compiled = jax.jit(lambda kernel, sequences: backend.run_recurrence(LSTM, inputs._replace(kernel=kernel)).h.sum())
    jax.grad(compiled)(inputs.kernel, inputs.sequences)
    assert calls[-1][1] == ((0,), inputs.kernel.shape, (0,), (0,), (0,), (0,))


def test_no_tape_is_kept_where_nothing_is_differentiated(calls: list[Any]) -> None:
    jax.jit(lambda inputs: backend.run_recurrence(LSTM, inputs))(arrays(LSTM))
    assert [shapes[-1] for _, shapes in calls] == [(0,)]


def test_vmap_equals_a_loop() -> None:
    inputs = arrays(LSTM)
    several = jnp.stack([inputs.sequences, 2 * inputs.sequences])
    gradient = jax.grad(lambda sequences: loss(LSTM, {"sequences": sequences}, inputs))
    assert_close(jax.vmap(gradient)(several), jnp.stack([gradient(one) for one in several]))
    kernel = jnp.stack([inputs.kernel, 2 * inputs.kernel])

    def run(kernel: Any) -> Any:
        return backend.run_recurrence(LSTM, inputs._replace(kernel=kernel)).outputs

    assert_close(jax.jit(jax.vmap(run))(kernel), jnp.stack([run(one) for one in kernel]))


def test_checkpoint_and_scan_change_no_gradient() -> None:
    inputs, parameters = arrays(LSTM), differentiable(LSTM)
    plain = jax.grad(loss, argnums=1)(LSTM, parameters, inputs)
    again = jax.grad(jax.checkpoint(loss, static_argnums=0), argnums=1)(LSTM, parameters, inputs)

    def scanned(parameters: dict[str, Any]) -> Any:
        return jax.lax.scan(lambda total, _: (total + loss(LSTM, parameters, inputs), None), 0.0, length=2, xs=None)[0]

    twice = jax.grad(scanned)(parameters)
    for name, gradient in plain.items():
        assert_close(again[name], gradient)
        assert_close(twice[name], 2 * gradient)


def test_other_derivatives_are_rejected() -> None:
    inputs = arrays(LSTM)

    def run(kernel: Any) -> Any:
        return loss(LSTM, {"kernel": kernel}, inputs)

    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(run, (inputs.kernel,), (inputs.kernel,))
    for twice in (jax.grad(lambda kernel: jax.grad(run)(kernel).sum()), jax.hessian(run)):
        with pytest.raises(InvalidInput, match="second derivatives are not supported"):
            twice(inputs.kernel)


def test_a_wrong_shape_is_an_error_that_names_it() -> None:
    inputs = arrays(LSTM)
    with pytest.raises(jax.errors.JaxRuntimeError, match=rf"expected mask \[3, {TIME}\], got \[1, {TIME}\]"):
        backend.run_recurrence(LSTM, inputs._replace(mask=jnp.ones((1, TIME), bool))).h.block_until_ready()


PROGRAM = """
import jax
hits = []
jax.monitoring.register_event_listener(lambda event, **_: event.endswith("/cache_hits") and hits.append(event))
import unrolled.layers
import keras, numpy
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((7, 3)), unrolled.layers.LSTM(32), keras.layers.Dense(2)])
model.compile("adam", "mse")
model.fit(numpy.ones((8, 7, 3)), numpy.ones((8, 2)), verbose=0)
print(len(hits), model.predict(numpy.ones((1, 7, 3)), verbose=0).tolist())
"""


def test_a_second_process_reads_what_the_first_compiled(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}

    def run(cache: str) -> tuple[str, str]:
        environment = {**inherited, "KERAS_BACKEND": "jax", "UNROLLED_CACHE": cache}
        finished = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
        )
        hits, _, outputs = finished.stdout.partition(" ")
        return hits, outputs

    none = run("none")
    first, second = run(str(tmp_path / "cache")), run(str(tmp_path / "cache"))
    assert (none[0], first[0]) == ("0", "0")
    assert int(second[0]) > 0
    assert none[1] == first[1] == second[1]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
