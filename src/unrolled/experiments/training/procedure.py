"""The training procedure, to be read from top to bottom."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.errors import TrainingStopped, WriteError
from unrolled.experiments.batches import steps_in
from unrolled.experiments.examples import Examples, choose_examples
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network, check_components
from unrolled.experiments.report import write_report
from unrolled.experiments.run import Run
from unrolled.experiments.training.checkpoints import Checkpoint
from unrolled.experiments.training.environment import record_environment
from unrolled.experiments.training.fitting import EVALUATION_BATCH_SIZE, Fitting
from unrolled.experiments.training.locks import locked
from unrolled.experiments.training.progress import Progress, choose_progress
from unrolled.experiments.training.seeding import seed_everything
from unrolled.experiments.training.signals import StopRequest, listening
from unrolled.storage import write_json

import keras


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

    Sets the random seeds of Python, NumPy and, where it computes, torch.

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
    examples = choose_examples(data, experiment)
    model = build(experiment, data, examples)
    request.answer(f"train: {experiment.name}: interrupted before the first batch; nothing was written")

    run = Run.create(experiment, runs)
    with locked(run.path):
        carry_out(run, model, data, examples, progress, request, tested=tested)
    return run


def build(experiment: Experiment, data: Dataset, examples: Examples) -> keras.Model:
    """The network before anything is learned."""
    seed_everything(experiment.seed)
    steps = experiment.training.epochs * steps_in(examples.learned, experiment.training.batch_size)
    return build_network(experiment, data, steps=steps, encoding=examples.encoding)


def carry_out(
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
        "reading": data.reading.to_json() if data.reading else None,
        "training_examples": examples.learned.size,
        "validation_examples": examples.watched.size if examples.watched else 0,
        "test_examples": data.test.size,
    }
