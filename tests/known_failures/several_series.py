"""A table with several series to forecast ends in a TypeError.

Right: a long table (one row per series and step, the format of Nixtla, GluonTS and AutoGluon) is forecast series by
series, or refused in one line.

Reference:
    Nixtla/neuralforecast#846, #887, sktime/sktime#5962.
"""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import unrolled
from unrolled.errors import UnrolledError

folder = Path(tempfile.mkdtemp())
rows = [
    f"{shop},2024-{1 + step // 28:02d}-{1 + step % 28:02d},{10 * number + step % 7}"
    for number, shop in enumerate(("a", "b"), start=1)
    for step in range(84)
]
(folder / "sales.csv").write_text("unique_id,ds,y\n" + "\n".join(rows) + "\n")
experiment = {
    "data": {"file": str(folder / "sales.csv"), "input": "y", "series": "unique_id"},
    "forecast": {"window": 14, "horizon": 7, "season": 7, "test_steps": 14},
    "network": [{"GRU": {"units": 4}}],
    "training": {"epochs": 1},
}
try:
    with suppress(UnrolledError):
        unrolled.train(experiment, runs=folder / "runs", quiet=True)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
