"""Russian text in Windows-1251 is read as Windows-1252, silently.

Right: it is read as Russian, or refused with the request to name the encoding. Read as Windows-1252, some letters
become signs, so that words fall apart.

Reference:
    BYVoid/uchardet#16, brianmario/charlock_holmes#19, t-ishii/auto-encoding#26.
"""

import sys
import tempfile
from pathlib import Path

import unrolled
from unrolled.errors import DataError

texts = ["очень хорошая книга", "скучно", "читал всю ночь", "ничего нового", "лучшая из всех", "просто плохо"]
path = Path(tempfile.mkdtemp()) / "reviews.csv"
rows = "".join(f"{text};{'neg' if index % 2 else 'pos'}\n" for index, text in enumerate(texts))
path.write_bytes(f"text;label\n{rows}".encode("cp1251"))
try:
    data = unrolled.load(path)
except DataError as error:
    sys.exit(None if "encoding" in str(error) and "cp1252" not in str(error) else f"refused: {error}")
read = [*data.train.inputs, *data.test.inputs]
if sorted(read) != sorted(texts):
    sys.exit(f"read {read[:3]}; notes: {data.notes}")
