"""Locations, and the settings that fix a problem there."""

from typing import Any

from tests.diagnostics.networks import bumps, compiled, network_for
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.diagnostics.locations import ExperimentLocations, ModelLocations
from unrolled.diagnostics.probe import list_layers, record_calls
from unrolled.layers import LSTM

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def experiment() -> ExperimentConfig:
    network: list[Any] = [
        {"Bidirectional": {"layer": {"LSTM": {"units": 4, "return_sequences": True}}}},
        {"SimpleRNN": {"units": 5}},
        {"Dense": {"units": 3}},
    ]
    return ExperimentConfig.load({"data": "mnist", "network": network, "training": {"optimizer": {"SGD": {}}}})


def test_an_experiment_accepts_the_settings_that_fixes_name(experiment: ExperimentConfig) -> None:
    split = Split(*bumps())
    locations = ExperimentLocations(experiment)
    layers = list_layers(network_for(experiment, Dataset("b", split, split, ("a", "b", "c"))))
    both, forward, _, plain, _ = layers
    assert locations.layer(both) == "experiment: network[0].Bidirectional"
    assert locations.layer(forward) == "experiment: network[0].Bidirectional.forward_layer"
    for fix, changed in (
        (locations.set_argument(forward, "activation", "tanh"), ("network", 0)),
        (locations.set_argument(plain, "activation", "elu"), ("network", 1)),
        (locations.replace_layer(plain, "LSTM"), ("network", 1)),
        (locations.set_optimizer("clipnorm", 1), ("training", "optimizer")),
    ):
        setting = fix.removeprefix("--set ").strip('"')
        after = ExperimentConfig.load(experiment, overrides=[setting])
        network_for(after, Dataset("b", split, split, ("a", "b", "c")))
        before: Any = experiment.model_dump(mode="json")
        now: Any = after.model_dump(mode="json")
        assert before[changed[0]][changed[1]] != now[changed[0]][changed[1]]


def test_a_model_names_layers_within_models_and_layers() -> None:
    inner = keras.Sequential([keras.Input((12, 4)), LSTM(5, return_sequences=True)])
    layers = list_layers(compiled(inner, keras.layers.Bidirectional(LSTM(3)), keras.layers.Dense(3)))
    assert [ModelLocations().layer(layer) for layer in layers] == [
        "layers[0].layers[0].LSTM",
        "layers[1].Bidirectional",
        "layers[1].forward_layer.LSTM",
        "layers[1].backward_layer.LSTM",
        "layers[2].Dense",
    ]


def test_layers_of_branches_are_recorded_once_each_and_restored() -> None:
    inputs = keras.Input((12, 4))
    shared = LSTM(3)
    joined = keras.layers.Concatenate()([shared(inputs), shared(inputs[:, ::-1]), keras.layers.Flatten()(inputs)])
    model = keras.Model(inputs, keras.layers.Dense(3)(joined))
    calls = record_calls(model, bumps(examples=4)[0])
    assert sum(call.layer is shared for call in calls) == 1
    assert calls[-1].outputs.shape == (4, 3)
    assert "call" not in vars(shared)
    np.testing.assert_allclose(calls[-1].outputs, np.asarray(model(bumps(examples=4)[0])), atol=1e-6)
