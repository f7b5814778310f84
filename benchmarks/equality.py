"""Whether two programs compute the same, judged before either is timed."""

from dataclasses import dataclass

from benchmarks.frameworks.program import Results

import numpy as np

FORWARD = 1e-5
"""How far outputs may differ, relative to the largest one or to 1."""
GRADIENT = 1e-4
"""How far a gradient may differ, relative to its largest element."""
_SMALL = 1e-30
"""A gradient below this is as good as zero: our kernels read denormal numbers as zero."""


@dataclass(frozen=True)
class Difference:
    """The largest relative differences."""

    outputs: float
    gradients: float
    """0 where there are no gradients."""

    @property
    def is_small(self) -> bool:
        """Whether the two programs compute the same; NaN is never small."""
        return self.outputs <= FORWARD and self.gradients <= GRADIENT


def compare(results: Results, expected: Results) -> Difference:
    """How far ``results`` are from ``expected``.

    Raises:
        ValueError: They have not the same names and shapes.
    """
    for name in results.keys() | expected.keys():
        if name not in results or name not in expected or results[name].shape != expected[name].shape:
            raise ValueError(f"{name} is missing or has another shape")
    outputs = _difference(results["outputs"], expected["outputs"], at_least=1.0)
    gradients = [_difference(results[name], expected[name], at_least=_SMALL) for name in expected if name != "outputs"]
    return Difference(outputs, float(np.max(gradients, initial=0.0)))


def _difference(array: np.ndarray, expected: np.ndarray, *, at_least: float) -> float:
    wide, expected = array.astype(np.float64), expected.astype(np.float64)
    return float(np.abs(wide - expected).max() / max(np.abs(expected).max(), at_least))
