"""What the doctor examines: a network with its data, wherever it comes from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.errors import InvalidInput, InvalidSetting, RunError, did_you_mean
from unrolled.experiments.batches import one_hot
from unrolled.experiments.examples import choose_examples
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network
from unrolled.experiments.run import Run
from unrolled.experiments.sources import recipes
from unrolled.experiments.training.seeding import seed_everything
from unrolled.insight.examples import labels_of
from unrolled.insight.places import Places

import keras
import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Subject:
    """A network, its data, and how it is or was trained.

    Attributes:
        model: The network, compiled.
        is_trained: Whether it has learned already.
        fresh: Gives the same network as it was before it learned.
        places: How to name a place in it.
        learned: The examples that it learns from.
        held: The examples held out, by the name of their part.
        class_names: The names of the classes; empty where none are known.
        order: The order in which the examples are given to it first.
        batch_size: Examples per step.
        weighs_classes: Whether rare classes count more than others already.
    """

    model: Any
    is_trained: bool
    fresh: Callable[[], Any]
    places: Places
    learned: Split
    held: Mapping[str, Split]
    class_names: tuple[str, ...]
    order: NDArray[np.int64]
    batch_size: int
    weighs_classes: bool = False

    def sample(self, examples: int) -> Split:
        """The first examples that the network is given."""
        return self.learned.select(self.order[:examples])


def find_subject(source: str | Path, settings: Sequence[str], runs: Path) -> Subject:
    """The subject of a recipe's name, an experiment file, or a run as ``Run.find`` knows it.

    Raises:
        InvalidSetting: The experiment says something impossible, or settings are given for a run.
        RunError: There is no such recipe, file or run.
    """
    is_file = Path(source).is_file() or Path(source).suffix in (".yaml", ".yml")
    if str(source) in recipes() or is_file:
        return subject_of_experiment(Experiment.find(source, settings=settings))
    try:
        run = Run.find(str(source), runs)
    except RunError as error:
        suggestion = did_you_mean(str(source), recipes())
        if str(source) == "latest" or not suggestion:
            raise
        raise RunError(f'doctor: unknown recipe or run "{source}".{suggestion}') from error
    if settings:
        raise InvalidSetting(
            f"--set: expected none for a trained network, got {settings[0]}. "
            f"Examine its experiment instead: unrolled doctor {run.path / 'experiment.yaml'} --set {settings[0]}"
        )
    return subject_of_run(run)


def subject_of_experiment(experiment: Experiment) -> Subject:
    """A network that has learned nothing yet."""
    data = experiment.load_data()
    _check_kind(data)
    model = _build(experiment, data)
    return _of(experiment, data, model, is_trained=False, fresh=lambda: model)


def subject_of_run(run: Run) -> Subject:
    """A trained network with the data that it learned from."""
    data = run.experiment.load_data()
    return _of(run.experiment, data, run.model, is_trained=True, fresh=lambda: _build(run.experiment, data))


def subject_of_model(
    model: Any,
    inputs: NDArray[Any],
    targets: NDArray[Any],
    *,
    test: Pair | None = None,
    batch_size: int = 32,
    shuffled: bool = True,
    seed: int = 0,
) -> Subject:
    """Any compiled model of one input and one output, taken as one that has learned nothing yet.

    Raises:
        InvalidInput: The model is not compiled or not of that form, or the arrays do not fit together.
    """
    if not isinstance(model, keras.Model):
        raise InvalidInput(f"diagnose: expected a keras.Model, got {type(model).__name__}. Pass a model and its data.")
    if not getattr(model, "compiled", False):
        raise InvalidInput("diagnose: expected a compiled model, got one without a loss. Call model.compile first.")
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    if inputs.dtype.kind not in "biuf" or inputs.ndim < 2 or len(inputs) != len(targets) or not len(inputs):
        raise InvalidInput(
            f"diagnose: expected numbers [B, ...] and as many targets, got {inputs.dtype} {list(inputs.shape)} and "
            f"{list(targets.shape)}. Pass the arrays that the model is trained on."
        )
    if not model.built:
        model(keras.ops.convert_to_tensor(inputs[:1]))
    ends = [len(getattr(model, name, None) or [0]) for name in ("inputs", "outputs")]
    if ends != [1, 1]:
        raise InvalidInput(
            f"diagnose: expected a model of one input and one output, got {ends[0]} and {ends[1]}. "
            "Examine its parts one by one."
        )
    held = {} if test is None else {"test": Split(*map(np.asarray, test))}
    indices = np.arange(len(targets))
    order = np.random.default_rng(seed).permutation(indices) if shuffled else indices
    known = labels_of(targets)
    names = () if known is None else tuple(str(index) for index in range(int(known.max()) + 1))
    split = Split(inputs, targets)
    return Subject(model, False, lambda: model, Places(None), split, held, names, order, batch_size)


def _of(experiment: Experiment, data: Dataset, model: Any, *, is_trained: bool, fresh: Callable[[], Any]) -> Subject:
    _check_kind(data)
    examples = choose_examples(data, experiment)
    held = {"test": data.test}
    if examples.watched is not None and examples.watched is not data.test:
        held = {"validation": examples.watched, **held}
    training = experiment.training
    batches = examples.batches(experiment, epochs=training.epochs)
    return Subject(
        model,
        is_trained,
        fresh,
        Places(experiment),
        _as_the_loss_takes_them(examples.learned, examples.classes),
        {part: _as_the_loss_takes_them(split, examples.classes) for part, split in held.items()},
        data.classes,
        batches.order(0),
        training.batch_size,
        examples.weights is not None,
    )


def _check_kind(data: Dataset) -> None:
    if data.kind != "arrays":
        raise InvalidInput(
            f"doctor: expected images or arrays of one shape, got {data.name}, which is {data.kind}. "
            "Look at its lengths and classes with: unrolled show"
        )


def _as_the_loss_takes_them(split: Split, classes: int | None) -> Split:
    return split if classes is None else Split(split.inputs, one_hot(split.targets, classes).astype(np.int64))


def _build(experiment: Experiment, data: Dataset) -> Any:
    seed_everything(experiment.seed)
    return build_network(experiment, data)
