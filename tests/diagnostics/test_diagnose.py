"""The examination as a whole: healthy networks pass it, and what it advises helps."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command, write_tiny_data
from tests.diagnostics.networks import bumps, compiled, names, reader, sentences
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import load
from unrolled.diagnostics.diagnose import RULES, check_untrained, diagnose
from unrolled.diagnostics.diagnostic import Diagnostic, most_severe_first
from unrolled.diagnostics.lr_probe import attempt
from unrolled.diagnostics.target import target_of_experiment
from unrolled.errors import UnrolledError
from unrolled.layers import GRU, LSTM
from unrolled.model.build import build_network

import keras
import numpy as np
import pytest

layers = keras.layers
Make = Callable[[int], keras.Model]

READERS: dict[str, Make] = {
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


@pytest.mark.parametrize("name", READERS)
def test_healthy_networks_give_no_finding(name: str) -> None:
    examined_over_seeds(READERS[name], bumps)


def test_a_healthy_network_with_a_mask_gives_no_finding() -> None:
    def make(seed: int) -> keras.Model:
        embedding = layers.Embedding(20, 8, mask_zero=True)
        return compiled(embedding, LSTM(8), layers.Dense(2), shape=(12,), seed=seed)

    examined_over_seeds(make, sentences)


def examined_over_seeds(make: Make, data: Callable[[int], Any]) -> None:
    """Other weights and other examples; the model is the same, so that it is compiled once."""
    model = make(0)
    for seed in range(3):
        model.set_weights(make(seed).get_weights())
        assert diagnose(model, *data(seed), seed=seed) == ()


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first 1,000 digits."""
    from unrolled.data import registry as catalogue

    cut = load("mnist").head(1000)
    monkeypatch.setitem(catalogue.DATASETS, "mnist", lambda: cut)


@pytest.mark.usefixtures("few_digits")
def test_the_article_is_healthy() -> None:
    experiment = ExperimentConfig.load("mnist-rows")
    data = experiment.load_data()

    def make(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        return build_network(experiment, data)

    examined_over_seeds(make, lambda _: data.train)


@pytest.mark.usefixtures("few_digits")
def test_a_loss_of_one_hot_targets_is_given_them(tiny: Path) -> None:
    smooth = ["training.loss={CategoricalCrossentropy: {label_smoothing: 0.1}}", "training.epochs=20"]
    found = diagnose(ExperimentConfig.load(tiny, overrides=smooth))
    assert "fatal" not in {finding.severity for finding in found}


def test_the_layer_that_reads_images_does_not_count(tiny: Path) -> None:
    found = diagnose(ExperimentConfig.load(tiny, overrides=["read=columns", "network.0={Rescaling: {scale: 1}}"]))
    assert [finding.where.endswith(": network[1].LSTM") for finding in found if finding.name == "unscaled-inputs"] == [
        True
    ]


def test_digits_that_are_not_scaled_are_found() -> None:
    """As the article's program would be without its division by 255, and smaller."""
    network: list[Any] = [{"LSTM": {"units": 16}}, {"Dense": {"units": 10}}]
    findings = diagnose({"data": "mnist", "network": network})
    finding = next(finding for finding in findings if finding.name == "unscaled-inputs")
    assert finding.where == "experiment: network[0].LSTM"
    assert finding.remedy == "Put Rescaling: {scale: 0.00392} first in the network."


@pytest.mark.parametrize(
    ("rate", "name", "verb"), [(30.0, "learning-rate-too-high", "Lower"), (1e-7, "learning-rate-too-low", "Raise")]
)
def test_a_learning_rate_out_of_range_is_found_and_the_advice_helps(
    rate: float, name: str, verb: str, tiny: Path
) -> None:
    setting = f"training.optimizer.Adam.learning_rate={rate}"
    finding = next(f for f in diagnose(tiny, overrides=[setting]) if f.name == name)
    assert finding.where == f"{tiny}:6: training.optimizer"
    assert finding.remedy.startswith(f"{verb} the learning rate: --set training.optimizer.Adam.learning_rate=")
    assert name not in names(diagnose(tiny, overrides=[finding.remedy.split("--set ")[1]]))


def test_the_command_prints_what_was_found_and_exits_with_one(tiny: Path, unrolled_command: Command) -> None:
    text = tiny.read_text().replace("  - LSTM: {units: 8}", "  - SimpleRNN: {units: 8, activation: relu}")
    tiny.write_text(text.replace("scale: 0.00392156862745098", "scale: 3.0"))
    finished = unrolled_command("doctor", tiny.name)
    assert (finished.returncode, finished.stderr) == (1, "")
    lines = finished.stdout.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("unscaled-inputs"))
    assert lines[place] == "unscaled-inputs  tiny.yaml:4: network[1].SimpleRNN  (harmful)"
    assert "healthy at 10 or less." in " ".join(lines[place + 1 : place + 4])
    remedy = "  Scale the inputs to about -1 to 1: --set network.0.Rescaling.scale=0.0"
    assert any(line.startswith(remedy) for line in lines)
    *_, setting = shlex.split(next(line for line in lines if line.startswith(remedy)))
    assert "unscaled-inputs" not in names(
        check_untrained(target_of_experiment(ExperimentConfig.load(tiny, overrides=[setting])))
    )


def test_a_run_is_examined_as_it_was_trained(tiny: Path, unrolled_command: Command) -> None:
    write_tiny_data(tiny.parent / "tiny.npz", examples=240)
    run = unrolled.train(tiny, runs=tiny.parent / "runs", overrides=["training.epochs=8"], quiet=True)
    finished = unrolled_command("doctor", "latest", "--json")
    assert (finished.returncode, json.loads(finished.stdout), finished.stderr) == (0, [], "")
    finished = unrolled_command("doctor", "latest", "--set", "seed=1")
    assert finished.returncode == 2
    assert finished.stderr == (
        "--set: expected none for a trained network, got seed=1. Examine its experiment instead: "
        f"unrolled doctor {Path('runs') / run.path.name / 'experiment.yaml'} --set seed=1\n"
    )


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("mnist-row", 'doctor: unknown recipe or run "mnist-row". Did you mean "mnist-rows"?'),
        ("latest", "runs: expected a run in it, got none. Train one with: unrolled train"),
        ("no.yaml", "no.yaml: expected an experiment file, got nothing there. Check the path."),
    ],
)
def test_what_cannot_be_found_is_refused(
    subject: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnrolledError) as refusal:
        diagnose(subject)
    assert (str(refusal.value), refusal.value.exit_code) == (message, 2)


def test_a_trial_leaves_the_model_as_its_own_rate_has_left_it() -> None:
    model, (inputs, targets) = reader(), bumps()
    trial = attempt(model, inputs, targets, 32)
    assert trial.rate == pytest.approx(0.01)
    assert trial.own < trial.start
    left = float(model.evaluate(inputs, targets, batch_size=128, verbose=0))
    assert left == pytest.approx(trial.own, rel=1e-4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert int(model.optimizer.iterations) == 50


def test_findings_are_ordered_worst_first_and_speak_json() -> None:
    findings = [finding for kind in RULES for finding in kind.judge(np.nan, "here")]
    assert len(findings) == len(RULES)
    ordered = [finding.severity for finding in most_severe_first(findings)]
    assert ordered == sorted(ordered, key=["fatal", "harmful", "doubtful"].index)
    assert json.loads(json.dumps(findings[0].to_json(), allow_nan=False))["value"] == "nan"
    assert isinstance(findings[0], Diagnostic)
