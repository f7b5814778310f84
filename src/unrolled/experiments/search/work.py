"""Training one trial after another, until enough have ended."""

import os
import signal
import time
from collections.abc import Callable

from unrolled.errors import Interrupted, InvalidSetting, TrainingStopped, UnrolledError
from unrolled.experiments.search.claims import claim, end, give_back
from unrolled.experiments.search.folder import Search
from unrolled.experiments.search.leases import shared_lock
from unrolled.experiments.training.signals import StopRequest

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

Train = Callable[[Search, optuna.Trial, StopRequest], float]


def work(search: Search, wanted: int, request: StopRequest, train: Train) -> None:
    """Train trials until ``wanted`` have ended or are under way, here or elsewhere.

    Args:
        search: What to work on.
        wanted: How many trials shall end, over all who work on it.
        request: Where a signal shows; it also ends this when the process that started this one has ended.
        train: Gives the metric of a trial.

    Raises:
        Interrupted: Somebody asked for a stop; the trial under way was given back.
        UnrolledError: Something that no other values would change: the data is gone, the disk is full.
    """
    parent = os.getppid()

    def stop_if_orphaned() -> None:
        if os.getppid() != parent:
            request.receive(signal.SIGTERM, None)

    message = f"search: {search.path}: interrupted"
    request.answer(message)
    while (trial := claim(search, wanted)) is not None:
        with search.leases.renewing(trial.number, stop_if_orphaned):
            attempt(search, trial, request, train)
        _drop_network(search, trial.number)
        stop_if_orphaned()
        request.answer(message)


def attempt(search: Search, trial: optuna.Trial, request: StopRequest, train: Train) -> None:
    """Train a trial and write down what came of it; the rest is as in ``work``."""
    if (value := _known_value(search, trial)) is not None:
        end(search, trial, TrialState.COMPLETE, outcome="repeated", value=value)
        return
    began = time.perf_counter()
    try:
        value = train(search, trial, request)
    except UpdateFinishedTrialError:
        return  # somebody took this process for dead, and has given the trial back
    except (TrainingStopped, InvalidSetting) as stopped:
        if isinstance(stopped, Interrupted):
            _give_back(search, trial)
            raise
        outcome = stopped.status if isinstance(stopped, TrainingStopped) else "refused"
        # The sampler learns from pruned trials to stay away, and ignores failed ones.
        seconds = time.perf_counter() - began
        end(search, trial, TrialState.PRUNED, outcome=outcome, reason=str(stopped), seconds=seconds)
    except UnrolledError:
        _give_back(search, trial)
        raise
    except Exception as error:
        end(search, trial, TrialState.FAIL, outcome="failed", reason=f"{type(error).__name__}: {error}")
    else:
        seconds = time.perf_counter() - began
        end(search, trial, TrialState.COMPLETE, outcome="finished", value=value, seconds=seconds)


def _known_value(search: Search, trial: optuna.Trial) -> float | None:
    """What the same values gave before: a seed decides all the rest."""
    same = (known for known in search.ranking if known.picked == trial.params)
    return next((known.value for known in same), None)


def _give_back(search: Search, trial: optuna.Trial) -> None:
    with shared_lock(search.path / "claim"):
        give_back(search, trial, "interrupted", "the search was interrupted")
    _drop_network(search, trial.number)


def _drop_network(search: Search, number: int) -> None:
    """Remove the trained network unless it is the best so far; its experiment and seed give it again.

    No network but one's own is removed, so the best of all is kept whatever others do at the same time.
    """
    best = next(iter(search.ranking), None)
    if not (best and best.number == number):
        search.drop_network(number)
