"""The files of data sets inside the package."""

import lzma
from importlib.resources import files

from unrolled.errors import DataError


def packed_text(name: str) -> str:
    """The text of a packed file.

    Raises:
        DataError: The installed package is damaged.
    """
    resource = files("unrolled.data") / "files" / f"{name}.xz"
    try:
        return lzma.decompress(resource.read_bytes()).decode("utf-8")
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(f"{resource}: expected a file of the package, got: {error}. Install unrolled again.") from None
