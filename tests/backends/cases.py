"""Inputs for the three frameworks, and the results of the reference."""

from typing import Any

from unrolled.kernels import reference
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np

RECURRENCES = {
    "lstm": RecurrenceSpec("lstm", activation="relu", return_sequences=True),
    "gru": RecurrenceSpec("gru", go_backwards=True),
    "gru, reset before": RecurrenceSpec("gru", reset_after=False, return_sequences=True, zero_output_for_mask=True),
    "simple_rnn": RecurrenceSpec("simple_rnn", return_sequences=True),
}
BATCH, TIME, FEATURES, UNITS = 3, 6, 4, 5


def make_inputs(recurrence: RecurrenceSpec) -> Inputs:
    """Every input that the recurrence can have, in NumPy."""
    random = np.random.default_rng(0)
    columns = recurrence.gates * UNITS

    def normal(*shape: int) -> Any:
        return (0.5 * random.normal(size=shape)).astype(np.float32)

    return Inputs(
        sequences=normal(BATCH, TIME, FEATURES),
        kernel=normal(FEATURES, columns),
        recurrent_kernel=normal(UNITS, columns),
        bias=normal(2, columns) if recurrence.cell == "gru" and recurrence.reset_after else normal(columns),
        initial_h=normal(BATCH, UNITS),
        initial_c=normal(BATCH, UNITS) if recurrence.cell == "lstm" else None,
        mask=random.random((BATCH, TIME)) < 0.7,
        input_dropout=normal(recurrence.gates, BATCH, FEATURES),
        recurrent_dropout=normal(1, BATCH, UNITS),
    )


def make_cotangents(recurrence: RecurrenceSpec) -> Outputs:
    """The weight of every output in the loss, which is their weighted sum."""
    random = np.random.default_rng(1)
    shapes = [(BATCH, TIME if recurrence.return_sequences else 1, UNITS), (BATCH, UNITS)]
    arrays = [random.normal(size=shape).astype(np.float32) for shape in [*shapes, (BATCH, UNITS)]]
    return Outputs(*arrays) if recurrence.cell == "lstm" else Outputs(*arrays[:2])


def expected(recurrence: RecurrenceSpec) -> tuple[Outputs, Inputs]:
    """The outputs and the gradients of the loss, by the reference."""
    inputs = make_inputs(recurrence)
    results, tape = reference.forward(recurrence, inputs)
    return results, reference.backward(recurrence, inputs, tape, make_cotangents(recurrence))


def assert_close(actual: Any, wanted: Any) -> None:
    """Assert that float32 equals the reference's float64."""
    np.testing.assert_allclose(np.asarray(actual), np.asarray(wanted), rtol=2e-5, atol=2e-6)
