"""The examination, to be read from top to bottom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Split
from unrolled.diagnostics import data_rules, model_rules
from unrolled.diagnostics.data_rules import check_data, count_out_of_range
from unrolled.diagnostics.diagnostic import Diagnostic, Rule, most_severe_first
from unrolled.diagnostics.lr_probe import Trial, attempt, restored
from unrolled.diagnostics.model_rules import (
    check_first_weights,
    check_gradients,
    check_masks,
    check_outputs,
    check_units,
)
from unrolled.diagnostics.probe import Call, listen
from unrolled.diagnostics.target import (
    DiagnosticTarget,
    Pair,
    find_target,
    target_of_experiment,
    target_of_model,
    target_of_run,
)
from unrolled.errors import InvalidInput
from unrolled.runs.run import Run
from unrolled.training.callbacks import is_finite

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

LEARNED_FROM = 2000
"""How many examples a trial learns from."""
LISTENED_TO = 256
"""How many examples show what layers do."""
DIFFERENTIATED = 32
"""How many examples show the gradient."""


def diagnose(
    subject: "str | Path | Mapping[str, Any] | ExperimentConfig | Run | keras.Model" = "mnist-rows",
    inputs: NDArray[Any] | None = None,
    targets: NDArray[Any] | None = None,
    *,
    test: Pair | None = None,
    overrides: Sequence[str] = (),
    runs: str | Path = "runs",
    batch_size: int = 32,
    shuffled: bool = True,
    seed: int = 0,
) -> tuple[Diagnostic, ...]:
    """Look for what goes wrong with recurrent networks, and say what to do about it.

    An experiment's network, or a model, is taken as untrained and tries a few steps at its learning rate and at
    others; of a run the trained network is examined, and one as it was at its start tries the steps. Models are left
    as they were. Sets the random seeds of Python, NumPy and, where it computes, torch for experiments and runs.

    Args:
        subject: A recipe's name, an experiment file, the settings themselves, an Experiment; a Run, its folder or
            name, or ``"latest"``; or a compiled ``keras.Model`` of one input and one output, with its arrays.
        inputs: Of a model, the examples that it is trained on, [B, ...].
        targets: Of a model, their targets.
        test: Of a model, the inputs and targets held out, if any.
        overrides: Of an experiment, changes to single settings, as ``--set`` takes them.
        runs: The folder of the runs, for names.
        batch_size: Of a model, examples per step.
        shuffled: Of a model, whether its training shuffles the examples, as ``fit`` does by itself.
        seed: Of a model, decides the order of its examples.

    Returns:
        What was found, worst first; nothing where the network is healthy.

    Raises:
        InvalidSetting: The experiment says something impossible.
        InvalidInput: The model and the arrays do not fit together, or are not of the form named above.
        DataError: The data cannot be loaded.
        RunError: There is no such recipe, file or run, or the run has no network.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((9, 2)), keras.layers.GRU(8), keras.layers.Dense(2)])
        >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
        >>> inputs = np.random.default_rng(0).normal(size=(64, 9, 2))
        >>> diagnose(model, inputs, inputs[:, -1, 0] > 0)[0].name
        'logits-as-probabilities'
    """
    found: DiagnosticTarget
    if isinstance(subject, Run):
        found = target_of_run(subject)
    elif isinstance(subject, ExperimentConfig | Mapping):
        found = target_of_experiment(ExperimentConfig.load(subject, overrides=overrides))
    elif isinstance(subject, str | Path):
        found = find_target(subject, overrides, Path(runs))
    elif inputs is None or targets is None:
        raise InvalidInput("diagnose: expected inputs and targets with a model, got none. Pass its training arrays.")
    else:
        found = target_of_model(
            subject, inputs, targets, test=test, batch_size=batch_size, shuffled=shuffled, seed=seed
        )
    return check_target(found)


def check_target(subject: DiagnosticTarget) -> tuple[Diagnostic, ...]:
    """First the data, then what the untrained network does with it, then how it learns, then what it has become."""
    findings = check_data(subject)
    if any(finding.name == data_rules.NON_FINITE_INPUTS.name for finding in findings):
        return most_severe_first(findings)
    with restored(subject.model):
        findings += check_untrained(subject)
        if not any(finding.name == data_rules.TARGETS_OUT_OF_RANGE.name for finding in findings):
            findings += _examine_learning(subject)
    return most_severe_first(findings)


def check_untrained(subject: DiagnosticTarget) -> list[Diagnostic]:
    """What needs no training to be seen: the first weights, masks and padding, outputs and loss."""
    heard = subject.sample(LISTENED_TO)
    calls = listen(subject.model, heard.inputs)
    findings = _examine_range(subject, calls) + check_first_weights(subject, calls)
    return findings + check_masks(subject, calls, heard) + check_outputs(subject, calls)


def _examine_range(subject: DiagnosticTarget, calls: Sequence[Call]) -> list[Diagnostic]:
    outputs = calls[-1].outputs.shape[-1]
    remedy = f"Give the last layer an output for each class: {_units(subject, calls)}"
    strange = count_out_of_range(subject.learned, outputs)
    return data_rules.TARGETS_OUT_OF_RANGE.judge(strange, subject.places.layer(calls[-1].part), remedy)


def _units(subject: DiagnosticTarget, calls: Sequence[Call]) -> str:
    return subject.places.change(calls[-1].part, "units", str(len(subject.class_names)))


def _examine_learning(subject: DiagnosticTarget) -> list[Diagnostic]:
    """A trial, then the layers and the gradient of the network that has learned: of the trained one, or a little."""
    fresh = subject.fresh()
    with restored(fresh):
        trial = attempt(fresh, *subject.sample(LEARNED_FROM), subject.batch_size)
        findings = _examine_trial(subject, trial)
        if subject.is_trained or is_finite(subject.model):
            return findings + _examine_layers(subject)
    return findings + _examine_layers(subject)


def _examine_layers(subject: DiagnosticTarget) -> list[Diagnostic]:
    heard = subject.sample(LISTENED_TO)
    calls = listen(subject.model, heard.inputs)
    few = Split(heard.inputs[:DIFFERENTIATED], heard.targets[:DIFFERENTIATED])
    return check_units(subject, calls) + check_gradients(subject, calls, few)


def _examine_trial(subject: DiagnosticTarget, trial: Trial) -> list[Diagnostic]:
    """The learning rate, unless the loss is no number before the first step, which is not its fault."""
    if trial.rate is None or not np.isfinite(trial.start):
        return []
    where = subject.places.training()
    change = subject.places.optimizer("learning_rate", float(f"{trial.best:.2g}"))
    findings = model_rules.LEARNING_RATE_TOO_HIGH.judge(trial.excess, where, f"Lower the learning rate: {change}")
    if findings:
        return findings
    return model_rules.LEARNING_RATE_TOO_LOW.judge(trial.shortfall, where, f"Raise the learning rate: {change}")


RULES: tuple[Rule, ...] = tuple(
    kind for module in (data_rules, model_rules) for kind in vars(module).values() if isinstance(kind, Rule)
)
"""All of them, in the order of their causes: what stands above may bring about what stands below."""
