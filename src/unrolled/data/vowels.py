"""Nine men saying two Japanese vowels, inside the package."""

from unrolled.data.dataset import Dataset
from unrolled.data.folders import Labelled
from unrolled.data.own import assemble
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
    parts = {}
    for part in ("train", "test"):
        name = f"JapaneseVowels_{part.upper()}.ts"
        found = parse_ts(name, packed_text(name))
        parts[part] = Labelled(found.series, found.labels, [f"{name}:{line}" for line in found.lines])
    return assemble("japanese-vowels", parts, SOURCE)
