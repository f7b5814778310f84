"""Lists of numbers in JSON Lines are refused with the advice to write them as text.

Right: a JSON object per series, with its values in a list, is read as series (unequal lengths are a reason to choose
JSON), or refused with the form that is read instead.

Reference:
    skorch-dev/skorch#605, tslearn-team/tslearn#94, sdv-dev/SDMetrics#75.
"""

import json
import sys
import tempfile
from pathlib import Path

import unrolled
from unrolled.errors import DataError

series = [{"values": [i * 0.1 + step for step in range(3 + i % 4)], "label": "ab"[i % 2]} for i in range(16)]
path = Path(tempfile.mkdtemp()) / "gestures.jsonl"
path.write_text("".join(json.dumps(one) + "\n" for one in series))
try:
    data = unrolled.load(path)
except DataError as error:
    sys.exit(f"refused: {error}" if "as text" in str(error) else None)
lengths = {len(example) for example in data.train.inputs}
if data.kind != "series" or lengths != {3, 4, 5, 6}:
    sys.exit(f"read {data.kind} of the lengths {sorted(lengths)}")
