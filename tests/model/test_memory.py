"""Networks whose training cannot fit in memory: refused in one line before anything is allocated."""

from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.model import build
from unrolled.model.build import describe

import pytest

HUGE = 10_000_000_000


def refused(*layers: Any, data: str = "mnist", **training: Any) -> str:
    with pytest.raises(InvalidSetting) as caught:
        describe(ExperimentConfig.load({"data": data, "network": list(layers), "training": training}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("layers", "where", "data"),
    [
        ([{"LSTM": {"units": HUGE}}], "network[0].LSTM", "mnist"),
        ([{"LSTM": {"units": 2**62}}], "network[0].LSTM", "mnist"),
        ([{"Conv1D": {"filters": HUGE, "kernel_size": 3}}, {"GRU": {"units": 2}}], "network[0].Conv1D", "mnist"),
        ([{"Embedding": {"input_dim": HUGE, "output_dim": 8}}, "LSTM"], "network[0].Embedding", "movie-reviews"),
        ([{"TimeDistributed": {"layer": {"Dense": {"units": HUGE}}}}], "network[0].TimeDistributed", "mnist"),
        ([{"GRU": {"units": HUGE}}, {"Reshape": {"target_shape": [3]}}], "network[0].GRU", "mnist"),
    ],
    ids=["units", "nearly 2^63", "filters", "words", "in a wrapper", "before a layer that does not fit"],
)
def test_parameters_that_do_not_fit_are_refused_by_the_layer_that_has_most(
    layers: list[Any], where: str, data: str
) -> None:
    layers = [{"LSTM": {"units": 2}} if layer == "LSTM" else layer for layer in layers]
    message = refused(*layers, data=data)
    assert message.startswith(f"experiment: {where}: the network has ")
    assert message.endswith(" GB. Use fewer units.")


def test_outputs_that_do_not_fit_are_refused() -> None:
    message = refused("Flatten", {"RepeatVector": {"n": HUGE}}, {"LSTM": {"units": 2}})
    assert message.startswith(
        f"experiment: network[1].RepeatVector: a batch of 32 outputs [B, {HUGE}, 784] takes 1,003,520 GB of memory, "
        "and this machine has "
    )


def test_a_batch_has_no_more_examples_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ExperimentConfig.load(
        {"data": "japanese-vowels", "network": [{"LSTM": {"units": 64}}], "training": {"batch_size": HUGE}}
    )
    described = describe(config)
    largest = described["training_examples"] * 64 * 4
    monkeypatch.setattr(build, "memory_bytes", lambda: max(largest, described["parameters"] * 16))
    describe(config)
    monkeypatch.setattr(build, "_BYTES_PER_PARAMETER", 0)
    monkeypatch.setattr(build, "memory_bytes", lambda: largest - 1)
    with pytest.raises(InvalidSetting, match=rf"a batch of {described['training_examples']:,} outputs \[B, 64\]"):
        describe(config)
