"""The training procedure, to be read from top to bottom."""

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, hold_out
from unrolled.errors import Diverged, Interrupted, TrainingStopped, WriteError
from unrolled.experiments.batches import Batches
from unrolled.experiments.callbacks import Recorder, Watch
from unrolled.experiments.environment import describe_environment
from unrolled.experiments.evaluation import evaluate
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network, check_components, probabilities
from unrolled.experiments.progress import Progress, choose_progress
from unrolled.experiments.report import write_report
from unrolled.experiments.run import Run
from unrolled.experiments.signals import StopRequest, listening
from unrolled.storage import replacing, write_json

import keras
import numpy as np

EVALUATION_BATCH_SIZE = 256


def train(
    experiment: str | Path | Mapping[str, Any] | Experiment = "mnist-rows",
    *,
    seed: int | None = None,
    settings: Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    quiet: bool = False,
) -> Run:
    """Train an experiment and keep everything that it gave in a new run folder.

    Sets the random seeds of Python and NumPy.

    Args:
        experiment: A recipe's name, an experiment file, the settings themselves, or an Experiment.
        seed: Replaces the experiment's seed.
        settings: Changes to single settings, as in ``["training.epochs=5", "network.1.LSTM.units=64"]``.
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
    experiment = Experiment.find(experiment, settings=settings, name=name, seed=seed)
    progress = choose_progress(quiet=quiet)
    progress.announce(experiment)
    with listening() as request:
        return train_experiment(experiment, Path(runs), progress, request)


def train_experiment(
    experiment: Experiment, runs: Path, progress: Progress, request: StopRequest, *, tested: bool = True
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
    learned, watched = divide(data, experiment)

    _seed_everything(experiment.seed)
    model = build_network(experiment, data)
    request.answer(f"train: {experiment.name}: interrupted before the first batch; nothing was written")

    run = Run.create(experiment, runs)
    try:
        run.write_status("running")
        write_json(run.path / "environment.json", describe_environment(experiment.seed))
        write_json(run.path / "data.json", _describe(data, learned, watched))
        _fit(model, experiment, learned, watched, run, progress, request)
        stopped_late = f"train: {experiment.name}: interrupted after the training; kept what was learned in {run.path}"
        request.answer(stopped_late)
        if tested:
            measure(model, data, run, progress)
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
    return run


def divide(data: Dataset, experiment: Experiment) -> tuple[Split, Split | None]:
    """The examples to learn from, and those to watch after each epoch."""
    validation = experiment.training.validation
    if validation == "test":
        return data.train, data.test
    if validation == "none":
        return data.train, None
    return hold_out(data.train, float(validation), experiment.seed)


def _seed_everything(seed: int) -> None:
    """Seed what layers and initializers without a seed of their own draw one from.

    ``keras.utils.set_random_seed`` does the same and imports TensorFlow wherever it is installed, which takes 5 s.
    """
    random.seed(seed)
    np.random.seed(seed)


def _fit(
    model: keras.Model,
    experiment: Experiment,
    learned: Split,
    watched: Split | None,
    run: Run,
    progress: Progress,
    request: StopRequest,
) -> None:
    """Train, and save the network whether the training reached its end or not."""
    training = experiment.training
    batches = Batches(learned, batch_size=training.batch_size, epochs=training.epochs, seed=experiment.seed)
    watch = Watch(request, run)
    recorder = Recorder(run, progress, examples=learned.size, batch_size=training.batch_size, epochs=training.epochs)
    selection = _selection(experiment)
    try:
        model.fit(
            batches,
            epochs=training.epochs,
            steps_per_epoch=batches.steps,
            shuffle=False,  # Batches decides the order
            validation_data=watched and (watched.inputs, watched.targets),
            validation_batch_size=EVALUATION_BATCH_SIZE,
            callbacks=[watch, *selection, recorder],
            verbose=0,
        )
        watch.check_weights()
    except Diverged:
        model.set_weights(watch.good[0])
        _save(model, run)
        raise
    except Interrupted:
        for choice in selection:
            choice.on_train_end()
        _save(model, run)
        raise
    finally:
        progress.end()
    _save(model, run)


def _selection(experiment: Experiment) -> list[keras.callbacks.Callback]:
    """What chooses among the epochs by their validation loss, where the experiment asks for it."""
    training = experiment.training
    if training.early_stopping is None and training.keep == "last":
        return []
    patience = training.early_stopping.patience if training.early_stopping else training.epochs
    return [keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=training.keep == "best")]


def _save(model: keras.Model, run: Run) -> None:
    with replacing(run.path / "model.keras") as part:
        model.save(part)


def measure(model: keras.Model, data: Dataset, run: Run, progress: Progress) -> None:
    """Measure a run's network on the test set, and write the figures and the report; once in a network's life.

    Raises:
        WriteError: The run folder cannot be written.
    """
    progress.say("measuring on the test set")
    given = probabilities(model, data.test.inputs, EVALUATION_BATCH_SIZE)
    evaluation = evaluate(given, data.test.targets, data.classes)
    write_json(run.path / "evaluation.json", evaluation.to_json())
    write_report(run, model, data, given)
    progress.say(f"test accuracy {evaluation.accuracy:.4f}  report {run.path / 'report.html'}")


def _describe(data: Dataset, learned: Split, watched: Split | None) -> dict[str, Any]:
    return {
        "name": data.name,
        "source": data.source,
        "example_shape": list(data.example_shape),
        "dtype": str(data.train.inputs.dtype),
        "classes": list(data.classes),
        "training_examples": learned.size,
        "validation_examples": watched.size if watched else 0,
        "test_examples": data.test.size,
    }
