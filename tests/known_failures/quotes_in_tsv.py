"""A quotation mark in tab-separated text is taken for the beginning of a quoted cell.

Right: six messages. In tab-separated text a quotation mark is a letter like any other (IANA's
text/tab-separated-values); the SMS, GLUE and CoNLL files have messages that begin with one, or with one that never
closes.

Reference:
    pytorch/text#349, #612, facebookresearch/pytext#376, catboost/catboost#2315, docling-project/docling#472.
"""

import sys
import tempfile
from pathlib import Path

import unrolled
from unrolled.errors import DataError

messages = ['"Hi" she said, call me', "WIN a prize now", '"not closed, see you', "cheap loans", "ok then", '5" screen']
path = Path(tempfile.mkdtemp()) / "sms.tsv"
rows = [f"{'spam' if index % 2 else 'ham'}\t{message}" for index, message in enumerate(messages)]
path.write_text("label\ttext\n" + "\n".join(rows) + "\n")
try:
    data = unrolled.load(path)
except DataError as error:
    sys.exit(f"refused: {error}")
read = sorted([*data.train.inputs, *data.test.inputs])
if read != sorted(messages):
    sys.exit(f"read {len(read)} messages: {read}")
