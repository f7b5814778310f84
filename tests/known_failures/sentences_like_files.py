"""A sentence that ends in ".csv" or ".txt" is taken for the name of a file.

Right: a sentence is a sentence. A text with a space in it that is no file cannot be meant as one.
"""

import sys

from unrolled.data.formats import ReadContext
from unrolled.errors import UnrolledError
from unrolled.runs.inference import _read_text

refusals = []
for sentence in ("please open report.csv", "I lost my homework.txt", "see README.md"):
    try:
        if (text := _read_text(sentence, ReadContext("text"))) != sentence:
            refusals.append(f"{sentence} was read as {text}")
    except UnrolledError as error:
        refusals.append(str(error))
if refusals:
    sys.exit("; ".join(refusals))
