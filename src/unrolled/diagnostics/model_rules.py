"""Rules about an untrained network: the scale of its inputs, masks and padding, outputs and loss."""

from collections.abc import Iterator, Sequence
from typing import Any

from unrolled.diagnostics.diagnostic import Measurement, RuleSet
from unrolled.diagnostics.probe import RECURRENT, LayerCall, Trace, activation_of, outermost
from unrolled.diagnostics.target import DiagnosticTarget

import keras
import numpy as np
from numpy.typing import NDArray

MODEL_RULES: RuleSet[[DiagnosticTarget, Trace]] = RuleSet("Network and loss")


@MODEL_RULES.rule(
    code="non-finite-weights",
    severity="error",
    summary="Weights are NaN or infinite, so the network computes nothing else: its training diverged.",
    unit="weights",
    threshold=0,
    why="One such weight is enough.",
    fix="Build the network again, and train it with a lower learning rate or with clipped gradients.",
)
def non_finite_weights(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Count the weights of each layer that are not finite."""
    for call in outermost(trace.calls):
        arrays = [np.asarray(array, np.float64) for array in call.layer.get_weights()]
        count = sum(int((~np.isfinite(array)).sum()) for array in arrays)
        yield Measurement(count, target.locations.layer(call))


@MODEL_RULES.rule(
    code="targets-out-of-range",
    severity="error",
    summary="Targets are classes for which the network has no output; backends return NaN or take another class.",
    unit="targets",
    threshold=0,
    why="One such target is enough.",
    fix="Give the last layer one unit per class.",
)
def targets_out_of_range(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Count the training targets whose class index is not below the number of outputs."""
    targets, outputs = target.train.targets, trace.outputs.shape[-1]
    are_indices = (
        targets.ndim < 2 or targets.shape[1:] == (1,) or (targets.ndim == 2 and target.train.weights is not None)
    )
    if not are_indices or target.labels is None or outputs < 2:
        return
    count = int((target.labels >= outputs).sum())
    yield Measurement(count, target.locations.layer(trace.calls[-1]), _set_output_units(target, trace))


def _set_output_units(target: DiagnosticTarget, trace: Trace) -> str:
    """Return the fix that gives the network an output for each class; empty if no layer has such an argument."""
    with_units = [call for call in outermost(trace.calls) if hasattr(call.layer, "units")]
    is_last = bool(with_units) and with_units[-1].outputs.shape == trace.outputs.shape
    if not is_last or not target.class_names:
        return ""
    units = target.locations.set_argument(with_units[-1], "units", str(len(target.class_names)))
    return f"Give the last layer one unit per class: {units}"


_SCALING = (
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.UnitNormalization,
)


@MODEL_RULES.rule(
    code="unscaled-inputs",
    severity="warning",
    summary="The first weights see values far larger than they are made for: gates saturate and steps are too long.",
    unit="(root mean square of the largest feature)",
    threshold=10,
    why="Initial weights are made for values of about 1; values of 10 drive every gate to its limits.",
    fix="Scale the inputs to about -1 to 1, first in the network.",
)
def unscaled_inputs(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the size of the inputs of the first layer with weights."""
    call = first_weighted(trace.calls)
    if call is not None:
        size = float(feature_sizes(call.inputs).max())
        yield Measurement(size, target.locations.layer(call), _rescale(target, trace, call))


@MODEL_RULES.rule(
    code="tiny-inputs",
    severity="warning",
    summary="The first weights see values so small that they hardly affect the network.",
    unit="(largest value)",
    threshold=0.05,
    side="below",
    why="Initial weights are made for values of about 1 and would have to grow twentyfold.",
    fix="Scale the inputs to about -1 to 1, first in the network.",
)
def tiny_inputs(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the largest value in the inputs of the first layer with weights."""
    call = first_weighted(trace.calls)
    if call is not None:
        largest = float(np.abs(call.inputs.astype(np.float64)).max())
        yield Measurement(largest, target.locations.layer(call), _rescale(target, trace, call))


def first_weighted(calls: Sequence[LayerCall]) -> LayerCall | None:
    """Return the first layer with trainable weights; None if its inputs are scaled, embedded, or all zero."""
    for call in outermost(calls):
        if isinstance(call.layer, (*_SCALING, keras.layers.Embedding)):
            return None
        if call.layer.trainable_weights:
            return call if call.inputs.ndim >= 2 and call.inputs.any() else None
    return None


def feature_sizes(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Compute the root mean square of each feature, the last axis, over examples and steps."""
    features = values.reshape(-1, values.shape[-1]).astype(np.float64)
    sizes: NDArray[np.float64] = np.sqrt((features**2).mean(axis=0))
    return sizes


def _rescale(target: DiagnosticTarget, trace: Trace, weighted: LayerCall) -> str:
    """Return the fix that brings the largest input of the first weights to 1, by a Rescaling that is there or new."""
    largest = float(np.abs(weighted.inputs.astype(np.float64)).max())
    before = trace.calls[: trace.calls.index(weighted)]
    rescaling = next((call for call in before if isinstance(call.layer, keras.layers.Rescaling)), None)
    if rescaling is None:
        return f"Put Rescaling: {{scale: {1 / largest:.3g}}} first in the network."
    if np.ndim(rescaling.layer.scale):
        return "Scale the inputs to about -1 to 1, in the Rescaling that the network has."
    scale = target.locations.set_argument(rescaling, "scale", f"{rescaling.layer.scale / largest:.3g}")
    return f"Scale the inputs to about -1 to 1: {scale}"


_POOLING = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.AveragePooling1D,
    keras.layers.MaxPooling1D,
)


@MODEL_RULES.rule(
    code="lost-mask",
    severity="warning",
    summary="The mask ends at this layer, so padding is read as if it were data.",
    unit="layers that read without the mask",
    threshold=0,
    why="One is enough. A mask that a recurrent layer or a pooling has applied is not lost.",
    fix="Move the layer before the one that makes the mask, or behind the one that applies it.",
)
def lost_mask(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Count the layers that read without the mask that each layer drops."""
    for call, readers in lost_masks(trace.calls):
        fix = ""
        if isinstance(call.layer, keras.layers.GlobalMaxPooling1D):
            fix = "Use GlobalAveragePooling1D, which applies the mask, in place of this layer."
        elif not any(isinstance(other.layer, (*RECURRENT, *_POOLING)) for other in trace.calls):
            fix = "Put GlobalAveragePooling1D or a recurrent layer, which apply the mask, before this layer."
        yield Measurement(readers, target.locations.layer(call), fix)


def lost_masks(calls: Sequence[LayerCall]) -> list[tuple[LayerCall, int]]:
    """Find the layers that drop a mask that is still needed.

    A recurrent layer that returns its last state alone, and a pooling that supports masks, use the mask up. Another
    layer loses it if it does not pass it on, and a later recurrent layer or pooling reads without one, it is itself a
    pooling without support for masks, or no earlier layer applied the mask.

    Args:
        calls: In their order; layers inside a Bidirectional are left out.

    Returns:
        Each such call, with the number of layers that read without the mask because of it.
    """
    outer = outermost(calls)
    lost = []
    for index, call in enumerate(outer):
        if call.mask is None or call.output_mask is not None or _uses_up_mask(call):
            continue
        later = _until_masked(outer[index + 1 :])
        readers = sum(isinstance(other.layer, (*RECURRENT, *_POOLING)) for other in later)
        is_unapplied = not any(isinstance(earlier.layer, RECURRENT) for earlier in outer[:index])
        readers += isinstance(call.layer, _POOLING) or (not readers and is_unapplied)
        if readers:
            lost.append((call, int(readers)))
    return lost


def _uses_up_mask(call: LayerCall) -> bool:
    if isinstance(call.layer, RECURRENT):
        return not call.layer.return_sequences
    return isinstance(call.layer, _POOLING) and call.layer.supports_masking


def _until_masked(calls: Sequence[LayerCall]) -> list[LayerCall]:
    """Return the calls before the first that has a mask."""
    masked = next((index for index, call in enumerate(calls) if call.mask is not None), len(calls))
    return list(calls[:masked])


@MODEL_RULES.rule(
    code="padding-read-last",
    severity="warning",
    summary="Sequences end in padding that is not masked, so the layer reads it last and forgets the data.",
    unit="% of the steps",
    threshold=25,
    why="MNIST's blank last rows are an eighth of the steps; with more than a quarter, the state forgets the data.",
    fix="Mask the padding, with Masking or mask_zero.",
    unless=(lost_mask,),
)
def padding_read_last(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the padding at the end of the sequences, in the order in which the first recurrent layer reads."""
    for reader, first, last in _read_padding(trace):
        fix, is_bidirectional = _mask_padding(target, trace), isinstance(reader.layer, keras.layers.Bidirectional)
        if not fix and not is_bidirectional:
            end = "end" if getattr(reader.layer, "go_backwards", False) else "front"
            fix = f"Mask the padding with Masking, first in the network, or pad at the {end}."
        share = max(first, last) if is_bidirectional else last
        yield Measurement(share, target.locations.layer(reader), fix)


@MODEL_RULES.rule(
    code="padding-read-first",
    severity="info",
    summary="Sequences begin with padding that is not masked, so the state drifts before the data begins.",
    unit="% of the steps",
    threshold=25,
    why="The same threshold as for padding that is read last, which does more harm.",
    fix="Mask the padding, with Masking or mask_zero.",
    unless=(lost_mask, padding_read_last),
)
def padding_read_first(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the padding at the start of the sequences, in the order in which the first recurrent layer reads."""
    for reader, first, _ in _read_padding(trace):
        yield Measurement(first, target.locations.layer(reader), _mask_padding(target, trace))


def padding_shares(inputs: NDArray[np.generic]) -> tuple[float, float]:
    """Return the shares of the steps at the start and at the end of sequences that are all zeros, in per cent.

    An example of zeros alone does not count.

    Args:
        inputs: Numbers [B, T, F] or tokens [B, T].
    """
    is_blank = ~(inputs.reshape(*inputs.shape[:2], -1) != 0).any(axis=2)
    is_blank = is_blank[~is_blank.all(axis=1)]
    if not is_blank.size:
        return 0.0, 0.0
    start, end = is_blank.argmin(axis=1), is_blank[:, ::-1].argmin(axis=1)
    before, after = (100 * float(blank.mean()) / inputs.shape[1] for blank in (start, end))
    return before, after


def _read_padding(trace: Trace) -> Iterator[tuple[LayerCall, float, float]]:
    """Yield the first recurrent layer with the padding that it reads first and last, in per cent, if unmasked."""
    inputs = trace.examples.inputs
    for reader in trace.recurrent_calls[:1]:
        if reader.mask is None and inputs.ndim in (2, 3, 4) and reader.inputs.shape[1] == inputs.shape[1]:
            first, last = padding_shares(inputs)
            yield (reader, last, first) if getattr(reader.layer, "go_backwards", False) else (reader, first, last)


def _mask_padding(target: DiagnosticTarget, trace: Trace) -> str:
    """Return the fix that masks the padding in the Embedding; empty if there is none."""
    embedding = next((call for call in trace.calls if isinstance(call.layer, keras.layers.Embedding)), None)
    if embedding is None:
        return ""
    return f"Mask the padding: {target.locations.set_argument(embedding, 'mask_zero', 'true')}"


SUM_TOLERANCE = 1e-3
"""The largest distance of a sum of probabilities from 1."""
_CROSSENTROPIES = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")


@MODEL_RULES.rule(
    code="probabilities-as-logits",
    severity="error",
    summary="The last layer returns probabilities and the loss takes them for logits, so it cannot come near 0.",
    unit="% of the outputs are probabilities",
    threshold=99,
    why="Logits hardly ever add up to 1.",
    fix="Leave out the last activation, or set from_logits=False in the loss.",
    unless=(non_finite_weights,),
)
def probabilities_as_logits(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the share of outputs that are probabilities, where the loss takes logits."""
    if has_classes(trace) and takes_logits(trace.model.loss):
        activation = activation_of(trace.calls[-1].layer)
        is_named = activation in ("softmax", "sigmoid")
        fix = f"Leave out the {activation}, or set from_logits=False in the loss." if is_named else ""
        yield Measurement(_share_of_probabilities(trace), target.locations.layer(trace.calls[-1]), fix)


@MODEL_RULES.rule(
    code="logits-as-probabilities",
    severity="error",
    summary="The last layer returns logits and the loss takes them for probabilities: the gradient is wrong or zero.",
    unit="% of the outputs are no probabilities",
    threshold=1,
    why="Rounding changes a sum of probabilities by a millionth; the tolerance is a thousandth.",
    fix="End with a softmax, or set from_logits=True in the loss.",
    unless=(non_finite_weights,),
)
def logits_as_probabilities(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Measure the share of outputs that are not probabilities, where the loss takes probabilities."""
    if has_classes(trace) and takes_logits(trace.model.loss) is False:
        fix = "End with a sigmoid, or set from_logits=True in the loss." if _is_binary(trace) else ""
        yield Measurement(100 - _share_of_probabilities(trace), target.locations.layer(trace.calls[-1]), fix)


@MODEL_RULES.rule(
    code="unused-outputs",
    severity="info",
    summary="The last layer has more outputs than there are classes.",
    unit="outputs",
    threshold=0,
    why="Each extra output is a class that does not exist.",
    fix="Give the last layer one unit per class.",
)
def unused_outputs(target: DiagnosticTarget, trace: Trace) -> Iterator[Measurement]:
    """Count the outputs without a class."""
    outputs, classes = trace.outputs.shape[-1], len(target.class_names)
    if has_classes(trace) and takes_logits(trace.model.loss) is not None and classes and outputs > 1:
        where = target.locations.layer(trace.calls[-1])
        yield Measurement(outputs - classes, where, _set_output_units(target, trace))


def has_classes(trace: Trace) -> bool:
    """Return True if the last axis of the outputs may be classes, for a single loss, and some are finite."""
    is_single = not isinstance(trace.model.loss, dict | list)
    return trace.outputs.ndim >= 2 and is_single and bool(np.isfinite(trace.outputs).all(axis=-1).any())


def takes_logits(loss: Any) -> bool | None:
    """Return True if a loss takes logits, False if it takes probabilities, None if it takes neither.

    Args:
        loss: A ``keras.Loss``, a function of ``keras.losses``, or its name.
    """
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        from_logits = loss.get_config().get("from_logits")
        return None if from_logits is None else bool(from_logits)
    return False if getattr(loss, "__name__", None) in _CROSSENTROPIES else None


def probability_share(outputs: NDArray[np.floating], *, is_binary: bool = False) -> float:
    """Return the share of the examples whose outputs are probabilities, in per cent.

    They are not below 0 and add up to 1; those that are binary, each for a class of its own, only lie between 0 and 1.

    Args:
        outputs: [B, ..., classes]; examples that are not finite do not count.
        is_binary: True if each output is the probability of one class against its absence.
    """
    rows = outputs.reshape(-1, outputs.shape[-1]).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    is_in_range = ((rows >= 0) & (rows <= 1 + SUM_TOLERANCE)).all(axis=1)
    adds_up = np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE
    return 100 * float((is_in_range & (is_binary | adds_up)).mean())


def _share_of_probabilities(trace: Trace) -> float:
    is_binary = _is_binary(trace)
    # A single logit may well lie between 0 and 1.
    if is_binary and activation_of(trace.calls[-1].layer) != "sigmoid":
        return 0.0
    return probability_share(trace.outputs, is_binary=is_binary)


def _is_binary(trace: Trace) -> bool:
    """Return True if each output is the probability of one class against its absence."""
    if trace.outputs.shape[-1] == 1:
        return True
    loss = trace.model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    return "binary" in name.lower() and activation_of(trace.calls[-1].layer) != "softmax"
