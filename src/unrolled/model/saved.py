"""A saved network, which may come from anybody: checked as a file before Keras makes anything of it.

Keras writes a ``.keras`` file as a zip archive without compression, in which the weights are an HDF5 file without
compression either. A file that is not so is not read, so nothing in it is larger in memory than on the disk.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import unrolled.gaps
import unrolled.layers
import unrolled.losses  # noqa: F401 - Keras can load only the classes that are registered
from unrolled.backends import without_loading_tensorflow
from unrolled.errors import RunError
from unrolled.model.components import REFUSALS, RUN_FOREIGN_CODE, count_weights, one_line, unallocated
from unrolled.system import memory_bytes

import h5py
import keras

_CONFIG, _METADATA, _WEIGHTS, _ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets/"
_MOST_CONFIG_BYTES = 1 << 26
# Read into memory as a whole, and copied from there.
_BYTES_PER_STORED_BYTE = 2
# Where Keras' own classes and functions are found.
_MODULES = (
    "builtins", "keras", "keras.activations", "keras.constraints", "keras.initializers", "keras.layers", "keras.losses",
    "keras.metrics", "keras.optimizers", "keras.optimizers.schedules", "keras.regularizers",
    "keras.src.models.functional",
)  # fmt: skip
# The operations that compute masks, and the optimizers that a backend has of its own.
_INNER_MODULES = ("keras.src.ops.", "keras.src.backend.")
# Values that are no numbers or texts; others of this form hold functions.
_VALUES = ("__keras_tensor__", "__numpy__", "__tensor__", "__bytes__", "__ellipsis__", "__slice__")
_DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, RecursionError, *REFUSALS)


class _NotLoaded(Exception):
    """A file is refused; the message says why and what to do."""


def load_network(path: Path) -> keras.Model:
    """Load a network that a training has saved.

    No code in the file is run, no other file is read, and nothing is unpacked that is larger than the file.

    Args:
        path: A ``.keras`` file.

    Raises:
        RunError: The file is damaged, is not as Keras writes it, needs more memory than there is, or holds a class that
            is neither one of Keras nor of unrolled, or one that runs code.
    """
    try:
        with without_loading_tensorflow():
            _check(path)
            return keras.saving.load_model(path)
    except _NotLoaded as refused:
        raise RunError(f"{path}: {refused}") from None
    except _DAMAGED as error:
        raise RunError(f"{path}: the saved network is damaged ({one_line(error)}). Train again.") from None


def _check(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _check_members(archive, path.stat().st_size)
        config = json.loads(archive.read(_CONFIG))
        _check_classes(config)
        with archive.open(_WEIGHTS) as stream:
            stored = _count_stored(stream, archive.getinfo(_WEIGHTS).file_size)
    with unallocated():
        needed = count_weights(keras.saving.deserialize_keras_object({**config, "compile_config": None}))
    if needed > stored:
        raise _NotLoaded(f"expected {needed:,} weights, as the layers have, got {stored:,}. Train again.")


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    for member in members:
        name = one_line(member.filename)
        if not (name in (_CONFIG, _METADATA, _WEIGHTS) or (name.startswith(_ASSETS) and ".." not in name)):
            raise _NotLoaded(f'expected a file of Keras, got one with "{name}" in it. Train again.')
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise _NotLoaded(f"expected {name} without compression, as Keras writes it. Train again, or save it again.")
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or not {_CONFIG, _WEIGHTS} <= set(names):
        raise _NotLoaded(f"expected {_CONFIG} and {_WEIGHTS} once each, got {', '.join(names[:5])}. Train again.")
    unpacked, available = sum(member.file_size for member in members), memory_bytes()
    if unpacked > size or archive.getinfo(_CONFIG).file_size > _MOST_CONFIG_BYTES:
        most = min(size, _MOST_CONFIG_BYTES)
        raise _NotLoaded(f"expected at most {most:,} bytes in {_CONFIG}, got more. Train again.")
    if unpacked * _BYTES_PER_STORED_BYTE > available:
        raise _NotLoaded(
            f"the network takes {unpacked * _BYTES_PER_STORED_BYTE / 1e9:,.0f} GB of memory, and this machine has "
            f"{available / 1e9:,.0f} GB. Load it on a larger one."
        )


def _check_classes(config: Any) -> None:
    """Refuse a class that is neither one of Keras' public ones nor of unrolled, or that runs code or reads a file."""
    for entry in _mappings(config):
        name, module = entry.get("class_name"), entry.get("module")
        if isinstance(entry.get("vocabulary"), str):
            raise _NotLoaded("the network reads its vocabulary from another file. Save it with the words themselves.")
        if "class_name" not in entry or name in _VALUES:
            continue
        if name in (*RUN_FOREIGN_CODE, "__lambda__"):
            raise _NotLoaded(
                f"the network holds {name}, which runs code that came with it, and is not loaded. If you trust its "
                "origin, load it with: keras.saving.load_model"
            )
        is_of_keras = isinstance(module, str) and (module in _MODULES or module.startswith(_INNER_MODULES))
        registered = entry.get("registered_name")
        is_ours = isinstance(registered, str) and registered.startswith("unrolled>")
        if not is_of_keras and not (is_ours and keras.saving.get_registered_object(registered) is not None):
            raise _NotLoaded(
                f"the network holds {one_line(registered or name)}, which is no class of Keras or unrolled. "
                "Load it in a program that defines it."
            )


def _mappings(tree: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
        waiting.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


def _count_stored(stream: IO[bytes], size: int) -> int:
    """Return the number of values in a file of weights that lies in the stream as a whole.

    HDF5 can also compress its arrays, leave them unwritten, and take them from elsewhere in the file, from other HDF5
    files, and from any file at all. Keras does none of that.
    """
    values, taken, waiting, seen = 0, 0, [], set[int]()
    with h5py.File(stream, "r") as file:
        waiting.append(file["/"])
        while waiting:
            group = waiting.pop()
            seen.add(h5py.h5o.get_info(group.id).addr)
            for name in group:
                part = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
                if isinstance(part, h5py.Group):
                    if h5py.h5o.get_info(part.id).addr not in seen:
                        waiting.append(part)
                elif isinstance(part, h5py.Dataset) and _is_whole(part):
                    values, taken = values + part.size, taken + part.nbytes
                else:
                    raise _NotLoaded(
                        f"expected {name} in {_WEIGHTS} as Keras writes it, got a link, or numbers that are compressed "
                        "or stand elsewhere. Train again."
                    )
    if taken > size:
        raise _NotLoaded(f"expected at most {size:,} bytes of weights, got {taken:,}. Train again.")
    return values


def _is_whole(part: h5py.Dataset) -> bool:
    """Return True if a dataset's numbers are all in the file as they are in memory."""
    is_plain = not (part.chunks or part.is_virtual or part.external or part.dtype.hasobject)
    return (
        is_plain and part.size is not None and part.id.get_storage_size() == math.prod(part.shape) * part.dtype.itemsize
    )
