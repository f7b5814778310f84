"""Nine men saying two Japanese vowels, inside the package."""

from unrolled.data.dataset import Dataset
from unrolled.data.labelled import assemble
from unrolled.data.packed import packed_text
from unrolled.data.ts import parse_ts

SOURCE = (
    'M. Kudo, J. Toyama, M. Shimbo, "Multidimensional curve classification using passing-through regions", 1999, UCI '
    "Machine Learning Repository; CC BY 4.0"
)


def load() -> Dataset:
    """640 utterances of 7 to 29 steps and 12 channels, by nine speakers, in the official parts.

    Example:
        >>> vowels = load()
        >>> vowels.train, vowels.test.size, vowels.example_shape
        (Split(270 of series), 370, (None, 12))
    """
    names = {part: f"JapaneseVowels_{part.upper()}.ts" for part in ("train", "test")}
    parts = {part: parse_ts(name, packed_text(name)) for part, name in names.items()}
    return assemble("japanese-vowels", parts, SOURCE)
