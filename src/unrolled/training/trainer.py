"""Training: from an experiment to a run folder, and on from a checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.backends import current, without_loading_tensorflow
from unrolled.config.diff import diff_settings
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Diverged, Interrupted, InvalidSetting, RunError, TrainingStopped, WriteError
from unrolled.model.build import build_model, check_memory, prepare, resolve
from unrolled.model.components import depends_on_length
from unrolled.runs.environment import record_environment
from unrolled.runs.folders import SEARCH_FILE
from unrolled.runs.run import Run
from unrolled.storage import expecting_form, locked, replacing, write_json, write_text
from unrolled.tasks.base import Task
from unrolled.tasks.preprocessing import tokenizers
from unrolled.tasks.registry import load_task
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
from unrolled.training.checkpoints import (
    FOLDER,
    Checkpoint,
    newest_checkpoint,
    restore,
    resumable_settings,
    seed_everything,
)
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress

import keras

EVALUATION_BATCH_SIZE = 256


@without_loading_tensorflow()
def train_experiment(
    config: ExperimentConfig, runs: Path, progress: Progress, request: StopRequest, *, is_tested: bool = True
) -> Run:
    """Train an experiment and keep everything in a new run folder; see ``unrolled.train``.

    Args:
        config: The experiment.
        runs: The folder in which the run folder is made.
        progress: Shows the progress; an exception that it raises ends the training.
        request: Carries a signal that stops the training.
        is_tested: True to evaluate the network on the test set at the end.

    Returns:
        The finished run, with ``task`` and ``model`` in memory.
    """
    config, task = prepare(config, is_trained=True)
    model = build_seeded(config, task)
    for note in task.notes:
        progress.log(note)
    request.raise_if_requested(f"train: {config.name}: interrupted before the first batch; nothing was written")

    run = Run.create(config, runs)
    with locked(run.path):
        run_training(run, task, model, progress, request, is_tested=is_tested)
    return run


@without_loading_tensorflow()
def resume_run(run: Run, epochs: int | None, progress: Progress, request: StopRequest) -> Run:
    """Continue a run at its newest checkpoint; see ``unrolled.resume``.

    Args:
        run: The run.
        epochs: Number of epochs in total, if not as many as the experiment says.
        progress: Shows the progress.
        request: Carries a signal that stops the training.
    """
    _check_not_a_trial(run)
    with locked(run.path):
        checkpoint = newest_checkpoint(run.path)
        planned = run.config.training.epochs
        total = planned if epochs is None else epochs
        _check_epochs(run, total, checkpoint)
        has_network = (run.path / "model.keras").exists()
        if run.is_trained and not run.is_finished and has_network and total <= planned:
            progress.announce(run.config)
            progress.log("the training has ended; evaluating its network")
            _measure(run, progress, request)
            return run
        if run.is_finished and total <= planned:
            progress.log(f"{run.config.name}: finished after epoch {len(run.metrics)}. More: --epochs {planned + 1}")
            return run
        _check_checkpoint(run, checkpoint)
        if run.is_finished and _is_patience_exhausted(run, checkpoint):
            patience = run.config.training.early_stopping
            assert patience is not None
            progress.log(
                f"{run.config.name}: stopped early after epoch {len(run.metrics)}, as the validation loss did not "
                f"improve for {patience.patience} epochs; there is nothing to continue"
            )
            return run
        longer = run.with_overrides([f"training.epochs={total}"])
        has_begun = (run.path / "preprocessor.json").exists()
        task = load_task(longer.config, run.preprocessor if has_begun else None)
        _check_data(run, task)
        longer.config = resolve(longer.config, task)
        check_memory(longer.config, task)
        model = build_seeded(longer.config, task)
        progress.announce(longer.config)
        progress.log(_format_position(checkpoint))
        if total != planned and depends_on_length(longer.config):
            progress.log(f"from here the learning rate schedule is {total} epochs long; until now it was {planned}")
        if run.is_trained:
            # A process that is killed from here on leaves a run to resume.
            run.save_status("running", is_trained=True)
        if run.is_trained or checkpoint is None:
            run.archive_results(len(run.metrics))
        longer.save_config()
        run_training(longer, task, model, progress, request, checkpoint=checkpoint)
    return longer


def _is_patience_exhausted(run: Run, checkpoint: Checkpoint | None) -> bool:
    stopping = run.config.training.early_stopping
    if stopping is None or checkpoint is None:
        return False
    waited: int = checkpoint.notes["best_weights"]["waited"]
    return waited >= stopping.patience


def build_seeded(config: ExperimentConfig, task: Task) -> keras.Model:
    """Seed all random generators and build the network of a resolved experiment."""
    seed_everything(config.seed)
    return build_model(config, task)


def run_training(
    run: Run,
    task: Task,
    model: keras.Model,
    progress: Progress,
    request: StopRequest,
    *,
    checkpoint: Checkpoint | None = None,
    is_tested: bool = True,
) -> None:
    """Train and evaluate a network, and record the status in the run folder.

    A run whose training ends and whose evaluation fails is evaluated when it is resumed.

    Args:
        run: The run; its folder is locked.
        task: The data.
        model: The network, built and compiled.
        progress: Shows the progress.
        request: Carries a signal that stops the training.
        checkpoint: The checkpoint to continue from, if any.
        is_tested: True to evaluate the network on the test set at the end.
    """
    with _status_of(run):
        run.save_status("running")
        record_environment(run)
        write_json(run.path / "data.json", _describe_data(task, model))
        write_json(run.path / "preprocessor.json", task.preprocessor.to_json())
        for name, tokenizer in tokenizers(task.preprocessor).items():
            write_text(run.path / name, tokenizer.model.to_str(pretty=True) + "\n")
        Trainer(model, task, run, progress, request, checkpoint).fit()
    run.task, run.model = task, model
    _measure(run, progress, request, is_tested=is_tested)


def _measure(run: Run, progress: Progress, request: StopRequest, *, is_tested: bool = True) -> None:
    """Evaluate the network of a training that has come to its end, and record that the run is finished."""
    message = (
        f"train: {run.config.name}: interrupted after the training; the network is kept in {run.path}. "
        f"Continue with: unrolled resume {run.path}"
    )
    with _status_of(run, is_trained=True):
        request.raise_if_requested(message)
        if is_tested:
            run.save_status("running", is_trained=True)
            evaluate_run(run, progress)
            request.raise_if_requested(message)
        run.save_status("finished", is_trained=True)


@contextmanager
def _status_of(run: Run, *, is_trained: bool = False) -> Iterator[None]:
    """Record in the run folder why a block failed."""
    try:
        yield
    except TrainingStopped as stopped:
        stopped.run = run.path
        with suppress(WriteError):  # which would hide why the training ended
            run.save_status(stopped.status, str(stopped), is_trained=is_trained)
        raise
    except BaseException as error:
        with suppress(WriteError):
            run.save_status("failed", f"{type(error).__name__}: {error}", is_trained=is_trained)
        raise


def evaluate_run(run: Run, progress: Progress) -> None:
    """Evaluate a run's network and the baselines on the test set, and write ``evaluation.json``."""
    evaluation = run.task.evaluate(run.test_outputs, run.task.test)
    evaluation = replace(evaluation, baselines={**evaluation.baselines, **run.task.baselines()})
    run.save_evaluation(evaluation)
    progress.log("; ".join(part for part in (f"test {evaluation.summary}", evaluation.verdict) if part))
    for note in evaluation.notes:
        progress.log(note)


class Trainer:
    """One training of a model: Keras' ``fit`` with the callbacks of a run, from its beginning or from a checkpoint.

    Args:
        model: The network, built and compiled from the run's experiment.
        task: The data.
        run: The run; everything is kept in its folder.
        progress: Shows the progress; an exception that it raises ends the training.
        request: Carries a signal that stops the training.
        checkpoint: The checkpoint to continue from, if any.

    Raises:
        RunError: The checkpoint is of another network.
    """

    def __init__(
        self,
        model: keras.Model,
        task: Task,
        run: Run,
        progress: Progress,
        request: StopRequest,
        checkpoint: Checkpoint | None = None,
    ):
        self.model, self.task, self.run, self.progress = model, task, run, progress
        self.training = run.config.training
        size, batch_size = task.sizes["training"], self.training.batch_size
        self.position = TrainingPosition(checkpoint)
        self.terminate_on_nan = TerminateOnNaN(self.position, run)
        self.best_weights = BestWeights(run.path, self.training)
        self.ema = SwapEMAWeights(model.optimizer) if model.optimizer.use_ema else None
        self.logger = MetricsLogger(
            self.position, run, progress, examples=size, batch_size=batch_size, epochs=self.training.epochs
        )
        stateful: dict[str, StatefulCallback] = {"logger": self.logger, "best_weights": self.best_weights}
        self.checkpoints = CheckpointWriter(
            self.position, request, run, progress, steps=task.steps_per_epoch, stateful=stateful
        )
        self.stop_on_signal = StopOnSignal(self.position, request, run)
        for callback in self._callbacks():
            callback.set_model(model)
        if checkpoint is not None:
            with expecting_form(run.path / FOLDER):
                restore(model, checkpoint, task.batches(epochs=1)[0])
                for name, callback in stateful.items():
                    callback.set_state(checkpoint.notes[name])
            self.logger.write()

    def fit(self) -> None:
        """Train, and save the network whether the training reaches its end or is stopped on the way.

        Raises:
            TrainingStopped: The training ended early.
            WriteError: The folder cannot be written.
        """
        self.logger.begin()
        try:
            for epoch, epochs, first_step in self._stretches():
                if not self.best_weights.is_patience_exhausted:
                    self._fit(epoch, epochs, first_step)
        except Diverged:
            if self.terminate_on_nan.last_good is not None:
                self.model.set_weights(self.terminate_on_nan.last_good[0])
                self._save()
            raise
        except Interrupted:
            self._finalize()
            raise
        finally:
            self.progress.end()
        self._finalize()

    def _stretches(self) -> Iterator[tuple[int, int, int]]:
        """Yield first epoch, end and first batch of what is left: the rest of a begun epoch, then all whole ones."""
        epoch, step = self.position.epoch, self.position.step
        if step:
            yield epoch, epoch + 1, step
            epoch += 1
        if epoch < self.training.epochs:
            yield epoch, self.training.epochs, 0

    def _fit(self, epoch: int, epochs: int, first_step: int) -> None:
        steps = self.task.steps_per_epoch
        validation = self.task.validation_batches(EVALUATION_BATCH_SIZE)
        self.model.fit(
            self._feed(self.task.batches(epochs=self.training.epochs, start=epoch * steps + first_step)),
            initial_epoch=epoch,
            epochs=epochs,
            steps_per_epoch=steps - first_step,
            shuffle=False,  # TrainingBatches decides the order
            validation_data=None if validation is None else self._feed(validation),
            callbacks=self._callbacks(),
            verbose=0,
        )

    def _feed(self, batches: keras.utils.PyDataset) -> Any:
        """Return the batches in the form that the backend takes."""
        is_unequal = self.task.train.inputs.dtype == object
        return current().as_dataset(batches, self.model) if is_unequal else batches

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the callbacks in the order in which they are called, which matters."""
        ema = [self.ema] if self.ema else []
        return [
            self.position,
            self.terminate_on_nan,
            self.best_weights,
            *ema,
            self.logger,
            self.checkpoints,
            self.stop_on_signal,
        ]

    def _finalize(self) -> None:
        """Put the weights that are kept into the network, and save it."""
        if self.ema:
            self.ema.finalize()
        self.best_weights.restore()
        self._save()

    def _save(self) -> None:
        with replacing(self.run.path / "model.keras") as part:
            self.model.save(part)
        split = self.task.calibration_split
        if split is not None:
            self.task.calibration = self.task.calibrate(self.task.predict(self.model, split), split)
            self.run.save_calibration(self.task.calibration)


def _describe_data(task: Task, model: keras.Model) -> dict[str, Any]:
    data = task.data
    return {
        "name": data.name,
        "source": data.source,
        "example_shape": list(data.example_shape),
        "dtype": data.kind if data.kind != "arrays" else str(data.train.inputs.dtype),
        "classes": list(task.output_names),
        "schema": data.schema,
        "facts": task.facts,
        "series": [timeline.name for timeline in data.timelines],
        "training_examples": task.sizes["training"],
        "validation_examples": task.sizes["validation"],
        "test_examples": data.test.size,
        "parameters": model.count_params(),
        "fingerprints": data.fingerprints,
    }


def _check_not_a_trial(run: Run) -> None:
    search = run.path.resolve().parent.parent
    if (search / SEARCH_FILE).exists():
        raise RunError(f"{run.path}: the run is a trial of a search. Continue the search: unrolled search {search}")


def _check_epochs(run: Run, epochs: int, checkpoint: Checkpoint | None) -> None:
    begun = checkpoint.epoch + (checkpoint.step > 0) if checkpoint else 0
    if epochs < begun:
        raise InvalidSetting(
            f"--epochs: expected at least {begun} in total, got {epochs}: so many are finished or begun in {run.path}."
        )


def _check_checkpoint(run: Run, checkpoint: Checkpoint | None) -> None:
    """Refuse to continue with other settings, or a training that has ended without its checkpoint."""
    if checkpoint is None and run.is_trained:
        raise RunError(
            f"{run.path}: there is a trained network but no checkpoint to continue from. "
            f"Train again: unrolled train {run.path / 'experiment.yaml'}"
        )
    if checkpoint is None:
        return
    if changed := diff_settings(checkpoint.notes["settings"], resumable_settings(run.config)):
        raise RunError(
            f"{run.path}: {changed[0].path} in experiment.yaml is not that of the checkpoint. "
            "Restore it, or train again."
        )


def _check_data(run: Run, task: Task) -> None:
    before = run.data.get("fingerprints") if (run.path / "data.json").exists() else None
    if before is not None and before != task.data.fingerprints:
        raise RunError(
            f"{run.path}: {task.data.name} holds other examples than those it was trained on. "
            "Restore the file, or train again."
        )


def _format_position(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "starting over: there is no checkpoint yet"
    return f"continuing in epoch {checkpoint.epoch + 1} after step {checkpoint.step}"
