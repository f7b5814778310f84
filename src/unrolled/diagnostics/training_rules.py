"""Rules about training: the learning rate, and the states, gates, units and gradients that it leads to."""

from collections.abc import Iterator
from typing import Any

from unrolled.diagnostics.diagnostic import Measurement, RuleSet
from unrolled.diagnostics.lr_probe import LearningRateProbe
from unrolled.diagnostics.model_rules import feature_sizes, unscaled_inputs
from unrolled.diagnostics.probe import LayerCall, Trace, activation_of
from unrolled.diagnostics.target import DiagnosticTarget

import keras
import numpy as np
from numpy.typing import NDArray

LEARNING_RATE_RULES: RuleSet[[DiagnosticTarget, LearningRateProbe]] = RuleSet("Learning rate")
TRAINING_RULES: RuleSet[[DiagnosticTarget, Trace]] = RuleSet("States, units and gradients")


@LEARNING_RATE_RULES.rule(
    code="learning-rate-too-high",
    severity="error",
    summary="After a few steps the loss is above its start, or above the one that a lower learning rate leads to.",
    unit="% of the initial loss",
    threshold=10,
    why="Batches differ by a few per cent. All rates start from the same weights, on the same batches.",
    fix="Lower the learning rate.",
)
def learning_rate_too_high(target: DiagnosticTarget, probe: LearningRateProbe) -> Iterator[Measurement]:
    """Measure how much higher the loss ends than at its start or at a lower learning rate."""
    # An infinite initial loss is not the fault of the learning rate, and a schedule is not probed at other rates.
    if probe.lower and np.isfinite(probe.initial_loss):
        yield Measurement(probe.excess, target.locations.optimizer(), _set_learning_rate(target, "Lower", probe.lower))


@LEARNING_RATE_RULES.rule(
    code="learning-rate-too-low",
    severity="warning",
    summary="After a few steps the loss has hardly fallen, and with a higher learning rate it does.",
    unit="% of the initial loss",
    threshold=2,
    side="below",
    why="Reported only if a higher rate gains five times as much, from the same weights and on the same batches.",
    fix="Raise the learning rate.",
    unless=(learning_rate_too_high,),
)
def learning_rate_too_low(target: DiagnosticTarget, probe: LearningRateProbe) -> Iterator[Measurement]:
    """Measure how far the loss falls, where it falls further at a higher learning rate."""
    if probe.higher and np.isfinite(probe.initial_loss):
        fix = _set_learning_rate(target, "Raise", probe.higher)
        yield Measurement(probe.shortfall, target.locations.optimizer(), fix)


def _set_learning_rate(target: DiagnosticTarget, verb: str, losses: dict[float, float]) -> str:
    """Return the fix that sets the learning rate with the lowest loss."""
    best = min(losses, key=lambda rate: losses[rate])
    return f"{verb} the learning rate: {target.locations.set_optimizer('learning_rate', float(f'{best:.2g}'))}"


SMALLEST_EXPLOSION = 100.0
"""A root mean square below which no state counts as exploded."""


@TRAINING_RULES.rule(
    code="exploding-states",
    severity="error",
    summary="The state multiplies itself from step to step, so a longer sequence ends in infinity.",
    unit="times from the middle of the sequence to its end",
    threshold=8,
    why="A state that adds up evenly doubles. Reported only if its root mean square ends above 100.",
    fix="Use a bounded activation such as tanh.",
)
def exploding_states(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the growth of the states of each recurrent layer."""
    for call in trace.calls:
        replay = trace.replays.get(call.path)
        if replay is not None:
            fix = f"Use a bounded activation: {target.locations.set_argument(call, 'activation', 'tanh')}"
            growth = growth_of_states(replay.states, replay.is_unmasked)
            yield Measurement(growth, target.locations.layer(call), fix)


def growth_of_states(states: NDArray[Any], is_unmasked: NDArray[np.bool_]) -> float:
    """Measure how many times larger the states are at the end than in the middle of the sequence.

    The root mean square over units of the last tenth of the steps is compared with that of the tenth before the
    middle, each as the median of the examples: in a healthy relu layer, a single example may leap. A state that a relu
    multiplies by r in each step grows r^(T/2) times, one that adds up evenly twice.

    Args:
        states: h of each step, [B, T, H].
        is_unmasked: [B, T]; masked steps do not count, and each sequence has its own end.

    Returns:
        The ratio; 1 if the states end below `SMALLEST_EXPLOSION` or sequences have fewer than 4 steps; infinite if a
        state is.
    """
    sizes = []
    for sequence, is_step in zip(states, is_unmasked, strict=True):
        steps = sequence[is_step]
        tenth, middle = max(1, len(steps) // 10), len(steps) // 2
        if len(steps) >= 4:
            sizes.append([(part**2).mean() for part in (steps[middle - tenth : middle], steps[-tenth:])])
    if not sizes:
        return 1.0
    middle_size, end_size = np.sqrt(np.median(sizes, axis=0)).tolist()
    if not np.isfinite(end_size):
        return float("inf")
    if end_size < SMALLEST_EXPLOSION:
        return 1.0
    return float(end_size / middle_size) if middle_size else float("inf")


CLOSED, OPEN = 0.02, 0.98
"""A gate beyond these passes on less than a twelfth of the gradient that it passes at its best, s' = s (1 - s)."""


@TRAINING_RULES.rule(
    code="saturated-gates",
    severity="warning",
    summary="A gate is always open or closed (above 0.98 or below 0.02) and passes no gradient on.",
    unit="% of its values",
    threshold=90,
    why="Trained gates may be closed half of the time; beyond nine tenths, they do nothing.",
    fix="Scale the inputs, lower the learning rate, or regularize the kernel.",
)
def saturated_gates(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the saturation of the most saturated gate of each LSTM and GRU."""
    for call in trace.calls:
        if call.path in trace.replays and trace.replays[call.path].gates:
            replay = trace.replays[call.path]
            shares = {letter: saturation(gate, replay.is_unmasked) for letter, gate in replay.gates.items()}
            worst = max(shares, key=lambda letter: shares[letter])
            where = f"{target.locations.layer(call)}, gate {worst}"
            yield Measurement(shares[worst], where, _desaturate(target, call))


def saturation(gate: NDArray[Any], is_unmasked: NDArray[np.bool_]) -> float:
    """Return the share of a gate's values that are below `CLOSED` or above `OPEN`, in per cent.

    Args:
        gate: [B, T, H].
        is_unmasked: [B, T]; masked steps do not count.
    """
    values = gate[is_unmasked]
    return 100 * float(((values < CLOSED) | (values > OPEN)).mean()) if values.size else 0.0


def _desaturate(target: DiagnosticTarget, call: LayerCall) -> str:
    """Return the fix for gates or units at their limits: scale large inputs; otherwise keep the weights small."""
    if feature_sizes(call.inputs).max() > unscaled_inputs.threshold:
        return "Scale the inputs of this layer to about -1 to 1."
    if getattr(call.layer, "kernel_regularizer", "unknown") is not None:
        return "Lower the learning rate."
    regularize = target.locations.set_argument(call, "kernel_regularizer", "l2")
    return f"Lower the learning rate, or regularize the kernel: {regularize}"


SAME = 1e-3
"""The width within which the values of a bounded unit count as one."""
_BOUNDED = ("tanh", "sigmoid", "hard_sigmoid", "softsign", "hard_tanh")


@TRAINING_RULES.rule(
    code="stuck-units",
    severity="warning",
    summary="Units return the same value for every input, as at the limits of tanh and sigmoid.",
    unit="% of the layer's units",
    threshold=50,
    why="The layer then has less than half its width. The values of a stuck unit lie within a thousandth.",
    fix="Scale the inputs, lower the learning rate, or regularize the kernel.",
)
def stuck_units(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the share of constant units in each hidden layer with a bounded activation."""
    for call, values in _hidden_values(trace):
        if activation_of(call.layer) in _BOUNDED:
            yield Measurement(stuck_share(values), target.locations.layer(call), _desaturate(target, call))


def stuck_share(values: NDArray[np.floating]) -> float:
    """Return the share of units, the last axis, whose values all lie within `SAME`, in per cent."""
    units = values.reshape(-1, values.shape[-1])
    return 100 * float((np.ptp(units, axis=0) <= SAME).mean())


@TRAINING_RULES.rule(
    code="dead-units",
    severity="warning",
    summary="Units with activation relu are zero for every example: no gradient reaches them, so they stay zero.",
    unit="% of the layer's units",
    threshold=50,
    why="A few die in every trained network; beyond half, the layer has less than half its width.",
    fix="Lower the learning rate, or use another activation such as elu.",
)
def dead_units(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the share of units that are always zero in each hidden layer with activation relu."""
    for call, values in _hidden_values(trace):
        if activation_of(call.layer) == "relu":
            change = f"use another activation: {target.locations.set_argument(call, 'activation', 'elu')}"
            if isinstance(call.layer, keras.layers.ReLU):
                change = "use ELU in place of this layer."
            where = target.locations.layer(call)
            yield Measurement(dead_share(values), where, f"Lower the learning rate, or {change}")


def dead_share(values: NDArray[np.floating]) -> float:
    """Return the share of relu units, the last axis, that are zero in every example and step, in per cent."""
    units = values.reshape(-1, values.shape[-1])
    return 100 * float((units == 0).all(axis=0).mean())


def _hidden_values(trace: Trace) -> Iterator[tuple[LayerCall, NDArray[Any]]]:
    """Yield each hidden layer with the values of its units, of a recurrent layer those of all unmasked steps."""
    for call in trace.calls[:-1]:
        replay = trace.replays.get(call.path)
        values = call.outputs if replay is None else replay.states[replay.is_unmasked]
        if values.ndim >= 2 and values.size:
            yield call, values


@TRAINING_RULES.rule(
    code="exploding-gradient",
    severity="error",
    summary="The gradient grows on its way back through time: early steps outweigh all others, and training leaps.",
    unit="times the gradient of the steps nearest to the loss",
    threshold=1000,
    why="Healthy layers stay below 50; a factor of 1.3 per step makes a thousand in 28 steps.",
    fix="Clip the gradients (clipnorm: 1).",
)
def exploding_gradient(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the largest gradient over time of each recurrent layer, unless the optimizer clips gradients."""
    optimizer = trace.model.optimizer
    if any(getattr(optimizer, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue")):
        return
    for call, _, largest in trace.gradient_ranges:
        clip = f"Clip the gradients: {target.locations.set_optimizer('clipnorm', 1)}"
        yield Measurement(largest, target.locations.layer(call), clip)


@TRAINING_RULES.rule(
    code="vanishing-gradient",
    severity="warning",
    summary="The gradient fades on its way back through time, so the network does not learn from some of the steps.",
    unit="times the gradient of the steps nearest to the loss",
    threshold=1e-5,
    side="below",
    why="float32 has seven digits; of a contribution of one in a hundred thousand, two are left.",
    fix="Use an LSTM or a GRU rather than a SimpleRNN, shorten the sequences, or average over all steps.",
)
def vanishing_gradient(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the smallest gradient over time of each recurrent layer."""
    for call, smallest, _ in trace.gradient_ranges:
        yield Measurement(smallest, target.locations.layer(call), _carry_gradient(target, trace, call))


def _carry_gradient(target: DiagnosticTarget, trace: Trace, call: LayerCall) -> str:
    """Return the first fix for a fading gradient that the network does not have yet."""
    inner = _inner_call(trace, call)
    cell = getattr(inner.layer, "cell", None)
    if isinstance(cell, keras.layers.SimpleRNNCell):
        return f"Use a layer with gates: {target.locations.replace_layer(inner, 'LSTM')}"
    if getattr(cell, "unit_forget_bias", True) is False:
        return f"Begin with an open forget gate: {target.locations.set_argument(inner, 'unit_forget_bias', 'true')}"
    last = _inner_call(trace, trace.recurrent_calls[-1])
    if not last.layer.return_sequences:
        return (
            "Shorten the sequences, or put GlobalAveragePooling1D after the last recurrent layer: "
            f"{target.locations.set_argument(last, 'return_sequences', 'true')}"
        )
    return "Shorten the sequences."


def _inner_call(trace: Trace, call: LayerCall) -> LayerCall:
    """Return the call of the forward layer of a Bidirectional; any other call as it is."""
    path = (*call.path, "forward_layer")
    return next((inner for inner in trace.calls if inner.path == path), call)
