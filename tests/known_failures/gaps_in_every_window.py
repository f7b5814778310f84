"""A series that is empty on weekends ends in a ValueError, since every window has a gap.

Right: it is forecast (days left out, or the loss masked), or refused in one line that names the gaps.

Reference:
    unit8co/darts#303, #1433, #2368, Nixtla/neuralforecast#718.
"""

import sys
import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import unrolled
from unrolled.errors import UnrolledError

folder = Path(tempfile.mkdtemp())
days = [date(2024, 1, 1) + timedelta(days=number) for number in range(140)]
rows = [f"{day},{'' if day.weekday() > 4 else 50 + number % 5}" for number, day in enumerate(days)]
(folder / "shop.csv").write_text("date,sales\n" + "\n".join(rows) + "\n")
experiment = {
    "data": {"file": str(folder / "shop.csv")},
    "forecast": {"window": 14, "horizon": 7, "season": 7, "test_steps": 14},
    "network": [{"GRU": {"units": 4}}],
    "training": {"epochs": 1},
}
try:
    with suppress(UnrolledError):
        unrolled.train(experiment, runs=folder / "runs", quiet=True)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
