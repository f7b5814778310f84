"""Going on with a training, as if it had never stopped."""

from pathlib import Path

from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidSetting, RunError
from unrolled.experiments.components import depends_on_length
from unrolled.experiments.differences import differences_of
from unrolled.experiments.examples import choose_examples
from unrolled.experiments.folders import SEARCH_FILE
from unrolled.experiments.run import Run
from unrolled.experiments.training.checkpoints import Checkpoint, lasting_settings, newest_checkpoint
from unrolled.experiments.training.locks import locked
from unrolled.experiments.training.procedure import build, carry_out
from unrolled.experiments.training.progress import Progress, choose_progress
from unrolled.experiments.training.signals import StopRequest, listening


def resume(run: Run | str | Path, *, epochs: int | None = None, quiet: bool = False) -> Run:
    """Go on with a training that was killed, interrupted, or is to take longer.

    Goes on at the newest checkpoint: weights, optimizer, metrics, random state and place in the data are those of that
    moment. On the same machine with the same cores the finished weights and metrics are, bit for bit, those of a
    training that was not stopped. A run that was killed before its first checkpoint starts over.

    Where a finished run is to take longer, its network, evaluation and report are kept beside the new ones, under names
    such as ``evaluation-3-epochs.json``. A schedule of the learning rate that is as long as the training becomes longer
    from there on; the epochs that are done have followed the shorter one.

    Args:
        run: The run or its folder.
        epochs: How many there are to be in all, if not as many as the experiment says.
        quiet: Whether to print nothing.

    Raises:
        RunError: There is no run, another process trains it, or its data or settings are not what they were.
        InvalidSetting: There are fewer epochs than are finished already.
        TrainingStopped: As in ``train``.
        WriteError: The run folder cannot be written.
    """
    progress = choose_progress(quiet=quiet)
    with listening() as request:
        return resume_run(run if isinstance(run, Run) else Run.open(run), epochs, progress, request)


def resume_run(run: Run, epochs: int | None, progress: Progress, request: StopRequest) -> Run:
    """Go on with a run that is found already; the rest is as in ``resume``."""
    _refuse_trials(run)
    with locked(run.path):
        checkpoint = newest_checkpoint(run.path)
        planned = run.experiment.training.epochs
        total = planned if epochs is None else epochs
        _check_epochs(run, total, checkpoint)
        if run.is_finished and total <= planned:
            progress.say(
                f"{run.experiment.name}: finished after epoch {len(run.metrics)}. More: --epochs {planned + 1}"
            )
            return run
        _check_place(run, checkpoint)
        longer = run.with_settings([f"training.epochs={total}"])
        data = longer.experiment.load_data()
        _check_data(run, data)
        begun = (run.path / "encoding.json").exists()
        examples = choose_examples(data, longer.experiment, run.encoding if begun else None)
        model = build(longer.experiment, data, examples)
        progress.announce(longer.experiment)
        progress.say(_spell_place(checkpoint))
        if total != planned and depends_on_length(longer.experiment):
            progress.say(
                f"the learning rate's schedule is {total} epochs long from here on; until now it was {planned}"
            )
        if run.is_finished:
            run.set_aside(len(run.metrics))
        longer.write_experiment()
        carry_out(longer, model, data, examples, progress, request, checkpoint=checkpoint)
    return longer


def _refuse_trials(run: Run) -> None:
    search = run.path.resolve().parent.parent
    if (search / SEARCH_FILE).exists():
        raise RunError(
            f"{run.path}: expected a run of its own, got a trial of a search. Go on with: unrolled search {search}"
        )


def _check_epochs(run: Run, epochs: int, checkpoint: Checkpoint | None) -> None:
    begun = checkpoint.epoch + (checkpoint.step > 0) if checkpoint else 0
    if epochs < begun:
        raise InvalidSetting(
            f"--epochs: expected at least {begun} in all, got {epochs}: so many are done or begun in "
            f"{run.path}. Name the new total."
        )


def _check_place(run: Run, checkpoint: Checkpoint | None) -> None:
    """Refuse what would not go on with the same training, or throw away a network that is there."""
    if checkpoint is None and (run.path / "model.keras").exists():
        raise RunError(
            f"{run.path}: expected a checkpoint to go on from, got a trained network without one. "
            f"Train anew: unrolled train {run.path / 'experiment.yaml'}"
        )
    if checkpoint is None:
        return
    if differing := differences_of(checkpoint.notes["settings"], lasting_settings(run.experiment)):
        raise RunError(
            f"{run.path}: expected the settings that the checkpoint was trained with, got another "
            f"{differing[0].path}. Put it back in experiment.yaml, or train anew."
        )


def _check_data(run: Run, data: Dataset) -> None:
    before = run.data.get("fingerprints") if (run.path / "data.json").exists() else None
    if before is not None and before != data.fingerprints:
        raise RunError(
            f"{run.path}: expected the data that it has learned from until now, got other examples in {data.name}. "
            "Put the file back, or train anew."
        )


def _spell_place(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "starting over: there is no checkpoint yet"
    return f"going on in epoch {checkpoint.epoch + 1} after step {checkpoint.step}"
