"""The kinds of finding that lie in the network or its training, each with its bound and the reason for it."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.dataset import Split
from unrolled.diagnostics.data_rules import feature_sizes, first_weighted
from unrolled.diagnostics.diagnostic import Diagnostic, Rule
from unrolled.diagnostics.probe import (
    RECURRENT,
    Call,
    Replay,
    activation_of,
    input_gradients,
    norms_over_time,
    outermost,
    replay,
    spread,
)
from unrolled.diagnostics.target import DiagnosticTarget, Places

import keras
import numpy as np
from numpy.typing import NDArray

# What the first weights see.
UNSCALED_INPUTS = Rule(
    "unscaled-inputs",
    "harmful",
    "The first weights see values far larger than they are made for: gates saturate, and steps are too long.",
    "in root mean square of the largest feature",
    10,
    "above",
    "Keras' initial weights keep values of the size of 1; ten times that closes or opens every gate.",
    "Scale the inputs to about -1 to 1, first in the network.",
)
TINY_INPUTS = Rule(
    "tiny-inputs",
    "harmful",
    "The first weights see values so small that the network hardly hears them.",
    "as the largest value",
    0.05,
    "below",
    "A twentieth of what the initial weights are made for takes twenty times the learning to make up.",
    "Scale the inputs to about -1 to 1, first in the network.",
)

# Masks.
LOST_MASK = Rule(
    "lost-mask",
    "harmful",
    "A mask ends here, and padding is read further on as if it were data.",
    "layers that read without the mask",
    0,
    "above",
    "One is enough. A mask that a recurrent layer or a pooling has used up is not lost.",
    "Put the layer before the mask is made, or behind the layer that reads the steps.",
)
PADDING_READ_LAST = Rule(
    "padding-read-last",
    "harmful",
    "Sequences end in padding that is not masked: the last thing that the layer reads is nothing.",
    "% of the steps",
    25,
    "above",
    "MNIST's blank last rows are an eighth; a state that reads more of them than that forgets.",
    "Mask the padding, with Masking or mask_zero, or pad at the front.",
)
PADDING_READ_FIRST = Rule(
    "padding-read-first",
    "doubtful",
    "Sequences begin with padding that is not masked: the state drifts before the first step that counts.",
    "% of the steps",
    25,
    "above",
    "The same as at the end, where it does more harm.",
    "Mask the padding, with Masking or mask_zero.",
)

# Outputs and loss.
PROBABILITIES_AS_LOGITS = Rule(
    "probabilities-as-logits",
    "fatal",
    "The last layer gives probabilities and the loss takes them for logits, so that it can never come near 0.",
    "% of the outputs are probabilities",
    99,
    "above",
    "Logits that happen to add up to one do so in hardly any example.",
    "Leave the softmax out, or set from_logits=False in the loss.",
)
LOGITS_AS_PROBABILITIES = Rule(
    "logits-as-probabilities",
    "fatal",
    "The last layer gives any number and the loss takes it for a probability: the gradient is wrong or none.",
    "% of the outputs are no probabilities",
    1,
    "above",
    "Rounding moves a sum of probabilities by a millionth; this is measured at a thousandth.",
    "End in a softmax, or set from_logits=True in the loss.",
)

UNUSED_OUTPUTS = Rule(
    "unused-outputs",
    "doubtful",
    "The last layer has more outputs than there are classes.",
    "outputs",
    0,
    "above",
    "Each output more is a class that does not exist.",
    "Give the last layer one unit for each class.",
)

# How it learns.
LEARNING_RATE_TOO_HIGH = Rule(
    "learning-rate-too-high",
    "fatal",
    "After a few steps the loss is above its start, or above what a tenth of the learning rate leads to.",
    "% of the loss at the start",
    10,
    "above",
    "Batches differ by a few per cent. Measured from the same weights, on the same batches.",
    "Lower the learning rate.",
)
LEARNING_RATE_TOO_LOW = Rule(
    "learning-rate-too-low",
    "harmful",
    "After a few steps the loss has hardly fallen, and with a higher learning rate it does.",
    "% of the loss at the start",
    2,
    "below",
    "Found only where a higher rate gains five times as much, from the same weights, on the same batches.",
    "Raise the learning rate.",
)

# States and gradients.
EXPLODING_STATES = Rule(
    "exploding-states",
    "fatal",
    "The state multiplies itself from step to step: a longer sequence ends in infinity.",
    "times from the middle of the sequence to its end",
    8,
    "above",
    "A state that adds up evenly doubles. Counted where its root mean square ends above 100.",
    "Use activation tanh, or clip the gradients and lower the learning rate.",
)
EXPLODING_GRADIENT = Rule(
    "exploding-gradient",
    "fatal",
    "The gradient grows on its way back through time: early steps outweigh all others, and training leaps.",
    "times the gradient of the steps nearest to the loss",
    1000,
    "above",
    "Healthy layers stay below 50; a factor of 1.3 a step gives a thousand in 28 steps.",
    "Clip the gradients (clipnorm: 1), and use an LSTM or GRU with activation tanh.",
)
VANISHING_GRADIENT = Rule(
    "vanishing-gradient",
    "harmful",
    "The gradient fades on its way back through time: what is read at some steps is never learned from.",
    "times the gradient of the steps nearest to the loss",
    1e-5,
    "below",
    "float32 keeps seven digits: what is added at a hundred-thousandth has two of them left.",
    "Use an LSTM or GRU, shorten the sequences, or read all steps: return_sequences and a pooling.",
)
SATURATED_GATES = Rule(
    "saturated-gates",
    "harmful",
    "A gate stands open or shut (above 0.98 or below 0.02) whatever is read, and passes no gradient on.",
    "% of its values",
    90,
    "above",
    "Trained gates may well be shut half of the time; at nine tenths the layer is one without gates.",
    "Scale the inputs, lower the learning rate, or regularize the kernel.",
)
DEAD_UNITS = Rule(
    "dead-units",
    "harmful",
    "Units with activation relu are zero for every example: no gradient reaches them, and they stay so.",
    "% of the layer's units",
    50,
    "above",
    "A few die in every trained network; when half do, the layer has half its width.",
    "Lower the learning rate, or use another activation, such as elu.",
)
STUCK_UNITS = Rule(
    "stuck-units",
    "harmful",
    "Units give the same value whatever is read, as those at the ends of tanh and sigmoid do.",
    "% of the layer's units",
    50,
    "above",
    "Counted where all values lie within a thousandth; when half do, the layer has half its width.",
    "Scale the inputs, or lower the learning rate.",
)


_POOLING = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.AveragePooling1D,
    keras.layers.MaxPooling1D,
)


def lost_masks(calls: Sequence[Call]) -> list[tuple[Call, int]]:
    """The layers at which a mask ends that somebody further on, or nobody at all, would have needed.

    A mask is used up by a recurrent layer that gives its last state alone, and by a pooling that heeds it. It is lost
    where another layer does not pass it on, and then a recurrent layer or a pooling reads without one, or where that
    layer is itself a pooling that does not heed it, or where nobody has heeded it so far.

    Args:
        calls: In the order in which they were made; layers within a Bidirectional are not looked at.

    Returns:
        Each such layer's call, and how many layers read without the mask because of it.
    """
    outer = outermost(calls)
    lost = []
    for index, call in enumerate(outer):
        if call.mask is None or call.mask_after is not None or _uses_up(call):
            continue
        readers = sum(isinstance(later.part.layer, (*RECURRENT, *_POOLING)) for later in _unmasked(outer[index + 1 :]))
        is_unheeded = not any(isinstance(earlier.part.layer, RECURRENT) for earlier in outer[:index])
        readers += isinstance(call.part.layer, _POOLING) or (not readers and is_unheeded)
        if readers:
            lost.append((call, int(readers)))
    return lost


def padding(inputs: NDArray[np.generic]) -> tuple[float, float]:
    """The shares of the steps at the front and at the end of sequences that hold nothing but zeros, in per cent.

    An example that is blank altogether does not count.

    Args:
        inputs: Numbers [B, T, F] or tokens [B, T].
    """
    is_blank = ~(inputs.reshape(*inputs.shape[:2], -1) != 0).any(axis=2)
    is_blank = is_blank[~is_blank.all(axis=1)]
    if not is_blank.size:
        return 0.0, 0.0
    front, end = is_blank.argmin(axis=1), is_blank[:, ::-1].argmin(axis=1)
    before, after = (100 * float(blank.mean()) / inputs.shape[1] for blank in (front, end))
    return before, after


def _uses_up(call: Call) -> bool:
    layer = call.part.layer
    if isinstance(layer, RECURRENT):
        return not layer.return_sequences
    return isinstance(layer, _POOLING) and layer.supports_masking


def _unmasked(calls: Sequence[Call]) -> list[Call]:
    """The calls without a mask up to the first that has one again."""
    masked = next((index for index, call in enumerate(calls) if call.mask is not None), len(calls))
    return list(calls[:masked])


TOLERANCE = 1e-3
"""How far a sum of probabilities may be from one."""
_CLASSIFYING = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")


def takes_logits(loss: Any) -> bool | None:
    """Whether a loss takes outputs for logits; None for a loss to which it makes no difference.

    Args:
        loss: A ``keras.Loss``, a function of ``keras.losses``, or its name, as a model was compiled with it.
    """
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        answer = loss.get_config().get("from_logits")
        return None if answer is None else bool(answer)
    return False if getattr(loss, "__name__", None) in _CLASSIFYING else None


def probability_share(outputs: NDArray[np.floating]) -> float:
    """The share of the examples whose outputs are none below 0 and add up to one, in per cent.

    Of a single output for two classes, which need not add up to anything, it is those from 0 to 1.

    Args:
        outputs: [B, ..., classes].
    """
    rows = outputs.reshape(-1, outputs.shape[-1]).astype(np.float64)
    in_range = ((rows >= 0) & (rows <= 1 + TOLERANCE)).all(axis=1)
    adds_up = np.ones(len(rows), bool) if rows.shape[1] == 1 else np.abs(rows.sum(axis=1) - 1) <= TOLERANCE
    return 100 * float((in_range & adds_up).mean())


SMALLEST_EXPLOSION = 100.0
"""In root mean square; a state that grows from nothing to less than this has not exploded."""
CLOSED, OPEN = 0.02, 0.98
"""A gate beyond these passes on less than a twelfth of the gradient that it passes at its best, s' = s (1 - s)."""
SAME = 1e-3
"""The width within which the values of a bounded unit count as one."""


def growth_of_states(states: NDArray[Any], is_read: NDArray[np.bool_]) -> float:
    """How many times larger the states are at the end than in the middle of the sequence.

    Root mean squares over units are compared, that of the last tenth of the steps with that of the tenth before the
    middle, each as the median of the examples: in a healthy relu layer there may be one that leaps. A state that a
    relu multiplies by r a step grows r^(T/2) times, one that adds up evenly twice.

    Args:
        states: h of each step, [B, T, H].
        is_read: [B, T]; steps that are masked do not count, and each sequence has its own end.

    Returns:
        The ratio; 1 where the states end below `SMALLEST_EXPLOSION` or sequences have fewer than 4 steps; infinite
        where a state is.
    """
    sizes = []
    for sequence, read in zip(states, is_read, strict=True):
        steps = sequence[read]
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


def saturation(gate: NDArray[Any], is_read: NDArray[np.bool_]) -> float:
    """The share of a gate's values that are below `CLOSED` or above `OPEN`, in per cent.

    Args:
        gate: [B, T, H].
        is_read: [B, T]; masked steps do not count.
    """
    values = gate[is_read]
    return 100 * float(((values < CLOSED) | (values > OPEN)).mean()) if values.size else 0.0


def dead_share(values: NDArray[np.floating]) -> float:
    """The share of relu units that are zero in every example and step, in per cent; the last axis is the units."""
    units = values.reshape(-1, values.shape[-1])
    return 100 * float((units == 0).all(axis=0).mean())


def stuck_share(values: NDArray[np.floating]) -> float:
    """The share of units whose values all lie within `SAME`, in per cent; the last axis is the units."""
    units = values.reshape(-1, values.shape[-1])
    return 100 * float((np.ptp(units, axis=0) <= SAME).mean())


_BOUNDED = ("tanh", "sigmoid", "hard_sigmoid", "softsign", "hard_tanh")


def check_first_weights(subject: DiagnosticTarget, calls: Sequence[Call]) -> list[Diagnostic]:
    """The size of what the first weights see."""
    call = first_weighted(calls)
    if call is None or call.inputs.ndim < 2:
        return []
    largest, places = float(np.abs(call.inputs.astype(np.float64)).max()), subject.places
    if not largest:
        return []
    first, scale = calls[0].part, f"{1 / largest:.3g}"
    remedy = f"Put Rescaling: {{scale: {scale}}} first in the network."
    if isinstance(first.layer, keras.layers.Rescaling):
        scale = f"{first.layer.scale / largest:.3g}"
        remedy = f"Scale the inputs to about -1 to 1: {places.change(first, 'scale', scale)}"
    where = places.layer(call.part)
    findings = UNSCALED_INPUTS.judge(float(feature_sizes(call.inputs).max()), where, remedy)
    return findings + TINY_INPUTS.judge(largest, where, remedy)


def check_masks(subject: DiagnosticTarget, calls: Sequence[Call], inputs: Split) -> list[Diagnostic]:
    """Masks that end too early, and padding without one."""
    places = subject.places
    findings = []
    for call, readers in lost_masks(calls):
        findings += LOST_MASK.judge(readers, places.layer(call.part))
    reader = next((call for call in outermost(calls) if isinstance(call.part.layer, RECURRENT)), None)
    values = inputs.inputs
    is_read_as_given = reader is not None and values.ndim in (2, 3) and reader.inputs.shape[1] == values.shape[1]
    if reader is None or reader.mask is not None or not is_read_as_given:
        return findings
    front, end = padding(values)
    where, layer = places.layer(reader.part), reader.part.layer
    if getattr(layer, "go_backwards", False):
        front, end = end, front
    embedding = next((call.part for call in calls if isinstance(call.part.layer, keras.layers.Embedding)), None)
    remedy = f"Mask the padding: {places.change(embedding, 'mask_zero', 'true')}" if embedding else ""
    last = max(front, end) if isinstance(layer, keras.layers.Bidirectional) else end
    findings += PADDING_READ_LAST.judge(last, where, remedy)
    return findings + ([] if findings else PADDING_READ_FIRST.judge(front, where, remedy))


def check_outputs(subject: DiagnosticTarget, calls: Sequence[Call]) -> list[Diagnostic]:
    """What the last layer gives beside what the loss takes it for, and beside the classes."""
    last, loss = calls[-1], subject.model.loss
    where, outputs = subject.places.layer(last.part), last.outputs
    findings: list[Diagnostic] = []
    if outputs.ndim < 2 or isinstance(loss, dict | list):
        return findings
    logits, share = takes_logits(loss), probability_share(outputs)
    if outputs.shape[-1] == 1 and activation_of(last.part.layer) != "sigmoid":
        share = min(share, 0.0)  # a logit may well lie between 0 and 1
    if logits:
        findings += PROBABILITIES_AS_LOGITS.judge(share, where)
    elif logits is not None:
        findings += LOGITS_AS_PROBABILITIES.judge(100 - share, where)
    classes = len(subject.class_names)
    if classes and logits is not None and outputs.shape[-1] > 1:
        remedy = (
            f"Give the last layer one unit for each class: {subject.places.change(last.part, 'units', f'{classes}')}"
        )
        findings += UNUSED_OUTPUTS.judge(outputs.shape[-1] - classes, where, remedy)
    return findings


def check_units(subject: DiagnosticTarget, calls: Sequence[Call]) -> list[Diagnostic]:
    """The states and gates of recurrent layers, and units that have stopped answering; not the last layer."""
    findings = []
    for call in calls[:-1]:
        again = replay(call) if isinstance(call.part.layer, keras.layers.RNN) else None
        where = subject.places.layer(call.part)
        if again is not None:
            findings += _examine_states(subject.places, call, again, where)
        activation = activation_of(call.part.layer)
        values = call.outputs if again is None else again.states[again.is_read]
        if values.ndim < 2 or not values.size:
            continue
        if activation == "relu":
            remedy = f"Lower the learning rate, or use another activation: {_use(subject.places, call, 'elu')}"
            findings += DEAD_UNITS.judge(dead_share(values), where, remedy)
        elif activation in _BOUNDED:
            findings += STUCK_UNITS.judge(stuck_share(values), where)
    return findings


def check_gradients(subject: DiagnosticTarget, calls: Sequence[Call], examples: Split) -> list[Diagnostic]:
    """The gradient on its way back through time, at each recurrent layer."""
    recurrent = [call for call in outermost(calls) if isinstance(call.part.layer, RECURRENT)]
    if not recurrent:
        return []
    gradients = input_gradients(subject.model, *examples, [call.part for call in recurrent])
    findings = []
    for call, gradient in zip(recurrent, gradients, strict=True):
        layer = call.part.layer
        mask = None if call.mask is None else call.mask[: len(gradient)]
        smallest, largest = spread(
            norms_over_time(gradient, mask),
            is_backwards=getattr(layer, "go_backwards", False),
            has_both=isinstance(layer, keras.layers.Bidirectional),
        )
        where = subject.places.layer(call.part)
        clip = f"Clip the gradients: {subject.places.optimizer('clipnorm', 1)}"
        if not _is_clipped(subject.model.optimizer):
            findings += EXPLODING_GRADIENT.judge(largest, where, clip)
        remedy = ""
        if isinstance(getattr(layer, "cell", None), keras.layers.SimpleRNNCell):
            remedy = f"Use a layer whose memory does not fade: {subject.places.replace(call.part, 'LSTM')}"
        findings += VANISHING_GRADIENT.judge(smallest, where, remedy)
    return findings


def _examine_states(places: Places, call: Call, again: Replay, where: str) -> list[Diagnostic]:
    growth = growth_of_states(again.states, again.is_read)
    remedy = f"Use a bounded activation: {_use(places, call, 'tanh')}"
    findings = EXPLODING_STATES.judge(growth, where, remedy)
    split_cores = {letter: saturation(gate, again.is_read) for letter, gate in again.gates.items()}
    if split_cores:
        worst = max(split_cores, key=lambda letter: split_cores[letter])
        findings += SATURATED_GATES.judge(split_cores[worst], f"{where}, gate {worst}")
    return findings


def _is_clipped(optimizer: Any) -> bool:
    return any(getattr(optimizer, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue"))


def _use(places: Places, call: Call, activation: str) -> str:
    return places.change(call.part, "activation", activation)
