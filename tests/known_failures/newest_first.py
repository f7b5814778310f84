"""A table whose newest row comes first is trained on backwards in time, silently.

Right: the test set is the latest part of the series. A table with the newest row first (exports of banks, brokers,
monitoring) is sorted by its date, or refused, or a note says so.

Reference:
    facebook/prophet#241, autogluon/autogluon#2584, linkedin/greykite#102, rafzamb/sknifedatar#17.
"""

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from unrolled.data.registry import load_config_data
from unrolled.errors import DataError

path = Path(tempfile.mkdtemp()) / "prices.csv"
rows = [f"{date(2024, 1, 1) + timedelta(days=day)},{100 + day}" for day in reversed(range(90))]
path.write_text("date,close\n" + "\n".join(rows) + "\n")
try:
    data = load_config_data(file=str(path), purpose="series", test_steps=10)
except DataError:
    sys.exit()
test = data.test.inputs[0][:, 0].tolist()
if max(test) != 189 and not any("date" in note or "order" in note for note in data.notes):
    sys.exit(f"the latest values are 180 to 189, the test set holds {test}; notes: {data.notes}")
