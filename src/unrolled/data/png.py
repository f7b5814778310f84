"""Pictures that unrolled writes where the user says, and never over one that it did not write itself."""

from pathlib import Path

from unrolled.errors import WriteError
from unrolled.storage import replacing

from PIL import Image, PngImagePlugin, UnidentifiedImageError

_SOFTWARE = "unrolled"


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG that says who made it, in the place of an earlier one of ours or of nothing.

    Raises:
        WriteError: A file that is not ours is there, or the place cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise WriteError(f'{path}: expected a name that ends in .png, got "{path.suffix}". Name it so.')
    if path.exists() and not _is_ours(path):
        raise WriteError(f"{path}: expected a new file to write to, got something that is there already. Name another.")
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Software", _SOFTWARE)
    with replacing(path) as part:
        image.save(part, "PNG", pnginfo=mark)


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == _SOFTWARE
    except (OSError, UnidentifiedImageError):
        return False
