"""The learning rate finder: its curve, its trials, and that the rate it recommends trains."""

import json
from pathlib import Path

import unrolled
from tests.conftest import Command
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.training.lr_finder import best_rate, find_learning_rate, smooth, summarize

import numpy as np
import pytest


def test_the_smoothed_loss_of_a_constant_is_the_constant() -> None:
    np.testing.assert_allclose(smooth(np.full(20, 2.5)), 2.5)


def test_the_steepest_rate_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-6, 1, 121)
    logs = np.log10(rates)
    losses = 2.3 - 2 / (1 + np.exp(-6 * (logs + 3))) + np.where(logs > -1.5, 8 * (logs + 1.5) ** 2, 0)
    sweep = summarize(rates, losses, diverged=False)
    assert 5e-4 < sweep.steepest < 5e-3


def test_a_sweep_finds_a_rate_that_learns_and_where_it_is_lost(tiny: Path) -> None:
    sweep = find_learning_rate(ExperimentConfig.load(tiny), low=1e-5, high=1e4, steps=80)
    assert 1e-3 < sweep.suggestion < 1
    assert len(sweep.rates) == len(sweep.losses) == len(sweep.smoothed)
    assert sweep.rates[0] == pytest.approx(1e-5)


def test_one_noisy_trial_does_not_decide_the_best_rate() -> None:
    losses = {rate: 0.2 + 0.1 * np.log10(rate / 0.01) ** 2 for rate in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)}
    losses[0.001] = 0.19
    assert 0.002 < best_rate(losses) < 0.02


def test_a_trial_that_diverged_is_no_best_rate() -> None:
    assert best_rate({0.1: np.inf, 0.01: 0.3, 0.001: 0.5}) == 0.01
    assert best_rate({1.0: np.inf, 0.1: 0.2, 0.01: 0.3, 0.001: 0.5}) <= 0.1
    assert best_rate({0.1: 0.5, 0.01: 0.9, 0.001: 0.5}) in (0.1, 0.001)


@pytest.mark.parametrize("steps", [60, 300])
def test_a_recommended_rate_trains(tmp_path: Path, steps: int) -> None:
    rate = find_learning_rate(ExperimentConfig.load("mnist-gru"), steps=steps).suggestion
    settings = [f"training.optimizer.Adam.learning_rate={rate}", "training.epochs=1"]
    run = unrolled.train("mnist-gru", overrides=settings, runs=tmp_path, quiet=True)
    assert run.evaluation.metrics["accuracy"] >= 0.95


def test_rates_the_wrong_way_round_are_refused(tiny: Path) -> None:
    with pytest.raises(InvalidSetting, match="expected 0 < low < high"):
        find_learning_rate(ExperimentConfig.load(tiny), low=1.0, high=0.1)


def test_find_lr_takes_an_experiment_with_a_schedule(tiny: Path, unrolled_command: Command) -> None:
    schedule = "training.optimizer={Adam: {learning_rate: {OneCycle: {peak: 0.1}}}}"
    finished = unrolled_command("find-lr", tiny, "--set", schedule, "--steps", "20", "--json")
    assert finished.returncode == 0, finished.stderr
    assert len(json.loads(finished.stdout)["rates"]) == 20
    drawn = unrolled_command("find-lr", tiny, "--steps", "20", "--html", "rates.html").stdout
    page = (tiny.parent / "rates.html").read_text()
    assert "recommended learning rate" in page
    assert "http" not in page
    assert "<script" not in page
    assert "the loss falls fastest at " in drawn
    assert "█" in drawn
    assert not (tiny.parent / "runs").exists()
