"""Sentences from film reviews, positive or negative, inside the package."""

from unrolled.data.dataset import Dataset, Split, objects
from unrolled.data.packed import packed_text

import numpy as np

SOURCE = (
    'C. J. Hutto, E. Gilbert, "VADER", ICWSM 2014 (MIT), rating sentences that B. Pang and L. Lee collected; the '
    "sentences are short quotations from their authors' reviews"
)
CLASSES = ("negative", "positive")


def load() -> Dataset:
    """10,568 sentences with the sign of their mean rating by 20 people, in parts that are fixed: 80/10/10 of a class.

    Example:
        >>> reviews = load()
        >>> {part: split.size for part, split in reviews.parts.items()}
        {'train': 8455, 'validation': 1056, 'test': 1057}
    """
    rows = [row.split("\t") for row in packed_text("movie-reviews.tsv").splitlines()[1:]]
    parts = {part: [row for row in rows if row[0] == part] for part in ("train", "validation", "test")}
    splits = {
        part: Split(
            objects([row[2] for row in members]), np.array([CLASSES.index(row[1]) for row in members], np.int64)
        )
        for part, members in parts.items()
    }
    return Dataset("movie-reviews", splits["train"], splits["test"], CLASSES, SOURCE, splits["validation"])
