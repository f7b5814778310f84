"""Year and month are forecast beside the sales, and their errors count.

Right: the calendar is not to be forecast; or a note names the channels and how to leave some out. Their error enters
MAE and MASE, silently.

Reference:
    unit8co/darts#1623, #2126, facebook/prophet#2322.
"""

import sys
import tempfile
from pathlib import Path

from unrolled.data.registry import load_config_data
from unrolled.errors import DataError

path = Path(tempfile.mkdtemp()) / "sales.csv"
rows = [f"{2015 + month // 12},{1 + month % 12},{500 + month}" for month in range(96)]
path.write_text("year,month,sales\n" + "\n".join(rows) + "\n")
try:
    data = load_config_data(file=str(path), purpose="series", test_steps=12)
except DataError:
    sys.exit()
if data.classes != ("sales",) and not any("year" in note for note in data.notes):
    sys.exit(f"forecast {data.classes}; notes: {data.notes}")
