"""Data sets in MNIST's format, downloaded once, checked, and kept in Keras' folder."""

import hashlib
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from unrolled.backends import keras_home
from unrolled.data.arrays import read_idx
from unrolled.data.bundled import FILES
from unrolled.data.dataset import Dataset, Split
from unrolled.errors import DataError
from unrolled.storage import cannot_write, replacing

import numpy as np

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
