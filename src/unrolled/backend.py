"""Which backend Keras computes on, decided before Keras is imported.

Keras reads its choice once, when it is imported: from ``KERAS_BACKEND``, else from ``keras.json``, else
TensorFlow. JAX is several times faster than the others for recurrent networks on a CPU, so unrolled chooses JAX
where the user has chosen nothing.
"""

import json
import os
import sys
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
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ or _configured():
        return
    os.environ["KERAS_BACKEND"] = "jax"


def _configured() -> bool:
    """Whether ``keras.json`` names a backend and is not the file that Keras wrote by itself."""
    try:
        settings = json.loads((keras_home() / "keras.json").read_text())
    except (OSError, ValueError):
        return False
    if not isinstance(settings, dict) or "backend" not in settings:
        return False
    return any(_WRITTEN_BY_KERAS.get(key) != value for key, value in settings.items())
