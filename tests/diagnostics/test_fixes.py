"""Suggested fixes: they depend on the network, can be applied, and are not applied already."""

from typing import Any

from tests.diagnostics.networks import bumps, codes, compiled, network_for, sentences
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.diagnostics.data_rules import DATA_RULES
from unrolled.diagnostics.diagnose import check_model, check_target
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.diagnostics.locations import ExperimentLocations
from unrolled.diagnostics.lr_probe import LearningRateProbe
from unrolled.diagnostics.probe import Trace
from unrolled.diagnostics.target import DiagnosticTarget, target_of_experiment, target_of_model
from unrolled.diagnostics.training_rules import (
    LEARNING_RATE_RULES,
    dead_units,
    exploding_gradient,
    saturated_gates,
    stuck_units,
    vanishing_gradient,
)
from unrolled.layers import GRU, LSTM, SimpleRNN

import keras
import numpy as np
import pytest

layers = keras.layers


def traced(model: keras.Model, inputs: Any, targets: Any) -> tuple[DiagnosticTarget, Trace]:
    target = target_of_model(model, inputs, targets)
    return target, Trace(model, target.first_examples(32))


def untrained(model: keras.Model, inputs: Any, targets: Any) -> dict[str, str]:
    """Return the fixes for all problems that show before training, by code."""
    return {finding.code: finding.fix for finding in check_model(target_of_model(model, inputs, targets))}


def fading(layer: keras.Layer, *others: keras.Layer) -> list[Diagnostic]:
    """Return the diagnostics of a layer through whose 12 steps almost no gradient comes."""
    target, trace = traced(compiled(layer, *others, layers.Dense(3)), *bumps())
    ranges = [(call, 1e-9, 1.0) for call in trace.recurrent_calls]
    vars(trace)["gradient_ranges"] = ranges
    return vanishing_gradient.check(target, trace)


AVERAGE = "Shorten the sequences, or put GlobalAveragePooling1D after the last recurrent layer: return_sequences=true"


@pytest.mark.parametrize(
    ("stack", "fix"),
    [
        ([SimpleRNN(6)], "Use a layer with gates: LSTM(6)"),
        ([layers.Bidirectional(SimpleRNN(6))], "Use a layer with gates: LSTM(6)"),
        ([GRU(6)], AVERAGE),
        ([LSTM(6)], AVERAGE),
        ([layers.Bidirectional(GRU(6))], AVERAGE),
        ([LSTM(6, unit_forget_bias=False)], "Begin with an open forget gate: unit_forget_bias=true"),
        ([GRU(6, return_sequences=True), layers.GlobalAveragePooling1D()], "Shorten the sequences."),
    ],
)
def test_a_fading_gradient_is_fixed_by_something_the_layer_does_not_have(stack: list[Any], fix: str) -> None:
    assert [finding.fix for finding in fading(*stack)] == [fix]


def test_a_stack_that_returns_its_sequences_need_not_return_them() -> None:
    assert [finding.fix for finding in fading(GRU(6, return_sequences=True), GRU(5))] == [AVERAGE, AVERAGE]


def test_a_long_gru_is_not_replaced_by_a_gru() -> None:
    inputs, targets = bumps(time=90)
    cell = GRU(4, recurrent_initializer=keras.initializers.Orthogonal(0.1, seed=0))
    target, trace = traced(compiled(cell, layers.Dense(3), shape=(90, 4)), inputs, targets)
    (finding,) = vanishing_gradient.check(target, trace)
    assert finding.fix == AVERAGE


def test_settings_that_a_fix_names_are_accepted() -> None:
    network: list[Any] = [
        {"Bidirectional": {"layer": {"GRU": {"units": 4, "return_sequences": True}}}},
        {"Bidirectional": {"layer": {"GRU": {"units": 4}}}},
        {"Dense": {"units": 3}},
    ]
    experiment = ExperimentConfig.load({"data": "mnist", "network": network})
    split = Split(*bumps())
    dataset = Dataset("b", split, split, ("a", "b", "c"))
    _, trace = traced(network_for(experiment, dataset), *split)
    target = target_of_model(trace.model, *split)
    object.__setattr__(target, "locations", ExperimentLocations(experiment))
    vars(trace)["gradient_ranges"] = [(call, 1e-9, 1.0) for call in trace.recurrent_calls]
    fixes = {finding.fix for finding in vanishing_gradient.check(target, trace)}
    (setting,) = {fix.split("--set ")[1] for fix in fixes}
    assert setting == "network.1.Bidirectional.layer.GRU.return_sequences=true"
    ExperimentConfig.load(experiment, overrides=[setting])
    assert [target.locations.layer(call) for call in trace.recurrent_calls][1] == "experiment: network[1].Bidirectional"


def test_clipped_gradients_are_not_to_be_clipped() -> None:
    for arguments in ({"clipnorm": 1.0}, {"clipvalue": 1.0}, {"global_clipnorm": 1.0}):
        model = compiled(LSTM(6), layers.Dense(3), optimizer=keras.optimizers.Adam(0.01, **arguments))
        target, trace = traced(model, *bumps())
        vars(trace)["gradient_ranges"] = [(call, 1.0, 1e9) for call in trace.recurrent_calls]
        assert exploding_gradient.check(target, trace) == []


def test_saturated_gates_of_scaled_inputs_are_not_to_be_scaled() -> None:
    inputs, targets = bumps()
    target, trace = traced(compiled(LSTM(6), layers.Dense(3)), 3000 * inputs, targets)
    assert saturated_gates.check(target, trace)[0].fix == "Scale the inputs of this layer to about -1 to 1."
    for regularizer, fix in (
        (None, "Lower the learning rate, or regularize the kernel: kernel_regularizer=l2"),
        ("l2", "Lower the learning rate."),
    ):
        closed = LSTM(6, bias_initializer="ones", kernel_regularizer=regularizer)
        model = compiled(closed, layers.Dense(3))
        closed.cell.bias.assign(np.full(24, -9, np.float32))
        assert saturated_gates.check(*traced(model, inputs, targets))[0].fix == fix


def test_a_layer_gets_no_argument_that_it_does_not_take() -> None:
    hidden = layers.Dense(8, bias_initializer=keras.initializers.Constant(-100))
    model = compiled(GRU(8), hidden, layers.ReLU(), layers.Dense(3))
    (dead,) = dead_units.check(*traced(model, *bumps()))
    assert (dead.where, dead.fix) == ("layers[2].ReLU", "Lower the learning rate, or use ELU in place of this layer.")
    model = compiled(GRU(8), hidden, layers.Activation("tanh"), layers.Dense(3))
    (stuck,) = stuck_units.check(*traced(model, *bumps()))
    assert (stuck.where, stuck.fix[:10]) == ("layers[2].Activation", "Scale the ")


def test_a_mask_that_the_embedding_makes_is_not_to_be_made() -> None:
    tokens, targets = sentences()
    dropped = layers.Conv1D(8, 3, padding="same")
    model = compiled(layers.Embedding(20, 8, mask_zero=True), dropped, LSTM(8), layers.Dense(2), shape=(12,))
    assert set(untrained(model, tokens, targets)) == {"lost-mask"}


def test_a_lost_mask_is_fixed_by_layers_that_apply_it() -> None:
    embedding = layers.Embedding(20, 8, mask_zero=True)
    pooled = compiled(
        embedding, LSTM(8, return_sequences=True), layers.GlobalMaxPooling1D(), layers.Dense(2), shape=(12,)
    )
    assert untrained(pooled, *sentences())["lost-mask"].startswith("Use GlobalAveragePooling1D")
    flat = compiled(layers.Embedding(20, 8, mask_zero=True), layers.Flatten(), layers.Dense(2), shape=(12,))
    assert untrained(flat, *sentences())["lost-mask"].startswith("Put GlobalAveragePooling1D or a recurrent layer")


@pytest.mark.parametrize(("layer", "side", "end"), [(LSTM(8), 1, "front"), (LSTM(8, go_backwards=True), -1, "end")])
def test_padding_is_to_be_moved_to_where_it_is_not(layer: keras.Layer, side: int, end: str) -> None:
    inputs, targets = bumps()
    inputs[:, 6:] = 0
    model = compiled(layer, layers.Dense(3))
    fixes = untrained(model, inputs[:, ::side], targets)
    assert fixes["padding-read-last"] == f"Mask the padding with Masking, first in the network, or pad at the {end}."


def test_padding_at_both_ends_of_both_directions_is_to_be_masked() -> None:
    inputs, targets = bumps()
    inputs[:, 6:] = 0
    fixes = untrained(compiled(layers.Bidirectional(LSTM(8)), layers.Dense(3)), inputs, targets)
    assert fixes["padding-read-last"] == "Mask the padding, with Masking or mask_zero."


def test_a_rescaling_is_changed_where_there_is_one() -> None:
    inputs, targets = bumps()
    scaled = compiled(layers.Dropout(0.1), layers.Rescaling(30), LSTM(8), layers.Dense(3))
    assert untrained(scaled, 10 * inputs, targets)["unscaled-inputs"].startswith(
        "Scale the inputs to about -1 to 1: scale=0.0"
    )
    by_feature = compiled(layers.Rescaling([300.0] * 4), LSTM(8), layers.Dense(3))
    assert "in the Rescaling" in untrained(by_feature, inputs, targets)["unscaled-inputs"]


def test_the_units_of_the_layer_that_has_them_are_changed() -> None:
    model = compiled(LSTM(8), layers.Dense(5), layers.Softmax(), loss="sparse_categorical_crossentropy")
    assert untrained(model, *bumps()) == {"unused-outputs": "Give the last layer one unit per class: units=3"}
    model = compiled(LSTM(8), layers.Dense(10), layers.Reshape((5, 2)), layers.Lambda(lambda x: x[..., 0]))
    assert untrained(model, *bumps()) == {"unused-outputs": "Give the last layer one unit per class."}


def test_the_activation_that_a_network_ends_in_is_named() -> None:
    inputs, targets = bumps()
    softmax = compiled(LSTM(8), layers.Dense(3), layers.Softmax())
    assert untrained(softmax, inputs, targets) == {
        "probabilities-as-logits": "Leave out the softmax, or set from_logits=False in the loss."
    }
    binary = keras.losses.BinaryCrossentropy
    sigmoid = compiled(LSTM(8), layers.Dense(1, "sigmoid"), loss=binary(from_logits=True))
    assert untrained(sigmoid, inputs, targets > 0) == {
        "probabilities-as-logits": "Leave out the sigmoid, or set from_logits=False in the loss."
    }
    logits = compiled(LSTM(8), layers.Dense(1), loss=binary())
    assert untrained(logits, inputs, targets > 0) == {
        "logits-as-probabilities": "End with a sigmoid, or set from_logits=True in the loss."
    }


def test_several_binary_outputs_need_not_add_up_to_1() -> None:
    inputs, targets = bumps()
    labels = np.stack([targets > 0, targets > 1], axis=1)
    for last, codes_found in (("sigmoid", set()), ("linear", {"logits-as-probabilities"})):
        model = compiled(LSTM(8), layers.Dense(2, last), loss="binary_crossentropy")
        assert set(untrained(model, inputs, labels)) == codes_found


def test_a_network_that_diverged_is_not_blamed_for_its_softmax() -> None:
    model = compiled(LSTM(8), layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([np.where(kernel == kernel.max(), np.nan, kernel), bias])
    (finding,) = check_target(target_of_model(model, *bumps()))
    assert (finding.code, finding.value, finding.where) == ("non-finite-weights", 1, "layers[1].Dense")


def test_a_learning_rate_is_lowered_to_a_lower_one_even_if_it_does_best() -> None:
    target, _ = traced(compiled(LSTM(4), layers.Dense(3)), *bumps())
    probe = LearningRateProbe(0.1, 1.0, {0.01: 3.0, 0.1: 2.0, 0.001: 2.5})
    (finding,) = LEARNING_RATE_RULES.check(target, probe)
    assert finding.fix == "Lower the learning rate: learning_rate=0.001"


def test_weighted_classes_are_not_to_be_weighted_and_commands_are_for_experiments() -> None:
    inputs, targets = bumps(examples=300)
    kept = np.flatnonzero((targets != 2) | (np.cumsum(targets == 2) <= 5))
    target = target_of_model(compiled(LSTM(4), layers.Dense(3)), inputs[kept], targets[kept])
    (finding,) = DATA_RULES.check(target)
    assert finding.fix == (
        "Add examples of class 2 (class 0 has 20 times as many) or weight the classes (class_weight in fit), "
        "and check the F1 score of class 2."
    )
    object.__setattr__(target, "has_class_weights", True)
    assert DATA_RULES.check(target) == []


def test_named_classes_are_not_to_be_numbered() -> None:
    inputs, targets = bumps()
    target = target_of_model(compiled(LSTM(4), layers.Dense(3)), inputs, np.where(targets == 1, 0, targets))
    for names, fix in (
        (("0", "1", "2"), "Add training examples of class 1, or number the classes from 0 without gaps."),
        (("a", "b", "c"), "Add training examples of class b."),
    ):
        object.__setattr__(target, "class_names", names)
        assert [finding.fix for finding in DATA_RULES.check(target)] == [fix]


def test_test_steps_are_added_to_a_forecast_and_examples_to_the_rest() -> None:
    (finding,) = DATA_RULES.check(target_of_experiment(ExperimentConfig.load("passengers-forecast")))
    assert finding.fix == "Hold out more steps: --set forecast.test_steps=61"
    setting = finding.fix.split("--set ")[1]
    experiment = ExperimentConfig.load("passengers-forecast", overrides=[setting])
    assert "few-test-examples" not in codes(DATA_RULES.check(target_of_experiment(experiment)))
    model = compiled(LSTM(4), layers.Dense(3))
    (finding,) = DATA_RULES.check(target_of_model(model, *bumps(), test=bumps(1, examples=30)))
    assert finding.fix == "Hold out at least 20 more test examples."
