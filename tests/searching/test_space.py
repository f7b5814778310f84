"""Ranges and choices in an experiment, what they resolve to, and one line for each error."""

from pathlib import Path
from typing import Any

from unrolled.config.document import Document, parse_yaml, read_document
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.searching.parameters import Choice, Range
from unrolled.searching.space import SearchSpace

import optuna
import pytest

EXPERIMENT = """\
data: mnist
network:
  - Rescaling: {scale: 0.0039}
  - search:
      - LSTM: {units: {search: [32, 64]}}
      - GRU: {units: {search: {low: 16, high: 256, step: 16}}}
      - SimpleRNN: {units: 8}
  - Dense: {units: 10}
training:
  optimizer: {Adam: {learning_rate: {search: {low: 1e-4, high: 1e-2, log: true}}}}
  validation: 0.1
"""


def space_of(text: str) -> SearchSpace:
    return SearchSpace(Document(parse_yaml(text, "digits"), "digits"))


def message(text: str, tmp_path: Path) -> str:
    (tmp_path / "digits.yaml").write_text(text)
    with pytest.raises(InvalidSetting) as caught:
        SearchSpace(read_document(tmp_path / "digits.yaml", "digits.yaml"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_parameter_is_named_after_its_path() -> None:
    assert [parameter.name for parameter in space_of(EXPERIMENT).parameters] == [
        "network[1]",
        "network[1].LSTM.units",
        "network[1].GRU.units",
        "training.optimizer.Adam.learning_rate",
    ]


def test_two_of_one_path_are_named_in_full() -> None:
    space = space_of(
        "network: {search: [[{LSTM: {units: {search: [1, 2]}}}], [{LSTM: {units: {search: [3, 4]}}}, Flatten]]}"
    )
    assert [parameter.name for parameter in space.parameters] == [
        "network",
        "network.search[0][0].LSTM.units",
        "network.search[1][0].LSTM.units",
    ]
    assert space.resolve({"network": "LSTM + Flatten", "network.search[1][0].LSTM.units": 4}).values == {
        "network": [{"LSTM": {"units": 4}}, "Flatten"]
    }


def test_layers_are_called_by_their_class_and_values_by_themselves() -> None:
    layer, units, *_ = space_of(EXPERIMENT).parameters
    assert isinstance(layer, Choice)
    assert isinstance(units, Choice)
    assert layer.labels == ("LSTM", "GRU", "SimpleRNN")
    assert units.labels == (32, 64)


def test_a_range_is_of_whole_numbers_where_its_ends_are() -> None:
    whole, real, mixed = space_of(
        "a: {search: {low: 1, high: 9}}\n"
        "b: {search: {low: 0.5, high: 1.5, step: 0.25}}\n"
        "c: {search: {low: 1, high: 2.5}}\n"
    ).parameters
    study = optuna.create_study()
    for _ in range(20):
        trial = study.ask()
        assert isinstance(whole.suggest(trial), int)
        assert real.suggest(trial) in (0.5, 0.75, 1.0, 1.25, 1.5)
        assert isinstance(mixed.suggest(trial), float)


def test_a_trials_parameters_resolve_to_an_experiment() -> None:
    space, study = space_of(EXPERIMENT), optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(30):
        params = space.suggest(study.ask())
        experiment = ExperimentConfig.parse(space.resolve(params))
        (layer,) = (entry for entry in experiment.network if entry.name in ("LSTM", "GRU", "SimpleRNN"))
        assert layer.name == params["network[1]"]
        assert layer.arguments["units"] == params.get(f"network[1].{layer.name}.units", 8)
        assert set(params) - {f"network[1].{layer.name}.units"} == {
            "network[1]",
            "training.optimizer.Adam.learning_rate",
        }
        seen.add(layer.name)
    assert seen == {"LSTM", "GRU", "SimpleRNN"}


def test_each_value_occurs_one_at_a_time() -> None:
    each = list(space_of(EXPERIMENT).one_at_a_time())
    rate = "training.optimizer.Adam.learning_rate"
    assert each == [
        {"network[1]": "LSTM", "network[1].LSTM.units": 32, rate: 1e-4},
        {"network[1]": "GRU", "network[1].GRU.units": 16, rate: 1e-4},
        {"network[1]": "SimpleRNN", rate: 1e-4},
        {"network[1]": "LSTM", "network[1].LSTM.units": 64, rate: 1e-4},
        {"network[1]": "GRU", "network[1].GRU.units": 256, rate: 1e-4},
        {"network[1]": "LSTM", "network[1].LSTM.units": 32, rate: 1e-2},
    ]


def test_a_resolved_layer_has_the_location_at_which_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_text(EXPERIMENT)
    space = SearchSpace(read_document(tmp_path / "digits.yaml", "digits.yaml"))
    resolved = space.resolve(
        {"network[1]": "GRU", "network[1].GRU.units": 32, "training.optimizer.Adam.learning_rate": 1}
    )
    assert resolved.where(("network", 1, "GRU", "units")) == "digits.yaml:6: network[1].GRU.units"
    assert resolved.where(("network", 2, "Dense")) == "digits.yaml:8: network[2].Dense"


def test_a_setting_on_top_may_be_a_search() -> None:
    space = SearchSpace(
        ExperimentConfig.read_document("mnist-rows", overrides=["network.1.LSTM.units={search: [64, 128]}"])
    )
    assert [parameter.name for parameter in space.parameters] == ["network[1].LSTM.units"]
    assert space.resolve({"network[1].LSTM.units": 64}).values["network"][1]["LSTM"]["units"] == 64


def test_nothing_can_be_left_out_by_choice() -> None:
    space = space_of("training: {early_stopping: {search: [null, {patience: 2}]}}")
    assert isinstance(space.parameters[0], Choice)
    assert space.parameters[0].labels == (None, "patience")
    assert space.resolve({"training.early_stopping": None}).values == {"training": {"early_stopping": None}}


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("5", "search: expected a list or a range, got 5. Write [32, 64], or {low: 16, high: 256}."),
        ("[]", "search: expected two values or more, got none. Example: {search: [32, 64]}"),
        ("[32]", "search: expected two values or more, got one. Write it without search."),
        ("[32, 64, 32]", "search[2]: expected values that differ, got 32 twice. Leave one out."),
        ("{low: 1, hihg: 9}", 'search: unknown setting "hihg". Did you mean "high"?'),
        ("{low: 1, high: 9, steps: 2, q: 1}", 'search: unknown setting "steps". Did you mean "step"?'),
        ("{low: 1}", 'search: a range needs "high". Write [32, 64], or {low: 16, high: 256}.'),
        ("{low: one, high: 9}", "search.low: expected a number, got 'one'."),
        ("{low: 1, high: true}", "search.high: expected a number, got True."),
        ("{low: 1, high: .inf}", "search.high: expected a number, got inf."),
        ("{low: 1, high: 9, log: 1}", "search.log: expected true or false, got 1."),
        ("{low: 9, high: 9}", "search.low: expected low below high, got low 9 and high 9."),
        (
            "{low: 0, high: 1, log: true}",
            "search.low: expected low above 0 for log: true, got 0. Raise it, or leave log out.",
        ),
        (
            "{low: 1, high: 9, step: 2, log: true}",
            "search.step: step and log: true exclude each other. Leave one of them out.",
        ),
        (
            "{low: 16, high: 250, step: 16}",
            "search.step: expected a step that leads from 16 to 250, got 16. Set high: 240",
        ),
        (
            "{low: 1, high: 9, step: -2}",
            "search.step: expected a step that leads from 1 to 9, got -2. Example: step: 4",
        ),
    ],
)
def test_a_search_that_cannot_be_ends_in_one_line(search: str, expected: str, tmp_path: Path) -> None:
    text = EXPERIMENT.replace("{search: [32, 64]}", f"{{search: {search}}}")
    assert message(text, tmp_path) == f"digits.yaml:5: network[1].search[0].LSTM.units.{expected}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "{search: [32, 64]}",
            "{serach: [32, 64]}",
            'digits.yaml:5: network[1].search[0].LSTM.units: unknown setting "serach". Did you mean "search"?',
        ),
        (
            "{search: [32, 64]}",
            "{search: [32, 64], low: 1}",
            'digits.yaml:5: network[1].search[0].LSTM.units: "low" cannot stand beside a search. '
            "Put the ends of a range into it: {search: {low: 1, high: 9}}",
        ),
        (
            "data: mnist",
            "data: {search: [mnist, kmnist]}",
            "digits.yaml:1: data: data cannot be searched. Give it one value.",
        ),
    ],
)
def test_a_search_where_none_can_be_ends_in_one_line(old: str, new: str, expected: str, tmp_path: Path) -> None:
    assert message(EXPERIMENT.replace(old, new), tmp_path) == expected


def test_a_document_without_a_search_is_one_error(tmp_path: Path) -> None:
    expected = "digits.yaml: there is no setting to search. Example: units: {search: [32, 64]}"
    assert message("data: mnist\n", tmp_path) == expected


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"network": [{"LSTM": {"units": {"search": [1, 2]}}}]}, "network.0.LSTM.units"),
        ({"network": [{"search": [{"LSTM": {"units": 1}}, {"LSTM": {"units": {"search": [3]}}}]}]}, "network.0"),
    ],
)
def test_training_refuses_a_search(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidSetting, match=r"expected one value, got a search\. Use unrolled search, or") as caught:
        ExperimentConfig.load({"data": "mnist", **settings})
    assert str(caught.value).endswith(f"set a value: --set {where}=VALUE")


def test_a_range_knows_its_ends() -> None:
    *_, rate = space_of(EXPERIMENT).parameters
    assert isinstance(rate, Range)
    assert (rate.samples, rate.log) == ((1e-4, 1e-2), True)
