"""One trial of a search, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unrolled.experiments.search.labels import Label

from optuna.trial import FrozenTrial, TrialState

# Given back to be trained again, so they do not count among the trials that were asked for.
GIVEN_BACK = ("lost", "interrupted")


@dataclass(frozen=True)
class Trial:
    """One pick of values, and what came of it.

    Attributes:
        number: Counts from 0, over all trials.
        outcome: ``finished``, ``pruned``, ``diverged``, ``refused`` (its network cannot be built), ``failed``,
            ``repeated`` (finished before, and taken over), ``lost`` (its process was killed) or ``interrupted``; both
            of these are trained again; or ``running`` or ``waiting``.
        value: The metric: of the epoch whose weights were kept, or of the last one before it was pruned.
        picked: The value or the label of each parameter by its name.
        epochs: How many it was trained for.
        seconds: How long that took.
        reason: Why it did not finish.
        run: Its run folder, if it got that far.
    """

    number: int
    outcome: str
    value: float | None
    picked: Mapping[str, Label]
    epochs: int
    seconds: float
    reason: str
    run: Path | None


def trial_of(trial: FrozenTrial, run: Path | None) -> Trial:
    """What the journal says of a trial, and its run folder."""
    ended = trial.user_attrs.get("ended", {})
    under_way = {TrialState.RUNNING: "running", TrialState.WAITING: "waiting"}
    return Trial(
        number=trial.number,
        outcome=under_way.get(trial.state) or ended.get("outcome", "failed"),
        value=trial.value,
        picked=trial.params,
        epochs=len(trial.intermediate_values),
        seconds=ended.get("seconds", 0.0),
        reason=ended.get("reason", ""),
        run=run,
    )
