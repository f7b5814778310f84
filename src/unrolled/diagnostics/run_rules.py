"""Rules about the result of a run: its metrics on the test set beside simple methods, and its learning curves."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence

from unrolled.diagnostics.diagnostic import Measurement, RuleSet
from unrolled.diagnostics.lr_probe import loss_of
from unrolled.diagnostics.target import DiagnosticTarget
from unrolled.model.components import depends_on_length
from unrolled.runs.run import Run
from unrolled.tasks.events import ANOMALY, GOOD_AUC
from unrolled.tasks.metrics import Evaluation

import numpy as np

RUN_RULES: RuleSet[[DiagnosticTarget, Run]] = RuleSet("Result of a run")

_LOSS_EXAMPLES = 512
"""The number of examples over which the loss of the untrained network is taken."""
_PART = 5
"""Learning curves are compared over the last fifth of the epochs."""


@RUN_RULES.rule(
    code="nothing-learned",
    severity="error",
    summary="On the test set the network is not better than the simplest method, which reads little or nothing.",
    unit="% fewer errors than that method",
    threshold=1,
    side="below",
    why="A network that always predicts the majority class, the mean or the last value makes 0 % fewer.",
    fix="Find a learning rate with unrolled find-lr, or train longer.",
)
def nothing_learned(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Compare the network with the first baseline, the simplest, in the metric that shows if anything was learned."""
    evaluation = evaluation_of(run)
    if evaluation is None or target.task is None:
        return
    name = target.task.learned_by or evaluation.headline
    if not (errors := errors_of_baselines(evaluation, name)):
        return
    simplest, error = next(iter(errors.items()))
    own = error_of(evaluation, name, evaluation.metrics)
    if error > 0 or own > 0:
        fewer = 100 * (1 - own / error) if error > 0 else -math.inf
        yield Measurement(fewer, _compared(target, evaluation, simplest, name), _improve(run, evaluation))


@RUN_RULES.rule(
    code="below-baseline",
    severity="warning",
    summary="On the test set a simpler method is better than the network.",
    unit="standard errors",
    threshold=2,
    why="Another test set of this size could turn a smaller difference around.",
    fix="Use that method, or try a longer training, another size of the network, or more regularization.",
    unless=(nothing_learned,),
)
def below_baseline(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Compare the main metric with that of the best baseline."""
    evaluation = evaluation_of(run)
    best = None if evaluation is None else evaluation.best_baseline
    if evaluation is not None and best is not None and target.task is not None:
        behind = standard_errors_behind(evaluation, best, target.task.count_independent(evaluation))
        where = _compared(target, evaluation, best, evaluation.headline)
        yield Measurement(behind, where, f"Use that method, or: {_improve(run, evaluation)}")


def evaluation_of(run: Run) -> Evaluation | None:
    """Return the metrics on the test set, if baselines can be compared with them.

    None for a run that was not evaluated; and with class weights, which give up some accuracy for the rare classes,
    unless all examples are predicted to be of one class.
    """
    if not (run.path / "evaluation.json").exists():
        return None
    evaluation = run.evaluation
    return evaluation if run.config.training.class_weights is None or predicts_one_class(evaluation) else None


def predicts_one_class(evaluation: Evaluation) -> bool:
    """Return True for a classifier that predicted the same class of all examples."""
    return bool(evaluation.confusion) and np.count_nonzero(np.sum(evaluation.confusion, axis=0)) == 1


def error_of(evaluation: Evaluation, name: str, metrics: Mapping[str, float]) -> float:
    """Return a metric as an error, 0 at best: 1 - accuracy, or the value of an error itself such as the loss."""
    is_score = evaluation.is_higher_better and name == evaluation.headline
    return 1 - metrics[name] if is_score else metrics[name]


def errors_of_baselines(evaluation: Evaluation, name: str) -> dict[str, float]:
    """Return the error of each baseline that has a metric, by name."""
    return {one: error_of(evaluation, name, found) for one, found in evaluation.baselines.items() if name in found}


def standard_errors_behind(evaluation: Evaluation, baseline: str, independent: float) -> float:
    """Return how much worse than a baseline the network is, in standard errors of the difference; negative if better.

    ::

        (e - b) / sqrt((s(e)^2 + s(b)^2) / B)      s(e)^2 = e (1 - e) for the share of wrong examples
                                                   s(e) = e           for a mean error, whose spread is about its mean

    Args:
        evaluation: The metrics of the network.
        baseline: The name of the baseline.
        independent: B, the number of independent results.
    """
    own, other = (
        error_of(evaluation, evaluation.headline, metrics)
        for metrics in (evaluation.metrics, evaluation.baselines[baseline])
    )
    variances = [
        error * (1 - error) if evaluation.is_higher_better and 0 <= error <= 1 else error**2 for error in (own, other)
    ]
    deviation = math.sqrt(sum(variances) / max(independent, 1))
    if deviation == 0:
        return math.inf if own > other else 0.0
    return (own - other) / deviation


def _compared(target: DiagnosticTarget, evaluation: Evaluation, baseline: str, name: str) -> str:
    own, other = evaluation.metrics[name], evaluation.baselines[baseline][name]
    return f"{target.locations.data('test')}, {name} {own:.4g} of the network, {other:.4g} of {baseline}"


def _improve(run: Run, evaluation: Evaluation) -> str:
    """Return what to try, judged by the predictions and the learning curves."""
    experiment = run.path / "experiment.yaml"
    find_rate = f"find a learning rate: unrolled find-lr {shlex.quote(str(experiment))}"
    losses = [float(record["loss"]) for record in run.metrics]
    if predicts_one_class(evaluation):
        balance = (
            "" if run.config.training.class_weights else "weight the classes (training.class_weights=balanced), or "
        )
        return f"The network predicts one class alone; {balance}{find_rate}"
    if len(losses) > 1 and losses[-1] > 0.9 * losses[0]:
        return f"The training loss hardly fell; {find_rate}"
    if _rise(run) > rising_validation_loss.threshold:
        return "The network knows the training examples by heart; add Dropout, take fewer units, or add examples."
    return f"Train longer: --set training.epochs={2 * run.config.training.epochs}; or {find_rate}"


@RUN_RULES.rule(
    code="threshold-too-high",
    severity="warning",
    summary="No anomaly is found, although the scores of the known ones are mostly higher than those of other steps.",
    unit="ROC AUC of the steps, of which none is flagged",
    threshold=GOOD_AUC,
    why="0.5 is chance. Beyond 0.8 a lower threshold would find some of them.",
    fix="Train again with a lower threshold: detect.margin",
)
def threshold_too_high(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Take the area under the ROC curve of a detection that flags nothing."""
    evaluation = evaluation_of(run)
    if evaluation is not None and evaluation.metrics.get("flagged") == 0 and "ROC AUC" in evaluation.metrics:
        remedies = [note.partition(". ")[2] for note in evaluation.notes]
        yield Measurement(evaluation.metrics["ROC AUC"], run.config.where("detect"), remedies[0] if remedies else "")


@RUN_RULES.rule(
    code="many-flagged",
    severity="warning",
    summary="A large part of the test set is flagged: its ordinary steps differ from those of the training.",
    unit="% of the steps, beside those of known anomalies",
    threshold=20,
    why="Anomalies are rare. The threshold is above every ordinary score in the validation part.",
    fix="Check that both were recorded in the same way, train on all ordinary states, or raise detect.margin.",
)
def many_flagged(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Measure the share of the test steps that are flagged, less the share that is known to be anomalous."""
    evaluation = evaluation_of(run)
    if evaluation is not None and "flagged" in evaluation.metrics and target.task is not None:
        labels = np.concatenate([np.asarray(one) for one in target.task.data.test.targets])
        share = evaluation.metrics["flagged"] - float((labels == ANOMALY).mean())
        yield Measurement(100 * share, target.locations.data("test"))


@RUN_RULES.rule(
    code="still-improving",
    severity="info",
    summary="The validation loss was still falling when the training ended.",
    unit="% of the loss of the untrained network, in the last fifth of the epochs",
    threshold=3,
    why="On MNIST the last of three epochs gains 1 or 2 %. Reported only if the last epoch is the best.",
    fix="Train longer.",
)
def still_improving(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Measure how far the validation loss fell at the end of the training."""
    losses = validation_losses(run)
    if len(losses) < 2 or min(losses) < losses[-1]:
        return
    fall = losses[-1 - max(1, len(losses) // _PART)] - losses[-1]
    untrained = loss_of(target.untrained(), target.first_examples(_LOSS_EXAMPLES))
    epochs = 2 * len(losses)
    fix = f"Train longer: unrolled resume {shlex.quote(str(run.path))} --epochs {epochs}"
    if depends_on_length(run.config):
        fix = f"Train longer, with a longer schedule of the learning rate: --set training.epochs={epochs}"
    if 0 < untrained < math.inf:
        yield Measurement(100 * fall / untrained, run.config.where("training", "epochs"), fix)


def validation_losses(run: Run) -> Sequence[float]:
    """Return the validation loss of each epoch; empty without validation, or if one of them is not finite."""
    losses = [float(record.get("val_loss", math.nan)) for record in run.metrics]
    return losses if all(map(math.isfinite, losses)) else []


@RUN_RULES.rule(
    code="rising-validation-loss",
    severity="warning",
    summary="It overfitted: the validation loss rose while the training loss fell, and the last epoch was kept.",
    unit="% above the best validation loss",
    threshold=30,
    why="Of a classifier that grows too sure of itself it rises by a fifth while the accuracy still holds.",
    fix="Keep the best epoch (training.keep=best), add Dropout, or take fewer units.",
)
def rising_validation_loss(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Measure the rise of the validation loss after its best epoch, unless the best epoch was kept."""
    training, losses = run.config.training, validation_losses(run)
    if losses and training.keep == "last":
        best = losses.index(min(losses)) + 1
        validation = "" if training.has_validation_split else "--set training.validation=0.1 "
        fix = (
            f"Of {len(losses)} epochs the last {len(losses) - best} did harm. Keep the best one: {validation}--set "
            "training.keep=best; Dropout and fewer units make the rise smaller."
        )
        yield Measurement(_rise(run), run.config.where("training", "epochs"), fix)


def _rise(run: Run) -> float:
    """Return how far the validation loss ended above its best value, in per cent, where the training loss fell on."""
    losses = validation_losses(run)
    if not losses or min(losses) <= 0:
        return 0.0
    best = losses.index(min(losses))
    if run.metrics[-1]["loss"] >= run.metrics[best]["loss"]:
        return 0.0
    return 100 * (losses[-1] / losses[best] - 1)


@RUN_RULES.rule(
    code="wasted-epochs",
    severity="info",
    summary="Most of the training came after the epoch that was kept, and its weights were thrown away.",
    unit="% of the epochs",
    threshold=50,
    why="Early stopping would have spared more than half of the time.",
    fix="Stop early: --set training.early_stopping={patience: 5}",
)
def wasted_epochs(target: DiagnosticTarget, run: Run) -> Iterator[Measurement]:
    """Measure the share of the epochs after the best one, if that one was kept and nothing stops the training."""
    training, losses = run.config.training, validation_losses(run)
    if losses and training.keep == "best" and training.early_stopping is None:
        wasted = len(losses) - 1 - losses.index(min(losses))
        stop = shlex.quote(f"training.early_stopping={{patience: {max(2, len(losses) // 10)}}}")
        fix = f"Stop early, {wasted} of {len(losses)} epochs changed nothing: --set {stop}"
        if depends_on_length(run.config):
            fix = f"Train for fewer epochs, {wasted} of {len(losses)} changed nothing: --set training.epochs="
            fix += str(max(1, len(losses) - wasted))
        yield Measurement(100 * wasted / len(losses), run.config.where("training", "epochs"), fix)
