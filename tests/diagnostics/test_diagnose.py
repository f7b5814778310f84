"""The diagnosis as a whole: healthy networks have no problem, and the suggested fixes help."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command, write_tiny_data
from tests.diagnostics.networks import bumps, codes, compiled, reader, sentences
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import load
from unrolled.diagnostics.diagnose import RULES, check_model, diagnose
from unrolled.diagnostics.diagnostic import Diagnostic, Measurement, most_severe_first
from unrolled.diagnostics.examples import Examples
from unrolled.diagnostics.lr_probe import probe_learning_rates
from unrolled.diagnostics.target import target_of_experiment
from unrolled.errors import UnrolledError
from unrolled.layers import GRU, LSTM
from unrolled.model.build import build_model, resolve
from unrolled.tasks.registry import load_task

import keras
import numpy as np
import pytest

layers = keras.layers
Make = Callable[[int], keras.Model]

NETWORKS: dict[str, Make] = {
    "lstm": lambda seed: reader(seed=seed),
    "relu-lstm": lambda seed: reader(units=16, activation="relu", seed=seed),
    "gru-backwards": lambda seed: reader(cell="gru", reset_after=False, go_backwards=True, seed=seed),
    "simple-rnn": lambda seed: reader(cell="simple_rnn", seed=seed),
    "bidirectional": lambda seed: compiled(layers.Bidirectional(GRU(8)), layers.Dense(3), seed=seed),
    "stacked": lambda seed: compiled(
        LSTM(16, return_sequences=True),
        layers.Dropout(0.2),
        LSTM(16),
        layers.Dense(16, "relu"),
        layers.Dense(3, "softmax"),
        loss="sparse_categorical_crossentropy",
        seed=seed,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_healthy_networks_have_no_problem(name: str) -> None:
    assert_healthy(NETWORKS[name], bumps)


def test_a_healthy_network_with_a_mask_has_no_problem() -> None:
    def make(seed: int) -> keras.Model:
        embedding = layers.Embedding(20, 8, mask_zero=True)
        return compiled(embedding, LSTM(8), layers.Dense(2), shape=(12,), seed=seed)

    assert_healthy(make, sentences)


def assert_healthy(make: Make, data: Callable[[int], Any]) -> None:
    """Other weights and other examples; the model is the same, so that it is compiled once."""
    model = make(0)
    for seed in range(3):
        model.set_weights(make(seed).get_weights())
        assert diagnose(model, *data(seed), seed=seed) == ()


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first 1,000 digits."""
    from unrolled.data import registry

    cut = load("mnist").head(1000)
    monkeypatch.setitem(registry.DATASETS, "mnist", lambda: cut)


@pytest.mark.usefixtures("few_digits")
def test_the_article_is_healthy() -> None:
    task = load_task(ExperimentConfig.load("mnist-rows"))
    config = resolve(task.config, task)

    def make(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        return build_model(config, task)

    assert_healthy(make, lambda _: task.data.train)


@pytest.mark.usefixtures("few_digits")
def test_a_loss_of_one_hot_targets_gets_them(tiny: Path) -> None:
    smooth = ["training.loss={CategoricalCrossentropy: {label_smoothing: 0.1}}", "training.epochs=20"]
    found = diagnose(ExperimentConfig.load(tiny, overrides=smooth))
    assert "error" not in {finding.severity for finding in found}


def test_the_layer_that_reads_images_does_not_count(tiny: Path) -> None:
    found = diagnose(ExperimentConfig.load(tiny, overrides=["scan=columns", "network.0={Rescaling: {scale: 1}}"]))
    assert [finding.where.endswith(": network[1].LSTM") for finding in found if finding.code == "unscaled-inputs"] == [
        True
    ]


def test_digits_that_are_not_scaled_are_found() -> None:
    """As the article's program would be without its division by 255, and smaller."""
    network: list[Any] = [{"LSTM": {"units": 16}}, {"Dense": {"units": 10}}]
    findings = diagnose({"data": "mnist", "network": network})
    finding = next(finding for finding in findings if finding.code == "unscaled-inputs")
    assert finding.where == "experiment: network[0].LSTM"
    assert finding.fix == "Put Rescaling: {scale: 0.00392} first in the network."


@pytest.mark.parametrize(
    ("rate", "code", "verb"), [(30.0, "learning-rate-too-high", "Lower"), (1e-7, "learning-rate-too-low", "Raise")]
)
def test_a_learning_rate_out_of_range_is_found_and_the_fix_helps(rate: float, code: str, verb: str, tiny: Path) -> None:
    setting = f"training.optimizer.Adam.learning_rate={rate}"
    finding = next(f for f in diagnose(tiny, overrides=[setting]) if f.code == code)
    assert finding.where == f"{tiny}:6: training.optimizer"
    assert finding.fix.startswith(f"{verb} the learning rate: --set training.optimizer.Adam.learning_rate=")
    assert code not in codes(diagnose(tiny, overrides=[finding.fix.split("--set ")[1]]))


def test_the_command_prints_the_problems_and_exits_with_one(tiny: Path, unrolled_command: Command) -> None:
    text = tiny.read_text().replace("  - LSTM: {units: 8}", "  - SimpleRNN: {units: 8, activation: relu}")
    tiny.write_text(text.replace("scale: 0.00392156862745098", "scale: 3.0"))
    finished = unrolled_command("doctor", tiny.name)
    assert (finished.returncode, finished.stderr) == (1, "")
    lines = finished.stdout.splitlines()
    index = lines.index("warning: unscaled-inputs  tiny.yaml:4: network[1].SimpleRNN")
    assert "; threshold: 10" in " ".join(lines[index + 1 : index + 5])
    fix = "  Fix: Scale the inputs to about -1 to 1: --set network.0.Rescaling.scale=0.0"
    assert any(line.startswith(fix) for line in lines)
    *_, setting = shlex.split(next(line for line in lines if line.startswith(fix)))
    assert "unscaled-inputs" not in codes(
        check_model(target_of_experiment(ExperimentConfig.load(tiny, overrides=[setting])))
    )


def test_a_run_is_checked_as_it_was_trained(tiny: Path, unrolled_command: Command) -> None:
    write_tiny_data(tiny.parent / "tiny.npz", examples=240)
    run = unrolled.train(tiny, runs=tiny.parent / "runs", overrides=["training.epochs=8"], quiet=True)
    finished = unrolled_command("doctor", "latest", "--json")
    assert (finished.returncode, json.loads(finished.stdout), finished.stderr) == (0, [], "")
    finished = unrolled_command("doctor", "latest", "--set", "seed=1")
    assert finished.returncode == 2
    assert finished.stderr == (
        "--set: a trained network cannot be changed. Examine its experiment instead: "
        f"unrolled doctor {Path('runs') / run.path.name / 'experiment.yaml'} --set seed=1\n"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnist-row", 'doctor: unknown recipe or run "mnist-row". Did you mean "mnist-rows"?'),
        ("latest", "runs: there is no run in it. Train one with: unrolled train"),
        ("no.yaml", "no.yaml: no such file. Check the path."),
    ],
)
def test_an_unknown_source_is_an_error(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnrolledError) as caught:
        diagnose(source)
    assert (str(caught.value), caught.value.exit_code) == (message, 2)


def test_a_probe_leaves_the_model_as_its_own_learning_rate_has_left_it() -> None:
    model, (inputs, targets) = reader(), bumps()
    probe = probe_learning_rates(model, Examples(inputs, targets), 32)
    assert probe.learning_rate == pytest.approx(0.01)
    assert probe.final_loss < probe.initial_loss
    loss = float(model.evaluate(inputs, targets, batch_size=128, verbose=0))
    assert loss == pytest.approx(probe.final_loss, rel=1e-4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert int(model.optimizer.iterations) == 50


def test_diagnostics_are_sorted_by_severity_and_have_json() -> None:
    findings = [finding for rule in RULES for finding in rule.compare(Measurement(np.nan, "here"))]
    assert len(findings) == len(RULES)
    ordered = [finding.severity for finding in most_severe_first(findings)]
    assert ordered == sorted(ordered, key=["error", "warning", "info"].index)
    assert json.loads(json.dumps(findings[0].to_json(), allow_nan=False))["value"] == "nan"
    assert isinstance(findings[0], Diagnostic)
