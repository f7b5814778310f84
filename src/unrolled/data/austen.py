"""A novel to learn writing from, inside the package."""

from unrolled.data.dataset import Dataset
from unrolled.data.own import corpus
from unrolled.data.packed import packed_text

SOURCE = 'Jane Austen, "Pride and Prejudice", 1813; in the public domain'


def load() -> Dataset:
    """684,767 characters: the first 90 % to learn from, 5 % to validate with, the last 5 % to measure on.

    Example:
        >>> load().test.inputs[0][7:39]
        ' from eight to eight and twenty;'
    """
    return corpus("pride-and-prejudice", packed_text("pride-and-prejudice.txt"), SOURCE)
