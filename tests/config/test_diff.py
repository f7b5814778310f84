"""The difference of two experiments is listed once, by its path."""

from tests.comparison.written_runs import experiment_of
from unrolled.config.diff import ConfigDifference, align, diff_configs
from unrolled.config.experiment import ExperimentConfig

import pytest

DROPOUT = "network=[{Rescaling: {scale: 0.00392156862745098}}, {LSTM: {units: 8}}, {Dropout: {rate: 0.2}}, {Dense: "
DROPOUT += "{units: 10, activation: softmax}}]"


def found(*settings: str) -> list[tuple[str, object, object]]:
    """What differs between the written experiment and itself with settings changed."""
    changed = diff_configs(experiment_of(), experiment_of(settings=settings))
    return [(one.path, one.first, one.second) for one in changed]


def test_names_and_seeds_are_left_aside() -> None:
    assert diff_configs(experiment_of("one", seed=1), experiment_of("other", seed=2)) == ()


@pytest.mark.parametrize(
    ("setting", "difference"),
    [
        ("training.epochs=5", ("training.epochs", 2, 5)),
        ("network.1.LSTM.units=16", ("network[1].LSTM.units", 8, 16)),
        ("network.1.LSTM.go_backwards=true", ("network[1].LSTM.go_backwards", None, True)),
        ("network.1={GRU: {units: 8}}", ("network[1]", {"LSTM": {"units": 8}}, {"GRU": {"units": 8}})),
        (
            "training.optimizer={SGD: {momentum: 0.9}}",
            ("training.optimizer", {"Adam": {"learning_rate": 0.001}}, {"SGD": {"momentum": 0.9}}),
        ),
        ("training.optimizer=Adam", ("training.optimizer.Adam.learning_rate", 0.001, None)),
        ("data={file: /mine.npz}", ("data", "mnist", {"file": "/mine.npz"})),
    ],
)
def test_a_changed_setting_is_one_path_with_both_values(setting: str, difference: tuple[str, object, object]) -> None:
    assert found(setting) == [difference]


def test_an_inserted_layer_leaves_those_after_it_alone() -> None:
    assert found(DROPOUT) == [("network[2]", None, {"Dropout": {"rate": 0.2}})]


def test_a_removed_layer_leaves_those_after_it_alone() -> None:
    changed = diff_configs(experiment_of(settings=[DROPOUT]), experiment_of())
    assert changed == (ConfigDifference("network[2]", {"Dropout": {"rate": 0.2}}, None),)


def test_a_layer_inserted_before_a_changed_one_shows_both() -> None:
    assert found(DROPOUT.replace("units: 8", "units: 9")) == [
        ("network[1].LSTM.units", 8, 9),
        ("network[2]", None, {"Dropout": {"rate": 0.2}}),
    ]


def test_layers_of_one_class_are_aligned_by_their_arguments() -> None:
    lstm = [{"LSTM": {"units": units}} for units in (1, 2, 3)]
    assert align(lstm, lstm[1:]) == [(0, None), (1, 0), (2, 1)]
    assert align(lstm[:2], lstm) == [(0, 0), (1, 1), (None, 2)]


def test_recipes_do_not_differ_from_themselves() -> None:
    assert diff_configs(ExperimentConfig.load("mnist-rows"), ExperimentConfig.load("mnist-rows")) == ()
