"""Inputs chosen to break kernels, and the tolerances of the kernels' results."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.kernels import native, reference
from unrolled.kernels.reference import ACTIVATIONS
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[Any]
ROOT = Path(__file__).parents[2]

# float32 against float64, relative to the largest entry of an array. Where even that is below CANCELLED, it is the
# small difference of large terms.
FORWARD = 1e-5
GRADIENTS = 1e-5
CANCELLED = 0.1

CELLS = {
    "lstm": RecurrenceSpec("lstm"),
    "gru": RecurrenceSpec("gru"),
    "gru_reset_before": RecurrenceSpec("gru", reset_after=False),
    "simple_rnn": RecurrenceSpec("simple_rnn"),
}
DIFFERENTIABLE = ("sequences", "kernel", "recurrent_kernel", "bias", "initial_h", "initial_c")
MASKS = ("none", "all true", "holes", "leading", "trailing", "one row", "every row")
RESETS = ("none", "nowhere", "some", "first", "last", "everywhere")

every_cell = pytest.mark.parametrize("cell", CELLS)


class Sizes(NamedTuple):
    batch: int
    time: int
    features: int
    units: int


@pytest.fixture(params=native.isas())
def every_isa(request: pytest.FixtureRequest) -> Iterator[None]:
    """The kernels of each instruction set that this processor has, in turn."""
    before = native.isa()
    native.set_isa(request.param)
    yield
    native.set_isa(before)


def make_mask(pattern: str, batch: int, time: int) -> Array | None:
    """Return one of `MASKS`, [B, T], True at the steps that are read."""
    steps, rows = np.arange(time), np.arange(batch)[:, None]
    masks = {
        "none": None,
        "all true": np.ones((batch, time), bool),
        "holes": np.random.default_rng(4).random((batch, time)) < 0.6,
        "leading": steps >= rows % (time + 1),
        "trailing": steps < (time - rows) % (time + 1),
        "one row": np.broadcast_to(rows != batch // 2, (batch, time)),
        "every row": np.zeros((batch, time), bool),
    }
    return masks[pattern]


def make_resets(pattern: str, batch: int, time: int) -> Array | None:
    """Return one of `RESETS`, [B, T], True at the first step of a sequence."""
    steps = np.broadcast_to(np.arange(time), (batch, time))
    resets: dict[str, Array | None] = {
        "none": None,
        "nowhere": np.zeros((batch, time), bool),
        "some": np.random.default_rng(5).random((batch, time)) < 0.3,
        "first": steps == 0,
        "last": steps == time - 1,
        "everywhere": np.ones((batch, time), bool),
    }
    return resets[pattern]


def every_option(cell: str) -> Iterator[RecurrenceSpec]:
    """The recurrences of a cell in both directions, with all outputs or the last, and both outputs of masked steps."""
    for go_backwards, return_sequences, zero_output_for_mask in itertools.product([False, True], repeat=3):
        yield replace(
            CELLS[cell],
            go_backwards=go_backwards,
            return_sequences=return_sequences,
            zero_output_for_mask=zero_output_for_mask,
        )


def make_inputs(
    recurrence: RecurrenceSpec,
    sizes: Sizes,
    *,
    mask: str = "none",
    resets: str = "none",
    input_masks: int = 0,
    recurrent_masks: int = 0,
    without: Iterable[str] = (),
    seed: int = 0,
) -> Inputs:
    """Every input that the recurrence can have except those in `without`, with the numbers of dropout masks."""
    random = np.random.default_rng(seed)
    batch, time, features, units = sizes
    columns = recurrence.gates * units

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return random.normal(scale=scale, size=shape).astype(np.float32)

    def dropout(masks: int, width: int) -> Array | None:
        kept = random.random((masks, batch, width)) < 0.7
        return (kept / 0.7).astype(np.float32) if masks else None

    two_rows = recurrence.cell == "gru" and recurrence.reset_after
    inputs = Inputs(
        sequences=normal(batch, time, features),
        kernel=normal(features, columns, scale=features**-0.5),
        recurrent_kernel=normal(units, columns, scale=0.5 * units**-0.5),
        bias=normal(2, columns, scale=0.3) if two_rows else normal(columns, scale=0.3),
        initial_h=normal(batch, units),
        initial_c=normal(batch, units) if recurrence.cell == "lstm" else None,
        mask=make_mask(mask, batch, time),
        resets=make_resets(resets, batch, time),
        input_dropout=dropout(input_masks, features),
        recurrent_dropout=dropout(recurrent_masks, units),
    )
    return inputs._replace(**dict.fromkeys(without))


def make_cotangents(results: Outputs, seed: int = 1) -> Outputs:
    random = np.random.default_rng(seed)
    shapes = (None if result is None else np.shape(result) for result in results)
    return Outputs(*(None if shape is None else random.normal(size=shape).astype(np.float32) for shape in shapes))


def with_zeros(recurrence: RecurrenceSpec, inputs: Inputs) -> Inputs:
    """Replace absent states and biases by zeros, so that the specification differentiates with respect to them."""
    batch, time, features = np.shape(inputs.sequences)
    everything = make_inputs(recurrence, Sizes(batch, time, features, len(inputs.recurrent_kernel)))
    zeros = {
        name: np.zeros_like(getattr(everything, name))
        for name in DIFFERENTIABLE
        if getattr(everything, name) is not None
    }
    return inputs._replace(**{name: array for name, array in zeros.items() if getattr(inputs, name) is None})


def specified(recurrence: RecurrenceSpec, inputs: Inputs, cotangents: Outputs | None = None) -> tuple[Outputs, Inputs]:
    """Outputs and gradients by the reference, absent states and biases included.

    The default cotangents are those of `make_cotangents`.
    """
    inputs = with_zeros(recurrence, inputs)
    results, tape = reference.forward(recurrence, inputs)
    return results, reference.backward(recurrence, inputs, tape, cotangents or make_cotangents(results))


def assert_close(ours: Outputs | Inputs, theirs: Outputs | Inputs, tolerance: float) -> None:
    """Assert that every array has the right shape, is float32, and is equal up to `tolerance` of the largest entry."""
    for name, our, their in zip(ours._fields, ours, theirs, strict=True):
        assert (our is None) == (their is None), name
        if our is not None:
            assert our.dtype == np.float32, name
            atol = tolerance * np.abs(their).max(initial=CANCELLED)
            np.testing.assert_allclose(our, their, rtol=0, atol=atol, err_msg=name)
            assert our.shape == their.shape, name


def assert_same_bits(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    """Assert that arrays are equal bit for bit, and absent in the same positions."""
    for our, their in zip(ours, theirs, strict=True):
        assert (our is None) == (their is None)
        if our is not None:
            np.testing.assert_array_equal(our.view(np.int32), their.view(np.int32))


def run(recurrence: RecurrenceSpec, inputs: Inputs, cotangents: Outputs | None = None) -> tuple[Outputs, Inputs]:
    """Outputs and gradients by the native kernels."""
    results, tape = native.forward(recurrence, inputs, training=True)
    return results, native.backward(recurrence, inputs, tape, cotangents or make_cotangents(results))


def check(recurrence: RecurrenceSpec, inputs: Inputs, cotangents: Outputs | None = None) -> None:
    """Assert that both passes, and the forward pass without a tape, equal the reference."""
    results, gradients = specified(recurrence, inputs, cotangents)
    ours, our_gradients = run(recurrence, inputs, cotangents)
    assert_close(ours, results, FORWARD)
    assert_close(our_gradients, gradients, GRADIENTS)
    inference, tape = native.forward(recurrence, inputs, training=False)
    assert tape is None
    assert_close(inference, results, FORWARD)


def with_outputs(cell: str, **changes: Any) -> RecurrenceSpec:
    """The recurrence of a cell, with the outputs of every step."""
    return replace(CELLS[cell], return_sequences=True, **changes)


# A value may be off by this much, or by this many distances to the next float; a slope by this much.
VALUE, VALUE_ULPS, SLOPE = 2e-7, 4, 5e-7
# Near zero, of those that vanish there.
RELATIVE_ULPS = 16
VANISHING = ("linear", "tanh", "relu", "elu", "softsign", "silu", "gelu")

# Where an activation or its approximation changes from one piece to the next, a table ends or exp over- or underflows.
BRANCHES = (0.0, 0.5, 1.0, 3.0, 10.3972, 14.0, 64.0, 80.0, 87.33, 88.0, 88.3763, 88.7228, 89.0, 103.97, 126.0, 127.5)
SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)


def activation_inputs(count: int) -> Array:
    """Finite floats: of any bits, around zero, and the nearest neighbours of every branch on both sides of zero."""
    random = np.random.default_rng(5)
    anything = random.integers(0, 2**32, count, dtype=np.uint32).view(np.float32)
    usual = random.normal(scale=np.array([[0.01], [1.0], [10.0]]), size=(3, count)).astype(np.float32)
    bits = np.array(BRANCHES, np.float32).view(np.int32)[:, None] + np.arange(-200, 201)
    branches = bits[bits >= 0].astype(np.int32).view(np.float32)
    inputs = np.concatenate([anything[np.isfinite(anything)], usual.ravel(), branches, -branches])
    return inputs[: len(inputs) // 64 * 64]


def assert_activation(name: str, inputs: Array, values: Array, slopes: Array) -> None:
    """Assert that a kernel's values and slopes are as close to float64 as its activations promise."""
    # Denormals may count as zero.
    normal = np.where(np.abs(inputs) < SMALLEST_NORMAL, 0, inputs).astype(np.float64)
    expected, expected_slopes = ACTIVATIONS[name](normal)
    error, ulp = np.abs(values - expected), np.spacing(np.abs(expected).astype(np.float32))
    np.testing.assert_array_equal(inputs[(error > VALUE) & (error > VALUE_ULPS * ulp)], [])
    np.testing.assert_array_equal(inputs[np.isnan(values)], [])

    # A value next to a kink may be rounded to one on the other side.
    smooth = np.abs(np.abs(normal) - 3) > 1e-6 if name == "hard_sigmoid" else np.full(inputs.shape, True)
    np.testing.assert_array_equal(inputs[smooth & ~(np.abs(slopes - expected_slopes) <= SLOPE)], [])

    if name in VANISHING:
        near_zero = (np.abs(normal) < 0.1) & (np.abs(expected) > 2 * SMALLEST_NORMAL)
        np.testing.assert_array_equal(inputs[near_zero & (error > RELATIVE_ULPS * ulp)], [])
