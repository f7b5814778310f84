"""Trials as lines that people read."""

from collections import Counter
from collections.abc import Iterable, Mapping

from unrolled.searching.folder import Search, Trial
from unrolled.searching.parameters import Label
from unrolled.training.progress import Progress


def format_trial(trial: Trial, search: Search) -> str:
    """One trial in one line, as it ends."""
    params = format_params(trial.params, short_names(search.space.by_name))
    if trial.outcome in ("finished", "repeated") and trial.value is not None:
        best = "  the best so far" if trial.number == search.best.number else ""
        how = "as before" if trial.outcome == "repeated" else f"{trial.seconds:.1f} s"
        return f"trial {trial.number}  {search.metric} {trial.value:.4f}  {how}  {params}{best}"
    reason = f": {trial.reason}" if trial.reason else ""
    return f"trial {trial.number}  {trial.outcome}{reason}  {params}"


def format_test_measurements(search: Search) -> str:
    """What the test set said of the best, and how often it was asked."""
    looks, best = search.settings["test_measurements"], search.best.number
    headline = next(look["headline"] for look in looks if look["trial"] == best)
    return f"test {headline} of trial {best}; the test set was measured {format_times(len(looks))}"


def format_times(number: int) -> str:
    """How often.

    Example:
        >>> format_times(1), format_times(3)
        ('once', '3 times')
    """
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def format_params(params: Mapping[str, Label], names: Mapping[str, str]) -> str:
    """What a trial picked, with the names shortened.

    Example:
        >>> format_params({"network[1].LSTM.units": 64}, {"network[1].LSTM.units": "units"})
        'units 64'
    """
    return "  ".join(f"{names[name]} {format_label(value)}" for name, value in params.items())


def format_label(value: Label) -> str:
    """A value in as few characters as tell it apart.

    Example:
        >>> format_label(0.00123456), format_label(64), format_label(None), format_label(True)
        ('0.00123', '64', 'none', 'true')
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The shortest end of each path that no other ends with.

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
    """How many trials came to which end.

    Example:
        >>> format_outcomes([])
        ''
    """
    counts = Counter(trial.outcome for trial in trials)
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())


class SearchProgress:
    """Says a line about each trial as it ends.

    Args:
        search: Whose trials; those that have ended already are no news.
        progress: Who is told.
    """

    def __init__(self, search: Search, progress: Progress):
        self.search, self.progress = search, progress
        self.told = {trial.number for trial in self._ended()}

    def tell(self) -> None:
        """Say what is new."""
        for trial in self._ended():
            if trial.number not in self.told:
                self.told.add(trial.number)
                self.progress.log(format_trial(trial, self.search))

    def _ended(self) -> list[Trial]:
        return [trial for trial in self.search.trials if trial.outcome not in ("running", "waiting")]
