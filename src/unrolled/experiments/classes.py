"""The classes that an experiment can name, and the arguments that they take."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import unrolled.layers

import keras

# Where each kind is looked for. A layer of ours takes the place of Keras' layer of the same name.
MODULES: dict[str, tuple[ModuleType, ...]] = {
    "layer": (unrolled.layers, keras.layers),
    "optimizer": (keras.optimizers,),
    "loss": (keras.losses,),
    "metric": (keras.metrics,),
}
_ANCESTORS = {
    "layer": keras.Layer,
    "optimizer": keras.optimizers.Optimizer,
    "loss": keras.losses.Loss,
    "metric": keras.metrics.Metric,
}
# Taken by every layer through its **kwargs.
_OF_ALL_LAYERS = ("name", "dtype", "trainable")


def known_classes(what: str) -> dict[str, type]:
    """Each class that an experiment can name.

    Args:
        what: A key of ``MODULES``.
    """
    modules, ancestor = MODULES[what], _ANCESTORS[what]
    found = {name: class_in(modules, name) for name in sorted({name for module in modules for name in dir(module)})}
    return {
        name: kind
        for name, kind in found.items()
        if name[:1].isupper()
        and kind is not None
        and issubclass(kind, ancestor)
        and kind is not ancestor
        and name != "InputLayer"
    }


def arguments_of(kind: Callable[..., Any]) -> list[str]:
    """The arguments that a class takes by name."""
    parameters = inspect.signature(kind).parameters
    names = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    is_layer = isinstance(kind, type) and issubclass(kind, keras.Layer)
    return [*names, *(name for name in _OF_ALL_LAYERS if is_layer and name not in names)]


def class_in(modules: tuple[ModuleType, ...], name: str) -> type | None:
    """The class of that name in the first module that has the name."""
    found = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
    return found if isinstance(found, type) else None
