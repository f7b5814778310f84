"""The diagnosis of a network and its data, from top to bottom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.frames import keep_frames
from unrolled.diagnostics.data_rules import DATA_RULES, non_finite_inputs
from unrolled.diagnostics.diagnostic import Diagnostic, Rule, RuleSet, is_found, most_severe_first
from unrolled.diagnostics.input_rules import INPUT_RULES
from unrolled.diagnostics.lr_probe import preserve_state, probe_learning_rates
from unrolled.diagnostics.model_rules import MODEL_RULES, non_finite_weights, targets_out_of_range
from unrolled.diagnostics.probe import Trace
from unrolled.diagnostics.run_rules import RUN_RULES
from unrolled.diagnostics.target import (
    DiagnosticTarget,
    Pair,
    find_target,
    target_of_experiment,
    target_of_model,
    target_of_run,
)
from unrolled.diagnostics.training_rules import LEARNING_RATE_RULES, TRAINING_RULES
from unrolled.errors import InvalidInput
from unrolled.runs.run import Run
from unrolled.training.callbacks import is_finite

from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

RULE_SETS: tuple[RuleSet[Any], ...] = (
    DATA_RULES,
    INPUT_RULES,
    MODEL_RULES,
    LEARNING_RATE_RULES,
    TRAINING_RULES,
    RUN_RULES,
)
"""In the order in which they are checked: problems found by one may cause those found by the next."""
RULES: tuple[Rule[Any], ...] = tuple(rule for rules in RULE_SETS for rule in rules.rules)

PROBE_EXAMPLES = 2000
"""The number of examples on which learning rates are tried."""
TRACE_EXAMPLES = 256
"""The number of examples on which layers are recorded."""


def diagnose(
    source: "str | Path | Mapping[str, Any] | ExperimentConfig | Run | keras.Model" = "mnist-rows",
    inputs: NDArray[Any] | None = None,
    targets: NDArray[Any] | None = None,
    *,
    test: Pair | None = None,
    overrides: Sequence[str] = (),
    runs: str | Path = "runs",
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
) -> tuple[Diagnostic, ...]:
    """Check a network and its data for the problems that recurrent networks are known for.

    The network of an experiment and a model count as untrained and are trained for a few steps at several learning
    rates. Of a run, the trained network is checked, and the one that it began with is trained for a few steps. Models
    are left as they were. For experiments and runs, the random seeds of Python, NumPy and the backend are set.

    Args:
        source: The name of a recipe, an experiment file, a mapping or an ``ExperimentConfig``; a ``Run``, its folder
            or name, or ``"latest"``; or a compiled ``keras.Model`` of one input and one output, with its arrays.
        inputs: The training inputs of a model, [B, ...].
        targets: The training targets of a model.
        test: The test inputs and targets of a model.
        overrides: Changes to an experiment, each a ``PATH=VALUE`` as ``--set`` takes it.
        runs: The folder in which runs are found by name.
        batch_size: Examples per training step of a model.
        shuffle: True if the examples of a model are shuffled before each epoch, as ``fit`` does by default.
        seed: Decides the order of a model's examples.

    Returns:
        The problems, most severe first; empty if none was found.

    Raises:
        InvalidSetting: A setting of the experiment is not possible.
        InvalidInput: The model and the arrays do not fit together, or are not of the form named above.
        DataError: The data cannot be loaded.
        RunError: There is no such recipe, file or run, or the run has no network.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((9, 2)), keras.layers.GRU(8), keras.layers.Dense(2)])
        >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
        >>> inputs = np.random.default_rng(0).normal(size=(64, 9, 2))
        >>> diagnose(model, inputs, inputs[:, -1, 0] > 0)[0].code
        'logits-as-probabilities'
    """
    target: DiagnosticTarget
    if isinstance(source, Run):
        target = target_of_run(source.with_overrides(overrides) if overrides else source)
    elif isinstance(source, ExperimentConfig | Mapping):
        source = keep_frames(source, Path(runs))
        target = target_of_experiment(ExperimentConfig.load(source, overrides=overrides))
    elif isinstance(source, str | Path):
        target = find_target(source, overrides, Path(runs))
    elif inputs is None or targets is None:
        raise InvalidInput("diagnose: a model needs its training data. Pass inputs and targets.")
    else:
        target = target_of_model(source, inputs, targets, test=test, batch_size=batch_size, shuffle=shuffle, seed=seed)
    return check_target(target)


def check_target(target: DiagnosticTarget) -> tuple[Diagnostic, ...]:
    """Check the data, then the untrained network, then its training, then the trained network and its result."""
    left_out = target.rules_left_out
    diagnostics = DATA_RULES.without(left_out).check(target)
    if target.task is not None:
        diagnostics += INPUT_RULES.without(left_out).check(target, target.task)
    if is_found(non_finite_inputs, diagnostics):
        return most_severe_first(diagnostics)
    with preserve_state(target.model):
        diagnostics += check_model(target)
        if not any(is_found(rule, diagnostics) for rule in (non_finite_weights, targets_out_of_range)):
            diagnostics += check_training(target)
            if target.run is not None:
                diagnostics += RUN_RULES.without(left_out).check(target, target.run)
    return most_severe_first(diagnostics)


def check_model(target: DiagnosticTarget) -> list[Diagnostic]:
    """Check everything about the network that shows without training it."""
    return MODEL_RULES.without(target.rules_left_out).check(target, _trace(target))


def check_training(target: DiagnosticTarget) -> list[Diagnostic]:
    """Train the untrained network for a few steps, then check the network of the target as training has left it."""
    untrained = target.untrained()
    with preserve_state(untrained):
        probe = probe_learning_rates(untrained, target.first_examples(PROBE_EXAMPLES), target.batch_size)
        diagnostics = LEARNING_RATE_RULES.without(target.rules_left_out).check(target, probe)
        if target.run is not None or is_finite(target.model):
            return diagnostics + _check_layers(target)
    # Weights that diverged show nothing; those from before the probe do.
    return diagnostics + _check_layers(target)


def _check_layers(target: DiagnosticTarget) -> list[Diagnostic]:
    return TRAINING_RULES.without(target.rules_left_out).check(target, _trace(target))


def _trace(target: DiagnosticTarget) -> Trace:
    return Trace(target.model, target.first_examples(TRACE_EXAMPLES))
