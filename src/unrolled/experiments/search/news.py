"""What a person is told while a search goes on."""

from unrolled.experiments.search.folder import Search
from unrolled.experiments.search.spelling import spell_trial
from unrolled.experiments.search.trial import Trial
from unrolled.experiments.training.progress import Progress


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
