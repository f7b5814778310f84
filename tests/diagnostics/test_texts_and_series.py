"""Texts and series: the same problems, and padding and missing values that are none."""

import json
from pathlib import Path
from typing import Any

import unrolled
from tests.diagnostics.networks import codes
from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics import target as target_module
from unrolled.diagnostics.data_rules import DATA_RULES, count_non_finite
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
def test_recipes_for_series_and_for_text_generation_are_healthy(recipe: str) -> None:
    assert codes(unrolled.diagnose(recipe)) == set()


def test_texts_in_training_and_test_are_found() -> None:
    texts(copies=4)
    assert "leakage" in codes(unrolled.diagnose({"data": {"file": "texts.csv"}, **TEXTS}))
    texts()
    assert codes(unrolled.diagnose({"data": {"file": "texts.csv"}, **TEXTS})) == set()


def test_padding_that_an_embedding_does_not_mask_is_found() -> None:
    rows = [f"{'good' if n % 2 else 'bad'} number {n}{' and so on' * (9 * (n % 4 < 2))},{n % 2}" for n in range(400)]
    Path("texts.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    network = [{"Embedding": {"output_dim": 8, "mask_zero": False}}, {"GRU": {"units": 8}}]
    found = unrolled.diagnose({"data": {"file": "texts.csv"}, "network": network, "training": TRAINING})
    fixes = {finding.code: finding.fix for finding in found}
    assert fixes["padding-read-last"] == "Mask the padding: --set network.0.Embedding.mask_zero=true"


def test_missing_values_and_padding_of_series_are_no_problem() -> None:
    experiment = {"data": {"train": "a.ts", "test": "a.ts"}, "network": [{"GRU": {"units": 8}}], "training": TRAINING}
    series()
    assert "non-finite-inputs" not in codes(unrolled.diagnose(experiment))


def test_infinity_is_a_problem_even_where_values_may_be_missing() -> None:
    inputs = np.array([[[np.nan], [1.0]], [[np.inf], [1.0]]])
    assert count_non_finite(inputs, has_missing_values=True) == 1
    assert count_non_finite(inputs) == 2


def test_a_run_on_texts_is_checked_with_its_own_vocabulary(tmp_path: Path) -> None:
    texts()
    run = unrolled.train({"data": {"file": "texts.csv"}, **TEXTS}, runs=tmp_path / "runs", quiet=True)
    kept = run.read_json("preprocessor.json")
    kept["tokenizer"]["tokens"].reverse()
    (run.path / "preprocessor.json").write_text(json.dumps(kept), encoding="utf-8")
    target = target_of_run(unrolled.Run.open(run.path))
    encoded = target.train.inputs[target.train_order[0]]
    sources = list(unrolled.load("texts.csv").train.inputs)
    tokens = ["", "", *kept["tokenizer"]["tokens"]]
    assert " ".join(tokens[number] for number in encoded if number) in sources


def test_no_more_than_some_examples_are_examined_and_those_of_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    texts()
    rows = Path("texts.csv").read_text().splitlines()
    Path("texts.csv").write_text("\n".join([rows[0], *sorted(rows[1:])]), encoding="utf-8")
    monkeypatch.setattr(target_module, "MAX_EXAMPLES", 50)
    target = target_of_experiment(ExperimentConfig.load({"data": {"file": "texts.csv"}, **TEXTS}))
    assert target.train.size == 50
    assert sorted(target.train_order) == list(range(50))
    assert set(target.train.targets.tolist()) == {0, 1}
    assert max(split.size for split in target.held_out.values()) <= 50


def test_few_windows_to_test_a_forecast_on_are_found() -> None:
    assert codes(unrolled.diagnose("passengers-forecast")) == {"few-test-examples"}


def rare(cells: tuple[str, str]) -> dict[str, Any]:
    """400 texts, one in twenty with the second cell."""
    rows = [f"{'bad' if n % 20 else 'good'} film number {n},{cells[n % 20 == 0]}" for n in range(400)]
    Path("texts.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    return {"data": {"file": "texts.csv", "target": "label"}, **TEXTS}


def test_accuracy_means_little_where_a_class_is_rare_and_weights_are_named() -> None:
    settings = rare(("ham", "spam"))
    target = target_of_experiment(ExperimentConfig.load(settings))
    fixes = {finding.code: finding.fix for finding in DATA_RULES.check(target)}
    assert fixes["majority-class"].startswith("Weight the classes (--set training.class_weights=balanced), and check")
    weighted = target_of_experiment(ExperimentConfig.load(settings, overrides=["training.class_weights=balanced"]))
    (finding,) = DATA_RULES.check(weighted)
    assert (finding.code, finding.fix.startswith("Check the F1 score of each class")) == ("majority-class", True)


@pytest.mark.parametrize(("task", "cells"), [("regress", ("1", "2")), ("classes", ("a", "b"))])
def test_numbers_and_several_labels_have_no_majority(task: str, cells: tuple[str, str]) -> None:
    target = target_of_experiment(ExperimentConfig.load({**rare(cells), "task": task}))
    assert not {"majority-class", "class-imbalance"} & codes(DATA_RULES.check(target))
