"""Which backend Keras computes on, decided before Keras is imported.

Keras reads its choice once, when it is imported: from ``KERAS_BACKEND``, else from ``keras.json``, else
TensorFlow. JAX is several times faster than the others for recurrent networks on a CPU, so unrolled chooses JAX
where the user has chosen nothing.
"""

import json
import os
import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from unrolled.errors import InvalidSetting

_BACKENDS = ("jax", "tensorflow", "torch")
# What Keras itself writes to keras.json on its first import, in this and in earlier releases.
_WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def keras_home() -> Path:
    """The folder where Keras keeps ``keras.json`` and downloads: ``KERAS_HOME``, else ``~/.keras``."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(home).expanduser()
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is no home
    return Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras"


def choose_backend() -> None:
    """Choose JAX unless Keras is imported already or the user has chosen a backend.

    A ``keras.json`` equal to the one that Keras writes by itself is not a choice.
    """
    if "keras" in sys.modules:
        return
    if not (os.environ.get("KERAS_BACKEND") or _configured()):
        os.environ["KERAS_BACKEND"] = "jax"


def check_backend() -> None:
    """Refuse a backend that cannot train.

    Raises:
        InvalidSetting: ``KERAS_BACKEND`` or ``keras.json`` names another than JAX, TensorFlow or torch.
    """
    chosen = os.environ.get("KERAS_BACKEND") or _configured()
    if chosen not in _BACKENDS:
        source = "KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else str(keras_home() / "keras.json")
        raise InvalidSetting(f'{source}: expected {", ".join(_BACKENDS)}, got "{chosen}". Set KERAS_BACKEND=jax')


def current() -> Any:
    """Return the module of this package that computes on Keras' backend.

    Each has the recurrent operation (``run``, ``unsupported_reason``, ``COMPILES``) and ``gradients``; torch also has
    its random state, TensorFlow also ``as_dataset``.
    """
    import keras

    return import_module(f"{__name__}.{keras.backend.backend()}")


def leave_out_tensorflow() -> None:
    """Make TensorFlow count as not installed where it is not the backend.

    For a process of our own: Keras imports an installed TensorFlow whenever it saves a model, whatever the backend,
    which takes 5 s and prints a banner.
    """
    if (os.environ.get("KERAS_BACKEND") or _configured()) != "tensorflow":
        sys.meta_path.insert(0, _WithoutTensorFlow())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what it logs is not ours


class _WithoutTensorFlow(MetaPathFinder, Loader):
    """Answers an import of TensorFlow as Python does for what is not installed.

    Looking it up must go well all the same: torch does, to learn where it is.
    """

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == "tensorflow" else None

    def create_module(self, spec: ModuleSpec) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Never reached; Python asks for a loader that has it."""


def _configured() -> str | None:
    """The backend that ``keras.json`` names, unless Keras wrote that file by itself."""
    try:
        settings = json.loads((keras_home() / "keras.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(settings, dict) or "backend" not in settings:
        return None
    # Some releases add this key to the file that they write.
    written_by_keras = {"nnx_enabled": False} | settings == {"nnx_enabled": False} | _WRITTEN_BY_KERAS
    return None if written_by_keras else str(settings["backend"])
