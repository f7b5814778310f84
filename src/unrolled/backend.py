"""Which backend Keras computes on, decided before Keras is imported.

Keras reads its choice once, when it is imported: from ``KERAS_BACKEND``, else from ``keras.json``, else
TensorFlow. JAX is several times faster than the others for recurrent networks on a CPU, so unrolled chooses JAX
where the user has chosen nothing.
"""

import json
import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

# What Keras itself writes to keras.json on its first import, in this and in earlier releases.
_WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
    "nnx_enabled": False,
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
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND") or _configured():
        return
    os.environ["KERAS_BACKEND"] = "jax"


def leave_out_tensorflow() -> None:
    """Make TensorFlow count as not installed where it is not the backend.

    For a process of our own: Keras imports an installed TensorFlow whenever it saves a model, whatever the backend,
    which takes 5 s and prints a banner.
    """
    if (os.environ.get("KERAS_BACKEND") or _configured()) != "tensorflow":
        sys.meta_path.insert(0, _WithoutTensorFlow())


class _WithoutTensorFlow(MetaPathFinder):
    """Answers for TensorFlow as Python does for what is not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "tensorflow":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _configured() -> str | None:
    """The backend that ``keras.json`` names, unless Keras wrote that file by itself."""
    try:
        settings = json.loads((keras_home() / "keras.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(settings, dict) or "backend" not in settings:
        return None
    chosen = any(_WRITTEN_BY_KERAS.get(key) != value for key, value in settings.items())
    return str(settings["backend"]) if chosen else None
