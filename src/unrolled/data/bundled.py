"""Data sets by name: those inside the package, and those in MNIST's format that are downloaded once."""

import hashlib
import lzma
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from unrolled.backends import keras_home
from unrolled.data.arrays import read_idx
from unrolled.data.dataset import Dataset, Split
from unrolled.data.examples import split_text
from unrolled.data.forecasting import split_series
from unrolled.data.labeled import assemble
from unrolled.data.texts import Texts
from unrolled.data.ts import parse_ts
from unrolled.errors import DataError
from unrolled.storage import cannot_write, replacing

import numpy as np
from numpy.typing import NDArray


def packed_text(name: str) -> str:
    """Return the text of an xz-compressed file of the package.

    Raises:
        DataError: The installed package is damaged.
    """
    resource = files("unrolled.data") / "files" / f"{name}.xz"
    try:
        return lzma.decompress(resource.read_bytes()).decode("utf-8")
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(
            f"{resource}: missing or damaged file of the package ({error}). Install unrolled again."
        ) from None


SOURCE = 'Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0'
DIGITS = tuple("0123456789")
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data() -> tuple[Arrays, Arrays]:
    """Load the arrays of ``keras.datasets.mnist.load_data()``, from this package instead of a download.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images [60000, 28, 28] and [10000, 28, 28] with pixels from
        0 to 255, and uint8 labels [60000] and [10000].

    Raises:
        DataError: A file of the installed package is missing or damaged.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, y_train[:3].tolist()
        ((60000, 28, 28), [5, 0, 4])
    """
    with as_file(files("unrolled.data") / "files" / "mnist") as folder, ThreadPoolExecutor() as pool:
        x_train, y_train, x_test, y_test = pool.map(read_idx, [folder / f"{name}.xz" for name in FILES])
    return (x_train, y_train), (x_test, y_test)


def load_mnist() -> Dataset:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28 pixels."""
    train, test = (Split(inputs, targets.astype(np.int64)) for inputs, targets in load_data())
    return Dataset("mnist", train, test, classes=DIGITS, source=SOURCE)


SOURCE_REVIEWS = (
    'C. J. Hutto, E. Gilbert, "VADER", ICWSM 2014 (MIT), rating sentences that B. Pang and L. Lee collected; the '
    "sentences are short quotations from their authors' reviews"
)
CLASSES = ("negative", "positive")


def load_reviews() -> Dataset:
    """Load 10,568 sentences of film reviews, positive or negative by the mean rating of 20 people.

    The parts are fixed: of each class 80 % for training, 10 % for validation, 10 % for the test.

    Example:
        >>> reviews = load_reviews()
        >>> {part: split.size for part, split in reviews.parts.items()}
        {'train': 8455, 'validation': 1056, 'test': 1057}
    """
    rows = [row.split("\t") for row in packed_text("movie-reviews.tsv").splitlines()[1:]]
    parts = {part: [row for row in rows if row[0] == part] for part in ("train", "validation", "test")}
    splits = {
        part: Split(
            Texts.of([row[2] for row in members]), np.array([CLASSES.index(row[1]) for row in members], np.int64)
        )
        for part, members in parts.items()
    }
    return Dataset("movie-reviews", splits["train"], splits["test"], CLASSES, SOURCE_REVIEWS, splits["validation"])


SOURCE_VOWELS = (
    'M. Kudo, J. Toyama, M. Shimbo, "Multidimensional curve classification using passing-through regions", 1999, UCI '
    "Machine Learning Repository; CC BY 4.0"
)


def load_vowels() -> Dataset:
    """Load 640 utterances by nine speakers, 7 to 29 steps of 12 channels, in their official parts.

    Example:
        >>> vowels = load_vowels()
        >>> vowels.train, vowels.test.size, vowels.example_shape
        (Split(270 of series), 370, (None, 12))
    """
    names = {part: f"JapaneseVowels_{part.upper()}.ts" for part in ("train", "test")}
    parts = {part: parse_ts(name, packed_text(name)) for part, name in names.items()}
    return assemble("japanese-vowels", parts, SOURCE_VOWELS)


SOURCE_AUSTEN = 'Jane Austen, "Pride and Prejudice", 1813; in the public domain'


def load_austen() -> Dataset:
    """Load a novel of 684,767 characters: the first 90 % for training, 5 % for validation, the last 5 % for the test.

    Example:
        >>> load_austen().test.inputs[0][7:39]
        ' from eight to eight and twenty;'
    """
    return split_text("pride-and-prejudice", packed_text("pride-and-prejudice.txt"), SOURCE_AUSTEN)


SOURCE_PASSENGERS = 'G. E. P. Box, G. M. Jenkins, "Time Series Analysis: Forecasting and Control", 1970 (facts)'
# In thousands, January to December, one year per line.
# fmt: off
THOUSANDS = (
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118,
    115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166,
    171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201,
    204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336,
    340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405,
    417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
)
# fmt: on


def load_passengers(test_steps: int = 24) -> Dataset:
    """Load the monthly airline passengers from 1949 to 1960, 144 steps of one channel.

    Args:
        test_steps: The number of months at the end for the test.

    Example:
        >>> load_passengers().test.inputs[0][:3, 0].tolist()
        [360.0, 342.0, 406.0]
    """
    return split_series(
        "air-passengers", [np.array(THOUSANDS, np.float32)[:, None]], ("passengers",), test_steps, SOURCE_PASSENGERS
    )


TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Download:
    """Four gzipped IDX files at an address, with the MD5 of each."""

    name: str
    address: str
    checksums: Mapping[str, str]
    classes: tuple[str, ...]
    source: str

    def load(self) -> Dataset:
        """Load the data set from ``KERAS_HOME/datasets/<name>/``; files that are missing there are downloaded.

        Raises:
            DataError: The machine is offline, or the files are not the published ones.
            WriteError: The folder cannot be written.
        """
        folder = keras_home() / "datasets" / self.name
        x_train, y_train, x_test, y_test = (read_idx(self._fetch(folder, f"{name}.gz")) for name in FILES)
        return Dataset(
            self.name,
            Split(x_train, y_train.astype(np.int64)),
            Split(x_test, y_test.astype(np.int64)),
            self.classes,
            self.source,
        )

    def _fetch(self, folder: Path, name: str) -> Path:
        path = folder / name
        if path.exists() and _md5(path.read_bytes()) == self.checksums[name]:
            return path
        address = f"{self.address}/{name}"
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response:
                contents = response.read()
        except (OSError, HTTPException) as error:
            reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
            raise DataError(
                f"{self.name}: cannot download {address}: {reason}. "
                f"Connect to the internet, or put the file into {folder}."
            ) from None
        if _md5(contents) != self.checksums[name]:
            raise DataError(
                f"{self.name}: expected MD5 {self.checksums[name]} for {address}, got {_md5(contents)}. "
                f"Try again later, or put the published file into {folder}."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        with replacing(path) as part:
            part.write_bytes(contents)
        return path


def _md5(contents: bytes) -> str:
    return hashlib.md5(contents, usedforsecurity=False).hexdigest()


FASHION_MNIST = Download(
    "fashion-mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST (Zalando SE); MIT",
)
KMNIST = Download(
    "kmnist",
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
    {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    },
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    "CODH and T. Clanuwat et al., KMNIST Dataset, adapted from the Kuzushiji Dataset; CC BY-SA 4.0",
)
