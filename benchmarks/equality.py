"""Check that two programs compute the same, before either is timed."""

from dataclasses import dataclass

from benchmarks.frameworks.program import Outputs

import numpy as np

FORWARD = 1e-5
"""The tolerance of outputs, relative to the largest one or to 1."""
GRADIENT = 1e-4
"""The tolerance of a gradient, relative to its largest element."""


@dataclass(frozen=True)
class Difference:
    """The largest relative differences."""

    outputs: float
    gradients: float
    """0 where there are no gradients."""

    @property
    def is_small(self) -> bool:
        """True if the programs compute the same; NaN is never small."""
        return self.outputs <= FORWARD and self.gradients <= GRADIENT


def compare(results: Outputs, expected: Outputs, *, extreme: bool = False) -> Difference:
    """Return the largest differences between ``results`` and ``expected``.

    Args:
        results: The outputs and gradients of a program.
        expected: Those of the program that it must equal.
        extreme: Compare gradients relative to the largest of all of them. For tasks in which a gradient may be mere
            rounding (1 - h * h where tanh is 1) or denormal.

    Raises:
        ValueError: The names or shapes differ.
    """
    for name in results.keys() | expected.keys():
        if name not in results or name not in expected or results[name].shape != expected[name].shape:
            raise ValueError(f"{name} is missing or has another shape")
    outputs = _difference(results["outputs"], expected["outputs"], at_least=1.0)
    names = [name for name in expected if name != "outputs"]
    largest = max((float(np.abs(expected[name]).max()) for name in names), default=0.0)
    at_least = largest if extreme else 0.0
    gradients = [_difference(results[name], expected[name], at_least=at_least) for name in names]
    return Difference(outputs, float(np.max(gradients, initial=0.0)))


def _difference(array: np.ndarray, expected: np.ndarray, *, at_least: float) -> float:
    wide, expected = array.astype(np.float64), expected.astype(np.float64)
    scale = max(np.abs(expected).max(), at_least, np.finfo(np.float32).tiny)
    return float(np.abs(wide - expected).max() / scale)
