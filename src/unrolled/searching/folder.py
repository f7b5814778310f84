"""Search folders and their trials."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from unrolled.config.document import Document, read_document, write_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import TrainingStopped
from unrolled.runs.folders import SEARCH_FILE, expect_folder, make_folder
from unrolled.runs.run import Run
from unrolled.searching.parameters import Label
from unrolled.searching.queue import Heartbeats, open_journal, shared_lock
from unrolled.searching.space import SearchSpace
from unrolled.storage import expecting_form, in_form, open_plain, read_text, write_json, write_text
from unrolled.training.progress import Progress

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.pruners import MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import TypedDict  # as pydantic asks for up to Python 3.11

# Outcomes of trials that are queued again, so that they do not count.
REQUEUED = ("lost", "interrupted")


@dataclass(frozen=True)
class Trial:
    """One trial: its parameters and its result.

    Attributes:
        number: Number of the trial, from 0.
        outcome: ``running`` or ``waiting``; ``finished``, ``pruned``, ``diverged``, ``invalid`` (its network cannot be
            built), ``failed`` or ``repeated`` (its parameters gave a result before, which it takes over); ``lost``
            (its process was killed) or ``interrupted``, whose parameters are queued again.
        value: The metric in the epoch whose weights were kept, or in the last epoch of a pruned trial.
        params: Value or label of each parameter, by its name.
        epochs: Number of trained epochs.
        seconds: Duration of the training.
        reason: Reason for which it did not finish.
        run: Its run folder; None where it has none yet.
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
    """Return a trial of the journal as a value.

    Args:
        trial: Optuna's trial.
        run: Its run folder.
    """
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
# The method compares the good trials with all; its authors recommend at least so many good ones.
_GOOD_TRIALS = 5


def importance_of(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each parameter, the greatest first; empty with fewer than 4 finished trials.

    Reference:
        Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
        Subspaces", IJCAI 2023.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < FEWEST_TRIALS:
        return {}
    share = min(0.5, max(0.1, _GOOD_TRIALS / len(finished)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of few trials, and of trials that are all alike
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share))
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))


METRICS = {"val_accuracy": StudyDirection.MAXIMIZE, "val_loss": StudyDirection.MINIMIZE}
_STUDY = "search"
# The median of fewer trials means little, and so does a first epoch.
_TRIALS_NEVER_PRUNED = 5
_FIRST_EPOCH_PRUNED = 2


class _SearchFile(TypedDict):
    trials: int
    metric: Literal["val_accuracy", "val_loss"]
    prunes: bool
    test_measurements: list[dict[str, Any]]


_BEGIN_ANOTHER = "Begin another search."


class Search:
    """Folder of a search.

    ::

        search.yaml        the experiment as written, with its ranges and choices
        search.json        metric, number of trials, and each evaluation on the test set
        journal.log        every trial, in Optuna's format
        heartbeats/        the processes that are at work, and their trials
        trials/            a run folder for each trial
        best.yaml          the best experiment, for unrolled train
        search.html        report

    Attributes:
        path: The folder.

    Example::

        search = unrolled.Search.open("runs/20260102T030405Z-digits-search")
        search.best.params
    """

    def __init__(self, path: Path):
        self.path = path
        self.heartbeats = Heartbeats(path / "heartbeats")

    def __repr__(self) -> str:
        return f"Search({str(self.path)!r})"

    @classmethod
    def create(cls, document: Document, runs: Path, *, trials: int, metric: str, prunes: bool) -> "Search":
        """Make a new folder ``<UTC time>-<name>-search`` in ``runs``.

        Args:
            document: Checked document, with its searches.
            runs: Folder in which the search's folder is made.
            trials: Number of trials that count.
            metric: Key of METRICS.
            prunes: End trials early that are behind the median of the others.

        Raises:
            WriteError: The folder cannot be made.
        """
        search = cls(make_folder(runs, f"{document.values.get('name', 'experiment')}-search"))
        (search.path / "heartbeats").mkdir()
        (search.path / "trials").mkdir()
        settings = {"trials": trials, "metric": metric, "prunes": prunes, "test_measurements": []}
        write_json(search.path / "search.json", settings)
        journal = open_journal(search.path / "journal.log")
        optuna.create_study(study_name=_STUDY, storage=journal, direction=METRICS[metric])
        # The file that makes the folder a search comes last.
        write_text(search.path / SEARCH_FILE, write_yaml(document.values))
        return search

    @classmethod
    def open(cls, path: str | Path) -> "Search":
        """Open the search in a folder.

        Raises:
            RunError: There is no search in it, or a file of it is damaged.
        """
        path = Path(path)
        expect_folder(path, SEARCH_FILE, "a search folder", "Begin one with: unrolled search FILE")
        search = cls(path)
        with expecting_form(path / "journal.log", _BEGIN_ANOTHER):
            open_plain(path / "journal.log").close()
            search.study.get_trials(deepcopy=False)
        return search

    @cached_property
    def space(self) -> SearchSpace:
        """Ranges and choices of the experiment."""
        return SearchSpace(read_document(self.path / SEARCH_FILE))

    @property
    def settings(self) -> dict[str, Any]:
        """Content of ``search.json``: ``trials``, ``metric``, ``prunes`` and ``test_measurements``."""
        with expecting_form(self.path / "search.json", _BEGIN_ANOTHER):
            return dict(in_form(_SearchFile, json.loads(read_text(self.path / "search.json"))))

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
        """The journal as a study of Optuna."""
        prunes = self.settings["prunes"]
        pruner = MedianPruner(_TRIALS_NEVER_PRUNED, _FIRST_EPOCH_PRUNED) if prunes else NopPruner()
        return optuna.load_study(study_name=_STUDY, storage=self._storage, pruner=pruner)

    def note(self, number: int, key: str, value: Any) -> None:
        """Write an attribute of a trial into the journal.

        Raises:
            UpdateFinishedTrialError: The trial has ended.
        """
        study = self._storage.get_study_id_from_name(_STUDY)
        self._storage.set_trial_user_attr(
            self._storage.get_trial_id_from_study_id_trial_number(study, number), key, value
        )

    @cached_property
    def metric(self) -> str:
        """Metric by which trials are compared: ``val_accuracy`` or ``val_loss``."""
        return str(self.settings["metric"])

    @property
    def maximizes(self) -> bool:
        """True if more of the metric is better."""
        return METRICS[self.metric] is StudyDirection.MAXIMIZE

    @property
    def trials(self) -> list[Trial]:
        """All trials, also the running ones."""
        runs = {path.name.rpartition("-")[2]: path for path in (self.path / "trials").glob("*Z-trial-*")}
        return [trial_of(trial, runs.get(str(trial.number))) for trial in self.study.get_trials(deepcopy=False)]

    @property
    def ended(self) -> list[Trial]:
        """The trials that count: they have ended, and are not queued again."""
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
                f"{self.path}: none of {len(self.ended)} trials finished{reason}. "
                "Search other values, or train for more epochs.",
                run=self.path,
            )
        return ranking[0]

    @property
    def importance(self) -> dict[str, float]:
        """Importance of each parameter (PED-ANOVA), which add up to one; empty with fewer than 4 finished trials."""
        return importance_of(self.study)

    def experiment(self, params: Mapping[str, Label]) -> ExperimentConfig:
        """Return the experiment with these parameters.

        Raises:
            InvalidSetting: A setting is invalid.
        """
        return ExperimentConfig.parse(self.space.resolve(params))

    def drop_network(self, number: int) -> None:
        """Remove a trial's model and checkpoints; its experiment and metrics stay."""
        from unrolled.training.checkpoints import remove_checkpoints

        if run := self.run_of(number):
            (run.path / "model.keras").unlink(missing_ok=True)
            remove_checkpoints(run.path)

    def run_of(self, number: int) -> Run | None:
        """Return the run of a trial; None where it has none yet."""
        found = next((self.path / "trials").glob(f"*Z-trial-{number}"), None)
        return Run(found) if found else None


def format_trial(trial: Trial, search: Search) -> str:
    """Format a trial that has ended as one line."""
    params = format_params(trial.params, short_names(search.space.by_name))
    if trial.outcome in ("finished", "repeated") and trial.value is not None:
        best = "  best so far" if trial.number == search.best.number else ""
        duration = "as before" if trial.outcome == "repeated" else f"{trial.seconds:.1f} s"
        return f"trial {trial.number}  {search.metric} {trial.value:.4f}  {duration}  {params}{best}"
    reason = f": {trial.reason}" if trial.reason else ""
    return f"trial {trial.number}  {trial.outcome}{reason}  {params}"


def format_test_measurements(search: Search) -> str:
    """Format the best trial's metrics on the test set, and how often a trial was evaluated on it."""
    evaluations, best = search.settings["test_measurements"], search.best.number
    headline = next(evaluation["summary"] for evaluation in evaluations if evaluation["trial"] == best)
    return f"test {headline} of trial {best}; evaluated on the test set {format_times(len(evaluations))}"


def format_times(number: int) -> str:
    """Format a number of times.

    Example:
        >>> format_times(1), format_times(3)
        ('once', '3 times')
    """
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def format_params(params: Mapping[str, Label], names: Mapping[str, str]) -> str:
    """Format a trial's parameters with shortened names.

    Example:
        >>> format_params({"network[1].LSTM.units": 64}, {"network[1].LSTM.units": "units"})
        'units 64'
    """
    return "  ".join(f"{names[name]} {format_label(value)}" for name, value in params.items())


def format_label(value: Label) -> str:
    """Format a value in few characters.

    Example:
        >>> format_label(0.00123456), format_label(64), format_label(None), format_label(True)
        ('0.00123', '64', 'none', 'true')
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the shortest end of each path that is the end of no other path.

    Example:
        >>> list(short_names(["network[1].LSTM.units", "network[2].GRU.units", "training.epochs"]).values())
        ['LSTM.units', 'GRU.units', 'epochs']
    """
    names = list(names)
    short: dict[str, str] = {}
    for name in names:
        parts = name.split(".")
        ends = (".".join(parts[-length:]) for length in range(1, len(parts) + 1))
        short[name] = next(
            end for end in ends if end == name or sum(other == end or other.endswith("." + end) for other in names) == 1
        )
    return short


def format_outcomes(trials: Iterable[Trial]) -> str:
    """Format the number of trials with each outcome.

    Example:
        >>> format_outcomes([])
        ''
    """
    counts = Counter(trial.outcome for trial in trials)
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())


class SearchProgress:
    """Progress of a search: a line for each trial that ends.

    Args:
        search: The search; trials that have ended already get no line.
        progress: Progress that prints the lines.
    """

    def __init__(self, search: Search, progress: Progress):
        self.search, self.progress = search, progress
        self.printed = {trial.number for trial in self._ended()}

    def update(self) -> None:
        """Print a line for each trial that has ended since the last call."""
        for trial in self._ended():
            if trial.number not in self.printed:
                self.printed.add(trial.number)
                self.progress.log(format_trial(trial, self.search))

    def _ended(self) -> list[Trial]:
        return [trial for trial in self.search.trials if trial.outcome not in ("running", "waiting")]
