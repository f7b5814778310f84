"""Numbers with a decimal comma are not read as numbers, and the refusal does not name the comma.

Right: a European table (semicolons, decimal commas) gives two channels with the values 3.5, 100.2, ..., or is refused
with the decimal comma named.

Reference:
    tidyverse/readr#174, AndreaBozzo/dataprof#433, open-plan-tool/gui#124, vega/datalib#45.
"""

import sys
import tempfile
from pathlib import Path

from unrolled.data.registry import load_config_data
from unrolled.errors import DataError

path = Path(tempfile.mkdtemp()) / "netz.csv"
rows = [f"01.01.2024 {hour:02d}:00;{3 + hour // 2},{5 * (hour % 2)};{100 + hour},2" for hour in range(24)]
path.write_text("Zeit;Temperatur;Last\n" + "\n".join(rows) + "\n")
try:
    data = load_config_data(file=str(path), purpose="series", test_steps=4)
except DataError as error:
    sys.exit(None if "comma" in str(error) else f"refused: {error}")
first = data.train.inputs[0][0].tolist()
if data.classes != ("Temperatur", "Last") or abs(first[1] - 100.2) > 1e-3:
    sys.exit(f"read the channels {data.classes}, first step {first}")
