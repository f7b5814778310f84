"""Each setting of a training reaches Keras."""

from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.model.build import build_model, resolve
from unrolled.runs.run import Run
from unrolled.tasks.registry import load_task

import keras
import numpy as np
import pytest


def train(tiny: Path, *settings: str) -> Run:
    return unrolled.train(tiny, overrides=settings, runs=tiny.parent / "runs", quiet=True)


def build(tiny: Path, *settings: str, steps: int = 1000) -> keras.Model:
    config = ExperimentConfig.load(tiny, overrides=settings)
    task = load_task(config)
    return build_model(resolve(config, task), task, steps=steps)


def rate(model: keras.Model, step: int) -> float:
    model.optimizer.iterations.assign(step)
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def test_a_cycle_is_as_long_as_the_training(tiny: Path) -> None:
    model = build(tiny, "training.optimizer={Adam: {learning_rate: {OneCycle: {peak: 0.5}}}}", steps=100)
    assert rate(model, 0) == pytest.approx(0.5 * 0.04)
    assert rate(model, 15) == pytest.approx(0.5 * (0.04 + 0.96 / 2))
    assert rate(model, 30) == pytest.approx(0.5)
    assert rate(model, 65) == pytest.approx(0.5 * (1 + 1e-4) / 2, rel=1e-3)
    assert rate(model, 100) == pytest.approx(0.5 * 1e-4, rel=1e-3)


def test_a_cosine_warms_up_where_the_file_asks_for_it(tiny: Path) -> None:
    model = build(tiny, "training.optimizer={SGD: {learning_rate: {Cosine: {peak: 1.0, warmup: 0.1}}}}", steps=100)
    assert [rate(model, step) for step in (0, 5, 10, 55, 100)] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-6)


def test_keras_own_schedule_is_as_long_as_the_training_where_the_file_leaves_it_out(tiny: Path) -> None:
    schedule = "training.optimizer={{Adam: {{learning_rate: {{CosineDecay: {{initial_learning_rate: 1.0{}}}}}}}}}"
    assert rate(build(tiny, schedule.format(""), steps=40), 20) == pytest.approx(0.5)
    assert rate(build(tiny, schedule.format(", decay_steps: 20"), steps=40), 20) == pytest.approx(0.0, abs=1e-6)


def test_a_saved_model_with_a_cycle_needs_nothing_of_ours_but_layers(tiny: Path) -> None:
    run = train(tiny, "training.optimizer={Adam: {learning_rate: {OneCycle: {peak: 0.01}}}}")
    assert type(run.model.optimizer._learning_rate).__module__.startswith("keras.")


def test_a_smoothed_loss_never_reaches_zero(tiny: Path) -> None:
    smooth = "training.loss={CategoricalCrossentropy: {label_smoothing: 0.3}}"
    run = train(tiny, smooth, "training.epochs=20", "training.optimizer.Adam.learning_rate=0.03")
    # Of targets 0.8, 0.1, 0.1 no prediction has a smaller cross-entropy than their entropy.
    assert run.metrics[-1]["loss"] > 0.63
    assert run.metrics[-1]["accuracy"] > 0.9


def test_metrics_are_recorded_by_their_names(tiny: Path) -> None:
    metrics = "training.metrics=[accuracy, {SparseTopKCategoricalAccuracy: {k: 2, name: top2}}]"
    record = train(tiny, metrics, "training.validation=0.2").metrics[-1]
    assert {"accuracy", "top2", "val_accuracy", "val_top2"} <= set(record)
    assert record["top2"] >= record["accuracy"]


def test_class_weights_turn_a_network_to_the_class_that_counts(tiny: Path) -> None:
    run = train(tiny, 'training.class_weights={"0": 0, "1": 0, "2": 1}', "training.epochs=20")
    confusion = np.array(run.evaluation.confusion)
    assert confusion[:, 2].sum() == confusion.sum()


def test_a_weight_of_no_class_is_refused(tiny: Path) -> None:
    with pytest.raises(InvalidSetting, match=r'training.class_weights: unknown class "9"'):
        train(tiny, 'training.class_weights={"9": 1}')
    assert not (tiny.parent / "runs").exists()


def test_averages_validate_and_end_as_the_network(tiny: Path) -> None:
    averaged = "training.optimizer={SGD: {learning_rate: 0.5, use_ema: true, ema_momentum: 0.95}}"
    plain = train(tiny, "training.optimizer={SGD: {learning_rate: 0.5}}", "training.validation=test")
    run = train(tiny, averaged, "training.validation=test")
    assert run.metrics[-1]["loss"] == pytest.approx(plain.metrics[-1]["loss"], rel=1e-4)
    assert run.metrics[-1]["val_loss"] != pytest.approx(plain.metrics[-1]["val_loss"], rel=1e-3)
    assert run.metrics[-1]["val_loss"] == pytest.approx(run.evaluation.loss, rel=1e-4)


def test_another_precision_is_computed_by_keras_own_loop(tiny: Path) -> None:
    run = train(tiny, "training.precision=mixed_bfloat16")
    assert run.model.layers[2].compute_dtype == "bfloat16"
    run.predict(run.task.data.test.inputs[:2])
    assert "float32" in run.model.layers[2].kernel_used
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("order", ["columns", "pixels", "snake", "permuted"])
def test_a_network_reads_raw_images_in_any_order(tiny: Path, order: str) -> None:
    run = train(tiny, f"scan={order}", "network.1.LSTM.units=4", "training.epochs=1")
    images = run.task.data.test.inputs
    assert run.model.input_shape == (None, 6, 5)
    np.testing.assert_allclose(
        run.evaluation.accuracy, (run.predict(images).argmax(axis=1) == run.task.data.test.targets).mean()
    )


def test_an_initializer_is_found_before_a_layer_of_its_name(tiny: Path) -> None:
    identity = "network.1={SimpleRNN: {units: 8, recurrent_initializer: {Identity: {gain: 0.5}}}}"
    weights = build(tiny, identity).layers[2].get_weights()[1]
    np.testing.assert_array_equal(weights, 0.5 * np.eye(8))


def test_shifts_change_the_training_and_nothing_else(tiny: Path) -> None:
    plain, moved = train(tiny), train(tiny, "training.augment.shift=1")
    assert plain.metrics[0]["loss"] != moved.metrics[0]["loss"]
    assert moved.data == plain.data


REFUSED: list[tuple[str, Any]] = [
    ("network.1.LSTM.units=eight", "expected a whole number of at least 1, got 'eight'"),
    ("network.1.LSTM.units=0", "expected a whole number of at least 1, got 0"),
    ("network.1.LSTM.dropout=2", "expected a share of at least 0 and below 1, got 2"),
    ("network.1.LSTM.return_sequences=maybe", "expected true or false, got 'maybe'"),
    ("network.1.LSTM.activation=tahn", 'unknown activation "tahn". Did you mean "tanh"?'),
    ("network.1.LSTM.kernel_initializer=orthogonl", 'unknown initializer "orthogonl". Did you mean "orthogonal"?'),
    ("training.optimizer={Adm: {}}", 'unknown optimizer "Adm". Did you mean "Adam"?'),
    ("training.optimizer={Adam: {learning_rate: fast}}", "expected a number, got 'fast'"),
    ("training.optimizer={Adam: {learning_rate: {OneCycl: {peak: 1}}}}", 'unknown class "OneCycl"'),
    ("training.optimizer={Adam: {learning_rate: {OneCycle: {}}}}", 'the argument "peak" is missing. Add it.'),
    ("training.optimizer={Adam: {learning_rate: {OneCycle: {peak: 1, warmup: 3}}}}", "warmup must be a share"),
    ("training.loss=CategoricalCrossentrop", 'unknown loss "CategoricalCrossentrop". Did you mean'),
    ("training.metrics=[acuracy]", 'unknown metric "acuracy"'),
    ("training.class_weights=equal", "expected balanced, or a weight for each class"),
    ('training.class_weights={"0": -1}', "expected a weight of at least 0"),
    ("training.validation={fold: 5, of: 5}", "expected a fold from 0 to 4, got 5"),
    ("training.validation={fold: 1, off: 5}", 'unknown setting "off". Did you mean "of"?'),
    ("training.augment={shift: 0}", "expected a number greater than or equal to 1, got 0"),
    ("training.precision=half", "expected 'float32' or 'mixed_bfloat16', got 'half'"),
    ("training.checkpoint_seconds=0", "expected a number greater than 0, got 0"),
    ("scan=diagonal", "expected 'rows', 'columns', 'pixels', 'permuted' or 'snake'"),
]


@pytest.mark.parametrize(("setting", "expected"), REFUSED)
def test_what_cannot_be_is_refused_in_one_line(tiny: Path, setting: str, expected: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        train(tiny, setting)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tiny.parent / "runs").exists()
