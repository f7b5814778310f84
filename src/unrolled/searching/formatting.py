"""Trials as lines that people read."""

from collections import Counter
from collections.abc import Iterable, Mapping

from unrolled.searching.folder import Search, Trial
from unrolled.searching.parameters import Label
from unrolled.training.progress import Progress


def spell_trial(trial: Trial, search: Search) -> str:
    """One trial in one line, as it ends."""
    picked = spell_picked(trial.picked, short_names(search.space.by_name))
    if trial.outcome in ("finished", "repeated") and trial.value is not None:
        best = "  the best so far" if trial.number == search.best.number else ""
        how = "as before" if trial.outcome == "repeated" else f"{trial.seconds:.1f} s"
        return f"trial {trial.number}  {search.metric} {trial.value:.4f}  {how}  {picked}{best}"
    reason = f": {trial.reason}" if trial.reason else ""
    return f"trial {trial.number}  {trial.outcome}{reason}  {picked}"


def spell_measurement(search: Search) -> str:
    """What the test set said of the best, and how often it was asked."""
    looks, best = search.settings["test_measurements"], search.best.number
    headline = next(look["headline"] for look in looks if look["trial"] == best)
    return f"test {headline} of trial {best}; the test set was measured {spell_times(len(looks))}"


def spell_times(number: int) -> str:
    """How often.

    Example:
        >>> spell_times(1), spell_times(3)
        ('once', '3 times')
    """
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def spell_picked(picked: Mapping[str, Label], names: Mapping[str, str]) -> str:
    """What a trial picked, with the names shortened.

    Example:
        >>> spell_picked({"network[1].LSTM.units": 64}, {"network[1].LSTM.units": "units"})
        'units 64'
    """
    return "  ".join(f"{names[name]} {spell_label(value)}" for name, value in picked.items())


def spell_label(value: Label) -> str:
    """A value in as few characters as tell it apart.

    Example:
        >>> spell_label(0.00123456), spell_label(64), spell_label(None), spell_label(True)
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


def spell_outcomes(trials: Iterable[Trial]) -> str:
    """How many trials came to which end.

    Example:
        >>> spell_outcomes([])
        ''
    """
    counts = Counter(trial.outcome for trial in trials)
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())


class News:
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
                self.progress.say(spell_trial(trial, self.search))

    def _ended(self) -> list[Trial]:
        return [trial for trial in self.search.trials if trial.outcome not in ("running", "waiting")]
