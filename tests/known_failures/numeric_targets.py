"""A target of measurements is refused as a class with one example.

Right: it is a number to predict (regression), or the refusal says so and names what does it (SequenceRegressor). "Add
examples of that class" is wrong advice for the value 3.14.

Reference:
    pycaret/pycaret#237, #3319, h2oai/wave-h2o-automl#50, ludwig-ai/ludwig#1679.
"""

import sys
import tempfile
from pathlib import Path

import unrolled
from unrolled.errors import DataError

path = Path(tempfile.mkdtemp()) / "wear.csv"
rows = [f"{i % 3},{i % 5},{i * 0.3:.2f},{i * 1.37 + 0.01:.2f}" for i in range(40)]
path.write_text("s1,s2,s3,target\n" + "\n".join(rows) + "\n")
try:
    data = unrolled.load(path)
except DataError as error:
    sys.exit(None if "regress" in str(error).lower() else f"refused: {error}")
if data.classes:
    sys.exit(f"read {len(data.classes)} classes: {data.classes[:3]}")
