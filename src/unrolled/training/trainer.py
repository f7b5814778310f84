"""Keras' ``fit`` with everything around it that a run needs, from its beginning or from a checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.backends import current
from unrolled.config.diff import diff_settings
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset
from unrolled.errors import Diverged, Interrupted, InvalidSetting, RunError, TrainingStopped, WriteError
from unrolled.model.build import build_network, check_components
from unrolled.model.components import depends_on_length
from unrolled.reports.run import write_report
from unrolled.runs.environment import record_environment
from unrolled.runs.run import SEARCH_FILE, Run
from unrolled.storage import locked, replacing, write_json
from unrolled.tasks.base import Examples, choose_examples
from unrolled.tasks.batches import steps_per_epoch
from unrolled.training.callbacks import (
    BestWeights,
    CheckpointWriter,
    MetricsLogger,
    StatefulCallback,
    StopOnSignal,
    SwapEMAWeights,
    TerminateOnNaN,
    TrainingPosition,
)
from unrolled.training.checkpoints import Checkpoint, newest_checkpoint, restore, resumable_settings, seed_everything
from unrolled.training.processes import StopRequest, stop_on_signals
from unrolled.training.progress import Progress, choose_progress

import keras

EVALUATION_BATCH_SIZE = 256


class Fitting:
    """One training of a model: its callbacks, in their order, and what becomes of the weights.

    Args:
        model: The network, built and compiled from the run's experiment.
        examples: What to learn from.
        run: Where everything is kept.
        progress: Who is told; what it raises ends the training.
        request: Where a signal shows.
        checkpoint: Where to go on; without it the training begins.

    Raises:
        RunError: The checkpoint is of another network.
    """

    def __init__(
        self,
        model: keras.Model,
        examples: Examples,
        run: Run,
        progress: Progress,
        request: StopRequest,
        checkpoint: Checkpoint | None = None,
    ):
        self.model, self.examples, self.run, self.progress = model, examples, run, progress
        self.training = run.experiment.training
        size, batch_size = examples.learned.size, self.training.batch_size
        self.steps = steps_per_epoch(examples.learned, batch_size)
        self.place = TrainingPosition(checkpoint)
        self.watch = TerminateOnNaN(self.place, run)
        self.selection = BestWeights(run.path, self.training)
        self.averages = SwapEMAWeights(model.optimizer) if model.optimizer.use_ema else None
        self.recorder = MetricsLogger(
            self.place, run, progress, examples=size, batch_size=batch_size, epochs=self.training.epochs
        )
        remembering: dict[str, StatefulCallback] = {"recorder": self.recorder, "selection": self.selection}
        self.checkpoints = CheckpointWriter(
            self.place, request, run, progress, steps=self.steps, remembering=remembering
        )
        self.interruption = StopOnSignal(self.place, request, run)
        for callback in self._callbacks():
            callback.set_model(model)
        if checkpoint is not None:
            restore(model, checkpoint, examples.batches(run.experiment, epochs=1)[0])
            for name, callback in remembering.items():
                callback.recall(checkpoint.notes[name])
            self.recorder.write()

    def run_to_end(self) -> None:
        """Train, and save the network whether the training reaches its end or is stopped on the way.

        Raises:
            TrainingStopped: It ended early.
            WriteError: The folder cannot be written.
        """
        self.recorder.begin()
        try:
            for epoch, epochs, first_step in self._stretches():
                if not self.selection.is_over:
                    self._fit(epoch, epochs, first_step)
        except Diverged:
            if self.watch.good is not None:
                self.model.set_weights(self.watch.good[0])
                self._save()
            raise
        except Interrupted:
            self._conclude()
            raise
        finally:
            self.progress.end()
        self._conclude()

    def _stretches(self) -> Iterator[tuple[int, int, int]]:
        """First epoch, end and first batch of what is left: the rest of a begun epoch, then all whole ones."""
        epoch, step = self.place.epoch, self.place.step
        if step:
            yield epoch, epoch + 1, step
            epoch += 1
        if epoch < self.training.epochs:
            yield epoch, self.training.epochs, 0

    def _fit(self, epoch: int, epochs: int, first_step: int) -> None:
        start = epoch * self.steps + first_step
        watched = self.examples.validation_data(EVALUATION_BATCH_SIZE)
        self.model.fit(
            self._fed(self.examples.batches(self.run.experiment, epochs=self.training.epochs, start=start)),
            initial_epoch=epoch,
            epochs=epochs,
            steps_per_epoch=self.steps - first_step,
            shuffle=False,  # Batches decides the order
            validation_data=None if watched is None else self._fed(watched),
            callbacks=self._callbacks(),
            verbose=0,
        )

    def _fed(self, batches: keras.utils.PyDataset) -> Any:
        """The batches as the backend takes them."""
        if keras.backend.backend() != "tensorflow" or self.examples.learned.inputs.dtype != object:
            return batches
        return current().as_dataset(batches)

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        """In the order in which they are called, which matters."""
        averages = [self.averages] if self.averages else []
        return [
            self.place,
            self.watch,
            self.selection,
            *averages,
            self.recorder,
            self.checkpoints,
            self.interruption,
        ]

    def _conclude(self) -> None:
        """Put the weights that are to be kept into the network, and save it."""
        if self.averages:
            self.averages.finish()
        self.selection.choose()
        self._save()

    def _save(self) -> None:
        with replacing(self.run.path / "model.keras") as part:
            self.model.save(part)


def train(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig = "mnist-rows",
    *,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    quiet: bool = False,
) -> Run:
    """Train an experiment and keep everything that it gave in a new run folder.

    Sets the random seeds of Python, NumPy and, where it computes, torch.

    Args:
        experiment: A recipe's name, an experiment file, the settings themselves, or an Experiment.
        seed: Replaces the experiment's seed.
        overrides: Changes to single settings, as in ``["training.epochs=5", "network.1.LSTM.units=64"]``.
        runs: Where to make the run folder.
        name: Names the run folder; otherwise the experiment does.
        quiet: Whether to print nothing.

    Returns:
        The finished run: its ``model``, ``metrics`` and ``evaluation``.

    Raises:
        InvalidSetting: The experiment says something that cannot be; nothing was written.
        DataError: Its data cannot be loaded; nothing was written.
        Diverged: The loss became NaN or infinite; the run folder keeps the last good weights.
        Interrupted: Ctrl-C or SIGTERM; the run folder keeps what was learned.
        WriteError: The run folder cannot be written.

    Example::

        run = unrolled.train("mnist-rows", seed=0)
        print(run.evaluation.accuracy)
    """
    experiment = ExperimentConfig.load(experiment, overrides=overrides, name=name, seed=seed)
    progress = choose_progress(quiet=quiet)
    progress.announce(experiment)
    with stop_on_signals() as request:
        return train_experiment(experiment, Path(runs), progress, request)


def train_experiment(
    experiment: ExperimentConfig, runs: Path, progress: Progress, request: StopRequest, *, tested: bool = True
) -> Run:
    """Train an experiment that is found and announced already; the rest is as in ``train``.

    Args:
        experiment: What to train.
        runs: Where to make the run folder.
        progress: Who is told; what it raises ends the training.
        request: Where a signal shows.
        tested: Whether to measure the network on the test set at the end, and write the report of that.
    """
    check_components(experiment)
    data = experiment.load_data()
    examples = choose_examples(data, experiment)
    model = build(experiment, data, examples)
    request.answer(f"train: {experiment.name}: interrupted before the first batch; nothing was written")

    run = Run.create(experiment, runs)
    with locked(run.path):
        run_training(run, model, data, examples, progress, request, tested=tested)
    return run


def build(experiment: ExperimentConfig, data: Dataset, examples: Examples) -> keras.Model:
    """The network before anything is learned."""
    seed_everything(experiment.seed)
    steps = experiment.training.epochs * steps_per_epoch(examples.learned, experiment.training.batch_size)
    return build_network(experiment, data, steps=steps, encoding=examples.encoding)


def run_training(
    run: Run,
    model: keras.Model,
    data: Dataset,
    examples: Examples,
    progress: Progress,
    request: StopRequest,
    *,
    checkpoint: Checkpoint | None = None,
    tested: bool = True,
) -> None:
    """Train and measure, and record in the run's folder how far that came."""
    name = run.experiment.name
    try:
        run.write_status("running")
        record_environment(run)
        write_json(
            run.path / "data.json",
            {**_describe(data, examples), "parameters": model.count_params(), "fingerprints": data.fingerprints},
        )
        write_json(run.path / "encoding.json", examples.encoding.to_json())
        Fitting(model, examples, run, progress, request, checkpoint).run_to_end()
        stopped_late = f"train: {name}: interrupted after the training; kept what was learned in {run.path}"
        request.answer(stopped_late)
        if tested:
            measure(model, data, examples, run, progress)
            request.answer(stopped_late)
        run.write_status("finished")
    except TrainingStopped as stopped:
        stopped.run = run.path
        run.write_status(stopped.status, str(stopped))
        raise
    except BaseException as error:
        with suppress(WriteError):
            run.write_status("failed", f"{type(error).__name__}: {error}")
        raise


def measure(model: keras.Model, data: Dataset, examples: Examples, run: Run, progress: Progress) -> None:
    """Measure a run's network on the test set, and write the figures and the report; once in a network's life.

    Raises:
        WriteError: The run folder cannot be written.
    """
    progress.say("measuring on the test set")
    measured = examples.task.measured(data, examples.encoding, run.experiment)
    given = examples.task.say(model, measured, EVALUATION_BATCH_SIZE)
    evaluation = examples.task.measure(given, measured, data, examples.encoding, run.experiment)
    baselines = examples.task.baselines(data, examples.encoding, run.experiment)
    write_json(run.path / "evaluation.json", replace(evaluation, baselines=baselines).to_json())
    write_report(run, model, data, examples, given)
    progress.say(f"test {evaluation.headline}  report {run.path / 'report.html'}")


def _describe(data: Dataset, examples: Examples) -> dict[str, Any]:
    return {
        "name": data.name,
        "source": data.source,
        "example_shape": list(data.example_shape),
        "dtype": data.kind if data.kind != "arrays" else str(data.train.inputs.dtype),
        "classes": list(data.classes),
        "reading": data.reading,
        "training_examples": examples.learned.size,
        "validation_examples": examples.watched.size if examples.watched else 0,
        "test_examples": data.test.size,
    }


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
    with stop_on_signals() as request:
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
        longer = run.with_overrides([f"training.epochs={total}"])
        data = longer.experiment.load_data()
        _check_data(run, data)
        begun = (run.path / "encoding.json").exists()
        examples = choose_examples(data, longer.experiment, run.encoding if begun else None)
        model = build(longer.experiment, data, examples)
        progress.announce(longer.experiment)
        progress.say(_format_position(checkpoint))
        if total != planned and depends_on_length(longer.experiment):
            progress.say(
                f"the learning rate's schedule is {total} epochs long from here on; until now it was {planned}"
            )
        if run.is_finished:
            run.archive_results(len(run.metrics))
        longer.write_experiment()
        run_training(longer, model, data, examples, progress, request, checkpoint=checkpoint)
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
    if differing := diff_settings(checkpoint.notes["settings"], resumable_settings(run.experiment)):
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


def _format_position(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "starting over: there is no checkpoint yet"
    return f"going on in epoch {checkpoint.epoch + 1} after step {checkpoint.step}"
