"""What the layers of a network have to answer for, by what they do with a few examples."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.dataset import Split
from unrolled.insight import network_kinds as kinds
from unrolled.insight.findings import Finding
from unrolled.insight.gradients import norms_over_time, spread
from unrolled.insight.inputs import feature_sizes, first_weighted
from unrolled.insight.masks import lost_masks, padding
from unrolled.insight.outputs import probability_share, takes_logits
from unrolled.insight.places import Places
from unrolled.insight.probe import RECURRENT, Call, input_gradients, outermost
from unrolled.insight.replay import Replay, activation_of, replay
from unrolled.insight.states import dead_share, growth_of_states, saturation, stuck_share
from unrolled.insight.subject import Subject

import keras
import numpy as np

_BOUNDED = ("tanh", "sigmoid", "hard_sigmoid", "softsign", "hard_tanh")


def examine_first_weights(subject: Subject, calls: Sequence[Call]) -> list[Finding]:
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
    findings = kinds.UNSCALED_INPUTS.judge(float(feature_sizes(call.inputs).max()), where, remedy)
    return findings + kinds.TINY_INPUTS.judge(largest, where, remedy)


def examine_masks(subject: Subject, calls: Sequence[Call], inputs: Split) -> list[Finding]:
    """Masks that end too early, and padding without one."""
    places = subject.places
    findings = []
    for call, readers in lost_masks(calls):
        findings += kinds.LOST_MASK.judge(readers, places.layer(call.part))
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
    findings += kinds.PADDING_READ_LAST.judge(last, where, remedy)
    return findings + ([] if findings else kinds.PADDING_READ_FIRST.judge(front, where, remedy))


def examine_outputs(subject: Subject, calls: Sequence[Call]) -> list[Finding]:
    """What the last layer gives beside what the loss takes it for, and beside the classes."""
    last, loss = calls[-1], subject.model.loss
    where, outputs = subject.places.layer(last.part), last.outputs
    findings: list[Finding] = []
    if outputs.ndim < 2 or isinstance(loss, dict | list):
        return findings
    logits, share = takes_logits(loss), probability_share(outputs)
    if outputs.shape[-1] == 1 and activation_of(last.part.layer) != "sigmoid":
        share = min(share, 0.0)  # a logit may well lie between 0 and 1
    if logits:
        findings += kinds.PROBABILITIES_AS_LOGITS.judge(share, where)
    elif logits is not None:
        findings += kinds.LOGITS_AS_PROBABILITIES.judge(100 - share, where)
    classes = len(subject.class_names)
    if classes and logits is not None and outputs.shape[-1] > 1:
        remedy = (
            f"Give the last layer one unit for each class: {subject.places.change(last.part, 'units', f'{classes}')}"
        )
        findings += kinds.UNUSED_OUTPUTS.judge(outputs.shape[-1] - classes, where, remedy)
    return findings


def examine_units(subject: Subject, calls: Sequence[Call]) -> list[Finding]:
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
            findings += kinds.DEAD_UNITS.judge(dead_share(values), where, remedy)
        elif activation in _BOUNDED:
            findings += kinds.STUCK_UNITS.judge(stuck_share(values), where)
    return findings


def examine_gradients(subject: Subject, calls: Sequence[Call], examples: Split) -> list[Finding]:
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
            findings += kinds.EXPLODING_GRADIENT.judge(largest, where, clip)
        remedy = ""
        if isinstance(getattr(layer, "cell", None), keras.layers.SimpleRNNCell):
            remedy = f"Use a layer whose memory does not fade: {subject.places.replace(call.part, 'LSTM')}"
        findings += kinds.VANISHING_GRADIENT.judge(smallest, where, remedy)
    return findings


def _examine_states(places: Places, call: Call, again: Replay, where: str) -> list[Finding]:
    growth = growth_of_states(again.states, again.is_read)
    remedy = f"Use a bounded activation: {_use(places, call, 'tanh')}"
    findings = kinds.EXPLODING_STATES.judge(growth, where, remedy)
    shares = {letter: saturation(gate, again.is_read) for letter, gate in again.gates.items()}
    if shares:
        worst = max(shares, key=lambda letter: shares[letter])
        findings += kinds.SATURATED_GATES.judge(shares[worst], f"{where}, gate {worst}")
    return findings


def _is_clipped(optimizer: Any) -> bool:
    return any(getattr(optimizer, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue"))


def _use(places: Places, call: Call, activation: str) -> str:
    return places.change(call.part, "activation", activation)
