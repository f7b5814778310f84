"""Everything that differs between the frameworks that Keras computes on: JAX, TensorFlow and torch.

Each framework has one module here, named after it, and every module has the functions that `Backend` lists. No other
module of unrolled names a framework, and none is imported before it is used: a framework takes seconds to import, most
users have one of the three installed, and Keras must find its choice made when it is imported.

Keras reads that choice once: from ``KERAS_BACKEND``, else from ``keras.json``, else TensorFlow. On a CPU, JAX is
several times faster than the others for recurrent networks, so `choose_backend` chooses JAX unless the user has chosen.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from unrolled.errors import InvalidSetting

if TYPE_CHECKING:
    from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

_BACKENDS = ("jax", "tensorflow", "torch")
# The contents of keras.json as Keras itself writes it on its first import, in this and in earlier releases.
_WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


class Backend(Protocol):
    """The interface of the modules of this package. Tensors are those of the framework."""

    CAN_COMPILE: bool
    """True if the kernels can be part of a function that the framework compiles."""

    def unsupported_reason(self, recurrence: "RecurrenceSpec", dtype: str, array: Any = None) -> str | None:
        """Return the reason why no kernel can compute a recurrence here, as the end of a sentence; None if one can.

        Args:
            recurrence: The computation.
            dtype: The name of the dtype of all tensors.
            array: A tensor that it will read, where one is at hand: on torch, each has a device of its own.
        """

    def run_recurrence(self, recurrence: "RecurrenceSpec", inputs: "Inputs") -> "Outputs":
        """Run the native kernels; differentiable once, in reverse mode, with respect to the six first inputs."""

    def gradients(self, loss: Callable[[Sequence[Any]], Any], at: Sequence[Any]) -> Sequence[Any]:
        """Return the gradient of a scalar function of tensors with respect to each of them, zero where unconnected."""

    def seed(self, number: int) -> None:
        """Seed the framework's global random generator, if Keras draws from one."""

    def random_state(self) -> list[int] | None:
        """Return the state of that generator as JSON; None if there is none."""

    def restore_random_state(self, state: list[int] | None) -> None:
        """Restore the state that `random_state` returned."""

    def as_dataset(self, batches: Any, model: Any) -> Any:
        """Return a ``PyDataset`` of batches of any length in a form that ``fit`` accepts.

        Args:
            batches: The batches.
            model: The model that is fitted, with one input or several by name.
        """


def keras_home() -> Path:
    """Return the folder of ``keras.json`` and of Keras' downloads: ``KERAS_HOME``, else ``~/.keras``."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(home).expanduser()
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is no home
    return Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras"


def choose_backend() -> None:
    """Choose JAX unless Keras is already imported or the user has chosen a backend.

    A ``keras.json`` that Keras wrote by itself is not a choice.
    """
    if "keras" in sys.modules:
        return
    if not (os.environ.get("KERAS_BACKEND") or _configured()):
        os.environ["KERAS_BACKEND"] = "jax"


def check_backend() -> None:
    """Raise unless the chosen backend can train.

    Raises:
        InvalidSetting: ``KERAS_BACKEND`` or ``keras.json`` names another backend than JAX, TensorFlow or torch.
    """
    chosen = os.environ.get("KERAS_BACKEND") or _configured()
    if chosen not in _BACKENDS:
        source = "KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else str(keras_home() / "keras.json")
        raise InvalidSetting(f'{source}: expected {", ".join(_BACKENDS)}, got "{chosen}". Set KERAS_BACKEND=jax')


def current() -> Backend:
    """Return the module of this package for the backend that Keras computes on."""
    import keras

    return cast("Backend", import_module(f"{__name__}.{keras.backend.backend()}"))


def leave_out_tensorflow() -> None:
    """Make TensorFlow appear not installed in this process, unless it is the backend.

    Keras imports an installed TensorFlow whenever it saves a model, whatever the backend, which takes 5 s and prints a
    banner. Call this in processes that run unrolled alone.
    """
    if (os.environ.get("KERAS_BACKEND") or _configured()) != "tensorflow":
        sys.meta_path.insert(0, _WithoutTensorFlow())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def without_loading_tensorflow() -> Iterator[None]:
    """Keep Keras from importing TensorFlow in a block, unless it is the backend or imported already.

    When Keras serializes an object, as it does to wrap a layer in ``Bidirectional`` and to save a model, it asks if the
    object is one of TensorFlow's and imports an installed TensorFlow for it, which takes seconds and prints a banner.
    Where nobody has imported it, no object is. What else imports TensorFlow gets it, during the block and after it.
    """
    import keras  # noqa: F401 - it chooses its backend when it is imported

    lazy = getattr(import_module("keras.src.utils.module_utils"), "tensorflow", None)
    if "tensorflow" in sys.modules or getattr(lazy, "_available", False) is not None:
        yield
        return
    vars(lazy)["_available"] = False
    try:
        yield
    finally:
        vars(lazy)["_available"] = None


class _WithoutTensorFlow(MetaPathFinder, Loader):
    """An import hook under which importing TensorFlow fails as if it were not installed.

    Finding its spec must succeed nevertheless: torch does that to learn where TensorFlow is.
    """

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == "tensorflow" else None

    def create_module(self, spec: ModuleSpec) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: `create_module` always raises before."""


def _configured() -> str | None:
    """Return the backend that ``keras.json`` names, or None if Keras wrote that file by itself."""
    try:
        config = json.loads((keras_home() / "keras.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or "backend" not in config:
        return None
    # Some releases add this key to the file that they write.
    written_by_keras = {"nnx_enabled": False} | config == {"nnx_enabled": False} | _WRITTEN_BY_KERAS
    return None if written_by_keras else str(config["backend"])
