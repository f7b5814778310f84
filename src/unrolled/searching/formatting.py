"""Trials and parameters as lines of text."""

from collections import Counter
from collections.abc import Iterable, Mapping

from unrolled.searching.folder import Search, Trial
from unrolled.searching.parameters import Label
from unrolled.training.progress import Progress


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
