"""Which trial comes next, and which ones have lost their holder; decided by one process at a time."""

import warnings
from contextlib import suppress

from unrolled.experiments.search.folder import Search
from unrolled.experiments.search.leases import shared_lock

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

# A trial that was killed once is tried once more; one that is killed again may be what kills.
_ATTEMPTS = 2


def claim(search: Search, wanted: int) -> optuna.Trial | None:
    """Begin the next trial: one that was given back, or what the sampler proposes.

    What is proposed depends on the search's seed, how many trials have ended or are under way, and what they gave, so a
    search that is stopped and continued goes the same way as one that is not, as long as one process works on it.

    Args:
        search: What to work on.
        wanted: How many trials shall end, over all who work on it.

    Returns:
        A trial with a value for each parameter and a lease of this process, or None where enough have ended or are
        under way.
    """
    with shared_lock(search.path / "claim"):
        give_back_lost(search)
        before = count(search)
        if before >= wanted:
            return None
        search.study.sampler = _sampler(search, before)
        trial = search.study.ask()
        search.leases.take(trial.number)
        search.space.suggest(trial)
        return trial


def count(search: Search, *, under_way: bool = True) -> int:
    """How many trials have ended for good, and how many are ``under_way``."""
    running = sum(trial.outcome == "running" for trial in search.trials) if under_way else 0
    return len(search.ended) + running


def give_back_lost(search: Search) -> None:
    """Give back each trial whose holder is gone; hold the lock on ``claim`` meanwhile."""
    for trial in search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if search.leases.is_given_up(trial.number):
            give_back(search, trial, "lost", "its process was killed")
            search.leases.release(trial.number)
            search.drop_network(trial.number)
            if run := search.run_of(trial.number):
                run.write_status("failed", "its process was killed")


def give_back(search: Search, trial: FrozenTrial | optuna.Trial, outcome: str, reason: str) -> None:
    """End a trial that is not to blame, and queue its values again; hold the lock on ``claim`` meanwhile.

    Queued first and ended afterwards: whoever is killed between the two leaves a trial that looks lost, and its
    values are found in the queue.
    """
    attempt = trial.user_attrs.get("attempt", 1)
    if attempt >= _ATTEMPTS and outcome == "lost":
        end(search, trial, TrialState.FAIL, outcome="failed", reason=f"{reason}, twice")
        return
    queued = {other.user_attrs.get("again") for other in search.study.get_trials(deepcopy=False)}
    if trial.number not in queued:
        attempt += outcome == "lost"
        search.study.enqueue_trial(dict(trial.params), user_attrs={"again": trial.number, "attempt": attempt})
    end(search, trial, TrialState.FAIL, outcome=outcome, reason=reason)


def end(
    search: Search,
    trial: FrozenTrial | optuna.Trial,
    state: TrialState,
    *,
    outcome: str,
    value: float | None = None,
    reason: str = "",
    seconds: float = 0.0,
) -> None:
    """Write down what came of a trial, unless somebody else has given it back meanwhile."""
    ended = {"outcome": outcome, "reason": reason, "seconds": round(seconds, 3)}
    with suppress(UpdateFinishedTrialError):
        search.note(trial.number, "ended", ended)
        search.study.tell(trial.number, value, state=state, skip_if_finished=True)


def _sampler(search: Search, number: int) -> optuna.samplers.TPESampler:
    """The sampler for one trial, so that no two processes draw the same numbers."""
    seed = int(search.space.document.settings.get("seed", 0))
    conditional = any(parameter.conditions for parameter in search.space.parameters)
    drawn = np.random.SeedSequence([seed, number]).generate_state(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # groups are
        return optuna.samplers.TPESampler(
            seed=int(drawn[0]), multivariate=True, group=conditional, constant_liar=True, n_startup_trials=10
        )
