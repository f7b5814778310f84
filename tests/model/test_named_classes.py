"""What an experiment may name: classes of Keras and of unrolled, none of which runs code from elsewhere."""

import inspect
import os
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.model.build import check_config
from unrolled.model.components import MODULES, RUN_FOREIGN_CODE, known_classes
from unrolled.model.schema import json_schema

import keras
import pytest

REFUSED = "runs code that is not in the experiment, which is refused because an experiment may come from anybody"


def refused(*layers: Any, **training: Any) -> str:
    """Return the one line with which a network or its training is refused, before data is loaded."""
    settings = {"data": "mnist", "network": [*layers, {"LSTM": {"units": 4}}], "training": training}
    with pytest.raises(InvalidSetting) as caught:
        check_config(ExperimentConfig.load(settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", RUN_FOREIGN_CODE)
@pytest.mark.parametrize(
    "layer",
    [
        lambda name: {name: {}},
        lambda name: name,
        lambda name: {"TimeDistributed": {"layer": {name: {}}}},
        lambda name: {"Bidirectional": {"layer": {"LSTM": {"units": 2}}, "backward_layer": {name: {}}}},
        lambda name: {"RNN": {"cell": {"StackedRNNCells": {"cells": [{"LSTMCell": {"units": 2}}, {name: {}}]}}}},
        lambda name: {"Dense": {"units": 2, "kernel_initializer": {name: {}}}},
    ],
    ids=["a layer", "without arguments", "in a wrapper", "beside a layer", "in a list", "as an initializer"],
)
def test_layers_that_run_other_code_are_refused_wherever_they_stand(name: str, layer: Any) -> None:
    message = refused(layer(name))
    assert f"{name} {REFUSED}" in message
    assert message.startswith("experiment: network[0]")


def test_no_other_layer_of_keras_takes_a_function_or_a_file() -> None:
    """A layer that a new Keras adds is looked at before an experiment may name it."""
    suspicious = ("filepath", "function", "module", "call_fn", "path", "file")
    taken = {
        name: set(inspect.signature(kind).parameters) & set(suspicious) for name, kind in known_classes("layer").items()
    }
    assert {name: arguments for name, arguments in taken.items() if arguments} == {}
    assert not set(RUN_FOREIGN_CODE) & set(known_classes("layer"))


@pytest.mark.parametrize("what", MODULES)
def test_only_classes_of_the_kind_can_be_named(what: str) -> None:
    kinds = {"layer": keras.Layer, "optimizer": keras.Optimizer, "loss": keras.Loss, "metric": keras.Metric}
    assert all(issubclass(kind, kinds[what]) for kind in known_classes(what).values())


def test_editors_do_not_complete_what_is_refused() -> None:
    assert not any(f'"{name}"' in str(json_schema()).replace("'", '"') for name in RUN_FOREIGN_CODE)


@pytest.mark.parametrize("argument", ["kernel_initializer", "kernel_regularizer", "activation", "dtype"])
def test_what_keras_would_make_of_a_mapping_is_not_made(argument: str, tmp_path: Path) -> None:
    target = tmp_path / "written"
    named = {"class_name": "system", "module": "os", "config": f"touch {target}", "registered_name": None}
    message = refused({"Dense": {"units": 2, argument: named}})
    assert f"network[0].Dense.{argument}: expected a value, or a class with its arguments" in message
    assert not target.exists()


@pytest.mark.parametrize(
    "value", [{"l2": 0.01}, {"L2": 0.01}, {"L2": {}, "L1": {}}, {"Path": {}}, {"Sequence": {}}, {"Any": {}}, {"os": {}}]
)
def test_a_mapping_is_one_class_or_refused(value: Any) -> None:
    assert "experiment: network[0].Dense.kernel_regularizer" in refused(
        {"Dense": {"units": 2, "kernel_regularizer": value}}
    )


@pytest.mark.parametrize(
    ("training", "where"),
    [
        ({"optimizer": {"Adam": {"learning_rate": {"class_name": "system", "module": "os"}}}}, "Adam.learning_rate"),
        ({"optimizer": {"LossScaleOptimizer": {"inner_optimizer": {"Lambda": {}}}}}, "inner_optimizer.Lambda"),
        ({"optimizer": "os.system"}, 'unknown optimizer "os.system"'),
        ({"loss": "os.system"}, 'unknown loss "os.system"'),
        ({"loss": "Any"}, 'unknown loss "Any"'),
        ({"metrics": ["os.system"]}, 'unknown metric "os.system"'),
        ({"metrics": [{"MeanMetricWrapper": {"fn": "os.system"}}]}, "MeanMetricWrapper"),
    ],
)
def test_the_training_names_nothing_else_either(training: dict[str, Any], where: str) -> None:
    assert where in refused(**training)


@pytest.mark.parametrize(
    "word", ["os.system", "keras.utils.get_file", "builtins.eval", "print", "eval", "unrolled.train"]
)
def test_a_word_is_a_name_of_keras_not_of_a_module(word: str) -> None:
    for argument in ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint"):
        assert f'unknown {argument.removeprefix("kernel_")} "{word}"' in refused(
            {"Dense": {"units": 2, argument: word}}
        )


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe with a name")
@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_a_layer_reads_no_file(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "words.txt")  # reading it would never end
    message = refused({name: {"vocabulary": str(tmp_path / "words.txt")}})
    assert f"network[0].{name}.vocabulary: expected a list of words, since a layer reads no file" in message


def test_the_cells_of_a_stack_are_written_in_a_list() -> None:
    cells = [{"LSTMCell": {"units": 4}}, {"GRUCell": {"units": 3}}]
    network = [{"RNN": {"cell": {"StackedRNNCells": {"cells": cells}}}}]
    check_config(ExperimentConfig.load({"data": "mnist", "network": network}))
