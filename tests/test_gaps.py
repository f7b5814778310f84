"""Losses and metrics over targets of which some are missing."""

from typing import Any

from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.errors import InvalidSetting
from unrolled.gaps import LossOverGaps, MetricOverGaps
from unrolled.losses import PinballLoss
from unrolled.model.build import build_model, prepare

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

LOSSES = (
    keras.losses.MeanSquaredError(),
    keras.losses.MeanAbsoluteError(),
    keras.losses.Huber(),
    PinballLoss((0.1, 0.5, 0.9)),
)


def targets_and_outputs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return [4, 6] targets, with a gap in one of two values of 3 quantiles each, and outputs."""
    random = np.random.default_rng(0)
    targets = np.repeat(random.normal(size=(4, 2)), 3, axis=1).astype(np.float32)
    targets[0, :3] = targets[2, 3:] = np.nan
    return targets, random.normal(size=(4, 6)).astype(np.float32)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_loss_over_gaps_is_the_mean_over_the_known_targets(loss: Any) -> None:
    targets, outputs = targets_and_outputs()
    known = ~np.isnan(targets)
    expected = float(loss(targets[known].reshape(-1, 3), outputs[known].reshape(-1, 3)))
    assert float(LossOverGaps(loss)(targets, outputs)) == pytest.approx(expected, rel=1e-5)
    whole = np.nan_to_num(targets)
    assert float(LossOverGaps(loss)(whole, outputs)) == float(loss(whole, outputs))
    again = keras.losses.deserialize(keras.losses.serialize(LossOverGaps(loss)))
    assert float(again(targets, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_gap_moves_no_weight(loss: Any) -> None:
    targets, _ = targets_and_outputs()
    targets[:, 4:] = np.nan
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6, bias_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.1), LossOverGaps(loss))
    before = model.get_weights()[1]
    assert np.isfinite(model.train_on_batch(np.ones((4, 2), np.float32), targets))
    after = model.get_weights()[1]
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(before[4:], after[4:])
    assert (before[:4] != after[:4]).all()


def test_a_metric_over_gaps_is_that_of_the_known_targets() -> None:
    targets, outputs = targets_and_outputs()
    model = keras.Sequential([keras.Input((6,)), keras.layers.Identity()])
    kinds = (keras.metrics.MeanAbsoluteError, keras.metrics.RootMeanSquaredError)
    model.compile(loss=LossOverGaps(LOSSES[0]), metrics=[MetricOverGaps(kind()) for kind in kinds])
    found = model.evaluate(outputs, targets, batch_size=3, verbose=0, return_dict=True)
    errors = (targets - outputs)[~np.isnan(targets)]
    assert found["mean_absolute_error"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert found["root_mean_squared_error"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    again = keras.metrics.deserialize(keras.metrics.serialize(MetricOverGaps(kinds[0]())))
    again.update_state(targets, outputs)
    assert float(again.result()) == pytest.approx(np.abs(errors).mean(), rel=1e-5)


def test_a_loss_that_would_count_gaps_is_refused() -> None:
    settings = recipes()["passengers-forecast"]
    config = ExperimentConfig.load(settings, overrides=["training.loss=Hinge"])
    with pytest.raises(InvalidSetting, match=r"expected a loss of differences, .* got Hinge\. Use for example"):
        build_model(*prepare(config))
