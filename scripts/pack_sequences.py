"""Pack the text and time series data sets into the package: ``python scripts/pack_sequences.py FOLDER``.

FOLDER contains ``movie-reviews.tsv`` (number, mean rating, sentence), ``pride-and-prejudice.txt`` and
``japanese-vowels/JapaneseVowels_{TRAIN,TEST}.ts``. Texts and series are compressed with xz, otherwise unchanged.
Reviews rated 0 are left out. The others have a fixed split, 80 % train, 10 % validation and 10 % test of each class,
drawn by NumPy's legacy generator with the seed 0.
"""

import lzma
import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "src" / "unrolled" / "data" / "files"
PARTS = (("train", 0.8), ("validation", 0.9), ("test", 1.0))


def reviews(text: str) -> str:
    """Return a table of part, class and sentence, with a header."""
    rows = [row.split("\t") for row in text.splitlines()]
    rated = [(float(rating), sentence) for _, rating, sentence in rows if float(rating)]
    classes = np.array(["positive" if rating > 0 else "negative" for rating, _ in rated])
    part = np.empty(len(rated), dtype="U10")
    random = np.random.RandomState(0)
    for name in ("negative", "positive"):
        members = random.permutation(np.flatnonzero(classes == name))
        begin = 0
        for chosen, share in PARTS:
            end = round(len(members) * share)
            part[members[begin:end]] = chosen
            begin = end
    lines = ["part\tclass\tsentence"]
    lines += ["\t".join((part[i], classes[i], sentence)) for i, (_, sentence) in enumerate(rated)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Pack all files."""
    source = Path(sys.argv[1])
    files = {
        "movie-reviews.tsv": reviews((source / "movie-reviews.tsv").read_text(encoding="utf-8")).encode(),
        "pride-and-prejudice.txt": (source / "pride-and-prejudice.txt").read_bytes(),
    }
    for part in ("TRAIN", "TEST"):
        name = f"JapaneseVowels_{part}.ts"
        files[name] = (source / "japanese-vowels" / name).read_bytes()
    TARGET.mkdir(exist_ok=True)
    for name, content in files.items():
        path = TARGET / f"{name}.xz"
        path.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
