"""The date beside four columns of measurements is taken for the text to classify.

Right: a row of four measurements is a series of four steps; the date beside it is no sentence. The numbers are read, or
the file is refused with a question.

Reference:
    ludwig-ai/ludwig#1754, huggingface/autotrain-advanced#589.
"""

import sys
import tempfile
from pathlib import Path

import unrolled
from unrolled.errors import DataError

path = Path(tempfile.mkdtemp()) / "machine.csv"
rows = [
    f"2024-01-{day:02d},{day * 0.1:.1f},{day * 0.2:.1f},{day % 3},{day % 5},{'high' if day > 12 else 'low'}"
    for day in range(1, 25)
]
path.write_text("date,s1,s2,s3,s4,label\n" + "\n".join(rows) + "\n")
try:
    data = unrolled.load(path)
except DataError:
    sys.exit()
if data.kind != "series" or "date" in data.columns:
    sys.exit(f"read {data.kind} from the columns {data.columns}: {data.train.inputs[0]!r}")
