"""The doctor on texts and series: the same causes, and padding and gaps that are none."""

import json
from pathlib import Path
from typing import Any

import unrolled
from tests.diagnostics.networks import names
from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics import target as subject_module
from unrolled.diagnostics.data_rules import non_finite_examples
from unrolled.diagnostics.target import target_of_experiment, target_of_run

import numpy as np
import pytest

TRAINING = {"epochs": 1, "batch_size": 8, "validation": 0.2}
TEXTS: dict[str, Any] = {"network": [{"Embedding": {"output_dim": 8}}, {"GRU": {"units": 8}}], "training": TRAINING}


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def texts(*, copies: int = 1) -> None:
    """400 short texts; each occurs ``copies`` times."""
    rows = [f"{'good' if n % 2 else 'bad'} film number {n // copies},{n % 2}" for n in range(400)]
    Path("texts.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")


def series() -> None:
    """120 series of 4 to 9 steps with gaps."""
    lines = [
        ",".join("?" if (n + t) % 7 == 3 else f"{(n % 2) * t + n % 5}" for t in range(4 + n % 6)) + f":{'ab'[n % 2]}"
        for n in range(120)
    ]
    Path("a.ts").write_text("@univariate true\n@classLabel true a b\n@data\n" + "\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("recipe", ["vowels-gru", "austen-characters"])
def test_recipes_for_series_and_for_a_text_to_continue_are_healthy(recipe: str) -> None:
    assert names(unrolled.diagnose(recipe)) == set()


def test_texts_in_training_and_test_are_found() -> None:
    texts(copies=4)
    assert "leakage" in names(unrolled.diagnose({"data": {"file": "texts.csv"}, **TEXTS}))
    texts()
    assert names(unrolled.diagnose({"data": {"file": "texts.csv"}, **TEXTS})) == set()


def test_padding_that_an_embedding_does_not_mask_is_found() -> None:
    rows = [f"{'good' if n % 2 else 'bad'} number {n}{' and so on' * (9 * (n % 4 < 2))},{n % 2}" for n in range(400)]
    Path("texts.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    network = [{"Embedding": {"output_dim": 8, "mask_zero": False}}, {"GRU": {"units": 8}}]
    found = unrolled.diagnose({"data": {"file": "texts.csv"}, "network": network, "training": TRAINING})
    remedies = {finding.name: finding.remedy for finding in found}
    assert remedies["padding-read-last"] == "Mask the padding: --set network.0.Embedding.mask_zero=true"


def test_gaps_and_padding_of_series_are_no_finding() -> None:
    experiment = {"data": {"train": "a.ts", "test": "a.ts"}, "network": [{"GRU": {"units": 8}}], "training": TRAINING}
    series()
    assert "non-finite-inputs" not in names(unrolled.diagnose(experiment))


def test_infinity_is_a_finding_even_where_gaps_are_none() -> None:
    inputs = np.array([[[np.nan], [1.0]], [[np.inf], [1.0]]])
    assert non_finite_examples(inputs, may_be_missing=True) == 1
    assert non_finite_examples(inputs) == 2


def test_a_run_on_texts_is_examined_with_the_vocabulary_that_it_has(tmp_path: Path) -> None:
    texts()
    run = unrolled.train({"data": {"file": "texts.csv"}, **TEXTS}, runs=tmp_path / "runs", quiet=True)
    kept = run.read_json("encoding.json")
    kept["tokenizer"]["tokens"].reverse()
    (run.path / "encoding.json").write_text(json.dumps(kept), encoding="utf-8")
    subject = target_of_run(unrolled.Run.open(run.path))
    encoded = subject.learned.inputs[subject.order[0]]
    given = list(unrolled.load("texts.csv").train.inputs)
    tokens = ["", "", *kept["tokenizer"]["tokens"]]
    assert " ".join(tokens[number] for number in encoded if number) in given


def test_no_more_than_some_examples_are_examined_and_those_of_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    texts()
    rows = Path("texts.csv").read_text().splitlines()
    Path("texts.csv").write_text("\n".join([rows[0], *sorted(rows[1:])]), encoding="utf-8")
    monkeypatch.setattr(subject_module, "MOST_EXAMINED", 50)
    subject = target_of_experiment(ExperimentConfig.load({"data": {"file": "texts.csv"}, **TEXTS}))
    assert subject.learned.size == 50
    assert sorted(subject.order) == list(range(50))
    assert set(subject.learned.targets.tolist()) == {0, 1}
    assert max(split.size for split in subject.held.values()) <= 50


def test_few_windows_to_measure_a_forecast_on_are_doubtful() -> None:
    assert names(unrolled.diagnose("passengers-forecast")) == {"few-test-examples"}
