"""A label for each step is refused without saying that labels for each step are not supported.

Right: labels that change within a series (activities, named entities, sleep stages) are predicted step by step; as long
as they are not, the refusal says that a label for each step is not supported.

Reference:
    keras-team/keras#1539, #11747, #3916, #2654, BrikerMan/Kashgari#96.
"""

import sys
import tempfile
from pathlib import Path

from unrolled.data.registry import load_config_data
from unrolled.errors import DataError

path = Path(tempfile.mkdtemp()) / "activity.csv"
rows = [
    f"s{number},{step},{10 * number + step},{'walk' if step < 4 else 'run'}" for number in range(8) for step in range(8)
]
path.write_text("id,t,x,label\n" + "\n".join(rows) + "\n")
try:
    load_config_data(file=str(path), series="id", target="label", input=["x"])
except DataError as error:
    sys.exit(None if "each step" in str(error) else f"refused: {error}")
