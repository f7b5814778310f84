"""Whether every choice of a search can be trained, found out before any is."""

from unrolled.errors import InvalidSetting
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network, check_components
from unrolled.experiments.search.space import SearchSpace


def default_metric(space: SearchSpace) -> str:
    """What trials are compared by unless somebody says otherwise."""
    first = Experiment.parse(space.settle(next(iter(space.one_at_a_time()))))
    return "val_accuracy" if first.task == "classify" else "val_loss"


def check_experiments(space: SearchSpace, metric: str = "val_accuracy") -> None:
    """Make the layers and the optimizer of each choice, one choice changed at a time, and build one network.

    A pair of choices that do not fit together is found when a trial picks it; it does not end the search.

    Args:
        space: What is searched.
        metric: What the trials are to be compared by.

    Raises:
        InvalidSetting: A choice has a wrong name or argument, nothing is held out to compare by, or no network of
            those tried can be built; the message names the line.
        DataError: The data cannot be loaded.
    """
    experiments: list[Experiment] = []
    for picked in space.one_at_a_time():
        experiment = Experiment.parse(space.settle(picked))
        first = experiments[0] if experiments else experiment
        _check_validation(experiment, first)
        _check_metric(experiment, first, metric)
        check_components(experiment)
        experiments.append(experiment)
    data = experiments[0].load_data()
    refusal: InvalidSetting | None = None
    for experiment in experiments:
        try:
            build_network(experiment, data)
        except InvalidSetting as refused:
            refusal = refusal or refused
        else:
            return
    assert refusal is not None
    raise refusal


def _check_validation(experiment: Experiment, first: Experiment) -> None:
    validation = experiment.training.validation
    where = experiment.where("training", "validation")
    if not experiment.training.holds_out:
        reason = " (choosing by the test set makes its accuracy meaningless)" if validation == "test" else ""
        raise InvalidSetting(
            f"{where}: expected a fraction of the training examples to compare trials by, got {validation}{reason}. "
            "Set validation: 0.1"
        )
    if validation != first.training.validation:
        raise InvalidSetting(
            f"{where}: expected the same validation examples for all trials, got another fraction for some. "
            "Search something else."
        )


def _check_metric(experiment: Experiment, first: Experiment, metric: str) -> None:
    training = experiment.training
    names = ", ".join(component.name for component in training.metrics)
    if metric == "val_accuracy" and "accuracy" not in (component.name for component in training.metrics):
        raise InvalidSetting(
            f"{experiment.where('training', 'metrics')}: expected accuracy among the metrics to compare trials by, "
            f"got {names or 'none'}. Add it, or compare by the loss: --metric val_loss"
        )
    if metric == "val_loss" and training.loss != first.training.loss:
        raise InvalidSetting(
            f"{experiment.where('training', 'loss')}: expected the same loss for all trials that are compared by it, "
            "got another one for some. Compare by the accuracy: --metric val_accuracy"
        )
