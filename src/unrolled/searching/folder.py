"""One trial of a search, as a value."""

import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unrolled.config.document import Document, read_document, write_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import RunError, TrainingStopped
from unrolled.runs.run import SEARCH_FILE, Run, expect_folder, make_folder
from unrolled.searching.parameters import Label
from unrolled.searching.queue import Heartbeats, open_journal, shared_lock
from unrolled.searching.space import SearchSpace
from unrolled.storage import write_json, write_text

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.pruners import MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

# Given back to be trained again, so they do not count among the trials that were asked for.
REQUEUED = ("lost", "interrupted")


@dataclass(frozen=True)
class Trial:
    """One pick of values, and what came of it.

    Attributes:
        number: Counts from 0, over all trials.
        outcome: ``finished``, ``pruned``, ``diverged``, ``refused`` (its network cannot be built), ``failed``,
            ``repeated`` (finished before, and taken over), ``lost`` (its process was killed) or ``interrupted``; both
            of these are trained again; or ``running`` or ``waiting``.
        value: The metric: of the epoch whose weights were kept, or of the last one before it was pruned.
        params: The value or the label of each parameter by its name.
        epochs: How many it was trained for.
        seconds: How long that took.
        reason: Why it did not finish.
        run: Its run folder, if it got that far.
    """

    number: int
    outcome: str
    value: float | None
    params: Mapping[str, Label]
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
        params=trial.params,
        epochs=len(trial.intermediate_values),
        seconds=ended.get("seconds", 0.0),
        reason=ended.get("reason", ""),
        run=run,
    )


FEWEST_TRIALS = 4
# The method compares the good trials with all; its authors want at least so many good ones.
_GOOD_TRIALS = 5


def importance_of(study: optuna.Study) -> dict[str, float]:
    """The share of each parameter, the greatest first; empty where there are too few finished trials to tell.

    Reference:
        Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
        Subspaces", IJCAI 2023.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < FEWEST_TRIALS:
        return {}
    share = min(0.5, max(0.1, _GOOD_TRIALS / len(finished)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what a small search is like
        split_cores = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share))
    return dict(sorted(split_cores.items(), key=lambda pair: (-pair[1], pair[0])))


METRICS = {"val_accuracy": StudyDirection.MAXIMIZE, "val_loss": StudyDirection.MINIMIZE}
_STUDY = "search"
# The median of fewer trials says little, and so does a first epoch.
_TRIALS_NEVER_PRUNED = 5
_FIRST_EPOCH_PRUNED = 2


class Search:
    """One search's folder.

    ::

        search.yaml        the experiment as written, with its ranges and choices
        search.json        the metric, how many trials, and each look at the test set
        journal.log        every trial, as Optuna writes it
        leases/            who is at work on which trial
        trials/            a run folder for each trial
        best.yaml          the best experiment, for unrolled train
        search.html        all of it, to look at

    Attributes:
        path: The folder.

    Example::

        search = unrolled.Search.open("runs/20260102T030405Z-digits-search")
        search.best.picked
    """

    def __init__(self, path: Path):
        self.path = path
        self.leases = Heartbeats(path / "leases")

    def __repr__(self) -> str:
        return f"Search({str(self.path)!r})"

    @classmethod
    def create(cls, document: Document, runs: Path, *, trials: int, metric: str, prunes: bool) -> "Search":
        """Make a new folder ``<UTC time>-<name>-search`` in ``runs``.

        Args:
            document: Checked, with its searches in it.
            runs: Where.
            trials: How many to finish.
            metric: A key of METRICS.
            prunes: Whether to end hopeless trials early.

        Raises:
            WriteError: The folder cannot be made.
        """
        search = cls(make_folder(runs, f"{document.values.get('name', 'experiment')}-search"))
        (search.path / "leases").mkdir()
        (search.path / "trials").mkdir()
        settings = {"trials": trials, "metric": metric, "prunes": prunes, "test_measurements": []}
        write_json(search.path / "search.json", settings)
        journal = open_journal(search.path / "journal.log")
        optuna.create_study(study_name=_STUDY, storage=journal, direction=METRICS[metric])
        # What makes the folder a search comes last.
        write_text(search.path / SEARCH_FILE, write_yaml(document.values))
        return search

    @classmethod
    def open(cls, path: str | Path) -> "Search":
        """The search in a folder.

        Raises:
            RunError: There is no search there.
        """
        path = Path(path)
        expect_folder(path, SEARCH_FILE, "a search folder", "Begin one with: unrolled search FILE")
        return cls(path)

    @cached_property
    def space(self) -> SearchSpace:
        """What is searched."""
        return SearchSpace(read_document(self.path / SEARCH_FILE))

    @property
    def settings(self) -> dict[str, Any]:
        """What ``search.json`` holds: ``trials``, ``metric``, ``prunes`` and ``test_measurements``."""
        try:
            return dict(json.loads((self.path / "search.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            raise RunError(
                f"{self.path / 'search.json'}: expected the search's settings, got no JSON. Begin another search."
            ) from None

    def change(self, **settings: Any) -> None:
        """Replace some of the settings.

        Raises:
            WriteError: The file cannot be written.
        """
        with shared_lock(self.path / "search.json"):
            write_json(self.path / "search.json", {**self.settings, **settings})

    @cached_property
    def _storage(self) -> JournalStorage:
        return open_journal(self.path / "journal.log")

    @cached_property
    def study(self) -> optuna.Study:
        """The journal as Optuna sees it."""
        prunes = self.settings["prunes"]
        pruner = MedianPruner(_TRIALS_NEVER_PRUNED, _FIRST_EPOCH_PRUNED) if prunes else NopPruner()
        return optuna.load_study(study_name=_STUDY, storage=self._storage, pruner=pruner)

    def note(self, number: int, key: str, value: Any) -> None:
        """Write something about a trial into the journal.

        Raises:
            UpdateFinishedTrialError: The trial has ended.
        """
        study = self._storage.get_study_id_from_name(_STUDY)
        self._storage.set_trial_user_attr(
            self._storage.get_trial_id_from_study_id_trial_number(study, number), key, value
        )

    @cached_property
    def metric(self) -> str:
        """What is compared: ``val_accuracy`` or ``val_loss``."""
        return str(self.settings["metric"])

    @property
    def maximizes(self) -> bool:
        """Whether more of the metric is better."""
        return METRICS[self.metric] is StudyDirection.MAXIMIZE

    @property
    def trials(self) -> list[Trial]:
        """Every trial so far, also those under way."""
        runs = {int(path.name.rpartition("-")[2]): path for path in (self.path / "trials").glob("*Z-trial-*")}
        return [trial_of(trial, runs.get(trial.number)) for trial in self.study.get_trials(deepcopy=False)]

    @property
    def ended(self) -> list[Trial]:
        """The trials that count: they ended, and are not trained again."""
        return [trial for trial in self.trials if trial.outcome not in ("running", "waiting", *REQUEUED)]

    @property
    def ranking(self) -> list[Trial]:
        """The finished trials, the best first; of equal ones the earlier."""
        sign = -1 if self.maximizes else 1
        finished = [trial for trial in self.trials if trial.outcome == "finished" and trial.value is not None]
        return sorted(finished, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    @property
    def best(self) -> Trial:
        """The best of the finished trials.

        Raises:
            TrainingStopped: None has finished.
        """
        if not (ranking := self.ranking):
            reason = next((f" ({trial.reason})" for trial in self.trials if trial.reason), "")
            raise TrainingStopped(
                f"{self.path}: expected a trial that finished, got none of {len(self.ended)}{reason}. "
                "Search elsewhere, or train for more epochs.",
                run=self.path,
            )
        return ranking[0]

    @property
    def importance(self) -> dict[str, float]:
        """How much of the difference between good trials and the others each parameter makes; adds up to one.

        Empty while there are too few finished trials to tell.
        """
        return importance_of(self.study)

    def experiment(self, params: Mapping[str, Label]) -> ExperimentConfig:
        """The experiment that a pick of values gives.

        Raises:
            InvalidSetting: It cannot be.
        """
        return ExperimentConfig.parse(self.space.resolve(params))

    def drop_network(self, number: int) -> None:
        """Remove what a trial learned, and keep what it was and gave."""
        from unrolled.training.checkpoints import FOLDER as CHECKPOINTS

        if run := self.run_of(number):
            (run.path / "model.keras").unlink(missing_ok=True)
            shutil.rmtree(run.path / CHECKPOINTS, ignore_errors=True)

    def run_of(self, number: int) -> Run | None:
        """The run of a trial, if it got that far."""
        found = next((self.path / "trials").glob(f"*Z-trial-{number}"), None)
        return Run(found) if found else None
