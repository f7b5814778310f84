"""Rules about the network: each problem planted in a healthy one."""

from typing import Any

from tests.diagnostics.networks import bumps, codes, compiled, reader, sentences
from unrolled.diagnostics.diagnose import check_model, diagnose
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.diagnostics.model_rules import takes_logits
from unrolled.diagnostics.probe import Trace
from unrolled.diagnostics.target import target_of_model
from unrolled.diagnostics.training_rules import dead_units, exploding_states, saturated_gates, stuck_units
from unrolled.errors import InvalidInput
from unrolled.layers import GRU, LSTM, SimpleRNN

import keras
import numpy as np
import pytest

layers = keras.layers


def check_untrained(model: keras.Model, inputs: Any, targets: Any) -> list[Diagnostic]:
    """Check everything that shows before training."""
    return check_model(target_of_model(model, inputs, targets))


def check_units(model: keras.Model, inputs: Any, targets: Any) -> list[Diagnostic]:
    """Check the states and units of the untrained network."""
    target = target_of_model(model, inputs, targets)
    trace = Trace(model, target.first_examples(64))
    rules = (exploding_states, saturated_gates, stuck_units, dead_units)
    return [finding for rule in rules for finding in rule.check(target, trace)]


def only(code: str, findings: Any) -> Diagnostic:
    (finding,) = (finding for finding in findings if finding.code == code)
    return finding  # type: ignore[no-any-return]


def test_relu_states_that_explode_are_found() -> None:
    cell = SimpleRNN(8, activation="relu", recurrent_initializer=keras.initializers.Identity(1.5))
    findings = diagnose(compiled(cell, layers.Dense(3), shape=(42, 4)), *bumps(time=42))
    finding = only("exploding-states", findings)
    assert finding.where == "layers[0].SimpleRNN"
    assert finding.value > 1000
    assert finding.fix == "Use a bounded activation: activation=tanh"
    assert findings[0].severity == "error"


def test_gates_that_saturate_are_found() -> None:
    inputs, targets = bumps()
    assert codes(check_units(reader(), inputs, targets)) == set()
    for cell, gates in (("lstm", "ifo"), ("gru", "zr")):
        finding = only("saturated-gates", check_units(reader(cell=cell), 3000 * inputs, targets))
        assert finding.where in [f"layers[0].{cell.upper()}, gate {letter}" for letter in gates]


def test_relu_units_that_are_dead_and_tanh_units_that_never_vary_are_found() -> None:
    dead = layers.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-100))
    stuck = layers.Dense(8, "tanh", bias_initializer=keras.initializers.Constant(10))
    findings = check_units(compiled(GRU(8), layers.Dense(8, "relu"), stuck, dead, layers.Dense(3)), *bumps())
    assert [(finding.code, finding.where, finding.value) for finding in findings] == [
        ("stuck-units", "layers[2].Dense", 100),
        ("dead-units", "layers[3].Dense", 100),
    ]


def test_recurrent_relu_units_that_are_dead_are_found() -> None:
    dead = SimpleRNN(8, activation="relu", bias_initializer=keras.initializers.Constant(-100))
    assert codes(check_units(compiled(dead, layers.Dense(3)), *bumps())) == {"dead-units"}


@pytest.mark.parametrize(
    "layer", [layers.Reshape((6, 16)), layers.Conv1D(8, 3, padding="same"), layers.Lambda(lambda x: 2 * x)]
)
def test_a_mask_that_a_layer_does_not_pass_on_is_found(layer: keras.Layer) -> None:
    model = compiled(layers.Embedding(20, 8, mask_zero=True), layer, LSTM(8), layers.Dense(2), shape=(12,))
    finding = only("lost-mask", check_untrained(model, *sentences()))
    assert finding.where == f"layers[1].{type(layer).__name__}"


def test_a_pooling_that_ignores_the_mask_is_found() -> None:
    model = compiled(
        layers.Embedding(20, 8, mask_zero=True),
        LSTM(8, return_sequences=True),
        layers.GlobalMaxPooling1D(),
        layers.Dense(2),
        shape=(12,),
    )
    assert only("lost-mask", check_untrained(model, *sentences())).where == "layers[2].GlobalMaxPooling1D"


@pytest.mark.parametrize(
    "users",
    [
        [LSTM(8)],
        [layers.Bidirectional(GRU(8))],
        [LSTM(8, return_sequences=True), layers.Dropout(0.1), LSTM(8)],
        [layers.GlobalAveragePooling1D()],
        [GRU(8, return_sequences=True), layers.GlobalAveragePooling1D()],
    ],
)
def test_a_mask_that_is_used_up_is_not_lost(users: list[keras.Layer]) -> None:
    model = compiled(layers.Embedding(20, 8, mask_zero=True), *users, layers.Dense(2), shape=(12,))
    assert check_untrained(model, *sentences()) == []


@pytest.mark.parametrize(
    ("side", "layer", "name"),
    [
        (1, LSTM(8), "padding-read-last"),
        (-1, LSTM(8), "padding-read-first"),
        (-1, LSTM(8, go_backwards=True), "padding-read-last"),
        (-1, layers.Bidirectional(LSTM(8)), "padding-read-last"),
    ],
)
def test_padding_without_a_mask_is_found(side: int, layer: keras.Layer, name: str) -> None:
    tokens, targets = sentences()
    model = compiled(layers.Embedding(20, 8), layer, layers.Dense(2), shape=(12,))
    (finding,) = check_untrained(model, tokens[:, ::side], targets)
    assert finding.code == name
    assert finding.fix == "Mask the padding: mask_zero=true"


def test_inputs_without_scale_are_found() -> None:
    inputs, targets = bumps()
    (finding,) = check_untrained(reader(), 300 * inputs, targets)
    assert (finding.code, finding.where) == ("unscaled-inputs", "layers[0].LSTM")
    assert finding.value == pytest.approx(300 * 0.66, rel=0.2)


def test_inputs_that_are_tiny_are_found() -> None:
    inputs, targets = bumps()
    (finding,) = check_untrained(reader(), inputs / 100, targets)
    assert (finding.code, finding.where) == ("tiny-inputs", "layers[0].LSTM")
    assert finding.fix.startswith("Put Rescaling: {scale: 4")


def test_inputs_that_the_network_scales_are_not_found() -> None:
    inputs, targets = bumps()
    assert check_untrained(compiled(layers.Rescaling(1 / 300), LSTM(8), layers.Dense(3)), 300 * inputs, targets) == []
    assert check_untrained(compiled(layers.BatchNormalization(), LSTM(8), layers.Dense(3)), 300 * inputs, targets) == []


def test_a_softmax_with_a_loss_from_logits_is_found() -> None:
    (finding,) = check_untrained(compiled(LSTM(8), layers.Dense(3, "softmax")), *bumps())
    assert (finding.code, finding.value, finding.severity) == ("probabilities-as-logits", 100, "error")


@pytest.mark.parametrize(
    ("units", "loss"), [(3, "sparse_categorical_crossentropy"), (1, keras.losses.BinaryCrossentropy())]
)
def test_logits_with_a_loss_from_probabilities_are_found(units: int, loss: Any) -> None:
    inputs, targets = bumps(examples=240)
    findings = check_untrained(
        compiled(LSTM(8), layers.Dense(units), loss=loss), inputs, targets if units > 1 else targets > 0
    )
    assert codes(findings) == {"logits-as-probabilities"}


def test_outputs_that_fit_their_loss_are_not_found() -> None:
    inputs, targets = bumps()
    for last, loss, values in (
        (layers.Dense(3, "softmax"), "sparse_categorical_crossentropy", targets),
        (layers.Dense(3, "softmax"), keras.losses.CategoricalCrossentropy(), np.eye(3)[targets]),
        (layers.Dense(1, "sigmoid"), "binary_crossentropy", targets > 0),
        (layers.Dense(1), keras.losses.BinaryCrossentropy(from_logits=True), targets > 0),
        (layers.Dense(1), "mse", inputs[:, -1, 0]),
    ):
        assert check_untrained(compiled(LSTM(8), last, loss=loss), inputs, values) == []


def test_a_loss_takes_logits_or_probabilities() -> None:
    assert takes_logits(keras.losses.SparseCategoricalCrossentropy(from_logits=True)) is True
    assert takes_logits(keras.losses.binary_crossentropy) is False
    assert takes_logits("mse") is None


def test_outputs_without_a_class_are_found() -> None:
    (finding,) = check_untrained(reader(classes=5), *bumps())
    assert (finding.code, finding.value) == ("unused-outputs", 2)
    assert finding.fix.endswith("units=3")


def test_targets_without_an_output_are_found_and_nothing_is_trained() -> None:
    inputs, targets = bumps()
    (finding,) = diagnose(reader(classes=2), inputs, targets)
    assert (finding.code, finding.value) == ("targets-out-of-range", 80)


def test_a_model_is_as_it_was_after_the_diagnosis() -> None:
    model, (inputs, targets) = reader(dropout=0.2), bumps()
    model.fit(inputs, targets, epochs=1, verbose=0)
    before = [np.array(variable.numpy()) for variable in [*model.variables, *model.optimizer.variables]]
    assert diagnose(model, inputs, targets) == ()
    after = [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert "call" not in vars(model.layers[0])


def test_a_model_that_cannot_be_diagnosed_is_an_error() -> None:
    inputs, targets = bumps()
    with pytest.raises(InvalidInput, match=r"the model is not compiled\. Call model\.compile"):
        diagnose(keras.Sequential([keras.Input((12, 4)), LSTM(3)]), inputs, targets)
    with pytest.raises(InvalidInput, match=r"a model needs its training data\. Pass inputs and targets"):
        diagnose(reader())
    with pytest.raises(InvalidInput, match=r"and B targets, got float32 \[240, 12, 4\] and \[3\]"):
        diagnose(reader(), inputs, targets[:3])
    with pytest.raises(InvalidInput, match=r"expected a keras\.Model, got dict_keys"):
        diagnose({}.keys(), inputs, targets)
