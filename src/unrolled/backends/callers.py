"""Several callers of one model: threads that ask in turn, and processes that a fork has left without threads."""

import os
from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

from unrolled.errors import InvalidSetting

_ASKING = ("predict", "predict_on_batch", "evaluate", "test_on_batch")
_TURNS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The lock of each model that is asked."""
_COMPUTED: set[str] = set()
"""The frameworks that had computed when this process last forked another one."""
_FORKED: set[str] = set()
"""The frameworks that had computed when this process was forked."""

# Of the threads that held a lock, and of those of the frameworks, none is there.
os.register_at_fork(after_in_child=_TURNS.clear)
os.register_at_fork(after_in_child=lambda: _FORKED.update(_COMPUTED))


def ask_in_turn(trainer: type) -> None:
    """Let threads that ask one model wait for each other.

    Args:
        trainer: The class from which a model has ``predict``, and which is changed.
    """
    for name in _ASKING:
        _replace(trainer, name, _in_turn)


def refuse_after_fork(trainer: Any, framework: str, has_computed: Callable[[], bool]) -> None:
    """Make a model raise in a process that was forked after the framework had computed, where it would wait for ever.

    Args:
        trainer: The class from which a model has ``predict`` and ``fit``, and which is changed. Another one of its
            classes has ``__call__``.
        framework: Its name, for the message.
        has_computed: Returns True if the framework's threads have begun.
    """
    os.register_at_fork(before=lambda: _COMPUTED.update([framework] if has_computed() else []))
    for name in (*_ASKING, "fit", "train_on_batch"):
        _replace(trainer, name, _unless_forked)

    def call(model: Any, *arguments: Any, **named: Any) -> Any:
        check_process()
        return super(trainer, model).__call__(*arguments, **named)

    # Of a model itself, which converts its inputs before any layer runs.
    trainer.__call__ = call


def check_process() -> None:
    """Raise in a process that was forked after the framework had computed.

    Raises:
        InvalidSetting: It was.
    """
    for framework in _FORKED:
        raise InvalidSetting(
            f"{framework}: this process was forked from one that had computed, and has none of its threads: it would "
            "wait for ever. Start it with the method spawn, or load the model after the fork and nowhere before."
        )


def _replace(trainer: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    method = getattr(trainer, name)
    setattr(trainer, name, wraps(method)(wrap(method)))


def _in_turn(method: Callable[..., Any]) -> Callable[..., Any]:
    def ask(model: Any, *arguments: Any, **named: Any) -> Any:
        with _TURNS.setdefault(model, RLock()):
            return method(model, *arguments, **named)

    return ask


def _unless_forked(method: Callable[..., Any]) -> Callable[..., Any]:
    def ask(model: Any, *arguments: Any, **named: Any) -> Any:
        check_process()
        return method(model, *arguments, **named)

    return ask
