"""Mistakes that new users made: each ends in one line that names the right words, and nothing is written."""

from pathlib import Path
from subprocess import CompletedProcess

from tests.conftest import Command
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import NAMES
from unrolled.errors import InvalidSetting
from unrolled.model import build
from unrolled.model.build import describe
from unrolled.runs.run import Run

import pytest


def assert_one_line(finished: CompletedProcess[str], message: str) -> None:
    assert (finished.returncode, finished.stderr) == (2, f"{message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "5"], "No such option '--epochs'. Set it with: --set training.epochs=VALUE"),
        (["--batch-size", "5"], "No such option '--batch-size'. Set it with: --set training.batch_size=VALUE"),
        (["--scan", "rows"], "No such option '--scan'. Set it with: --set scan=VALUE"),
        (
            ["--set", "training.seed=5"],
            '--set training.seed: unknown setting "seed". "seed" belongs to no section. Move it out of training.',
        ),
        (["--set", "epochs=5"], '--set epochs: unknown setting "epochs". Did you mean "training.epochs"?'),
        (
            ["--set", "patience=5"],
            '--set patience: unknown setting "patience". Did you mean "training.early_stopping.patience"?',
        ),
    ],
)
def test_a_setting_in_the_wrong_position_is_named_with_its_path(
    arguments: list[str], message: str, tiny: Path, unrolled_command: Command
) -> None:
    assert_one_line(unrolled_command("train", tiny, *arguments), message)
    assert {path.name for path in tiny.parent.iterdir()} == {"tiny.yaml", "tiny.npz"}


def test_an_option_that_is_no_setting_stays_an_unknown_option(unrolled_command: Command) -> None:
    assert_one_line(unrolled_command("train", "--zebra", "5"), "No such option '--zebra'.")
    assert "--set" not in unrolled_command("resume", "latest", "--batch-size", "5").stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  - LSTM", "\t- LSTM", "4: not valid YAML: a tab. Indent with spaces."),
        (
            "  - LSTM",
            " - LSTM",
            "4: not valid YAML: the indentation does not match the lines above. "
            "Align the entries of a list or section.",
        ),
        (
            "training:",
            "data: mnist\ntraining:",
            '6: not valid YAML: duplicate key "data" (first on line 1). Remove one of them.',
        ),
        (
            "data: {file: tiny.npz}",
            "data:",
            f"1: data: expected a data set ({', '.join(NAMES)}) or a file, got nothing. Write for example: data: mnist",
        ),
    ],
)
def test_a_broken_file_names_its_line_and_the_remedy(
    old: str, new: str, message: str, tiny: Path, unrolled_command: Command
) -> None:
    tiny.write_text(tiny.read_text().replace(old, new, 1))
    assert_one_line(unrolled_command("check", tiny), f"{tiny}:{message}")


def test_a_learning_rate_may_be_a_whole_number(tiny: Path, unrolled_command: Command) -> None:
    settings = ["--set", "training.optimizer={SGD: {learning_rate: 1000, clipnorm: 1}}", "--set", "training.epochs=1"]
    trained = unrolled_command("train", tiny, *settings, "--set", "network.1.LSTM.activation=tanh", "--quiet")
    assert trained.returncode == 0, trained.stderr
    run = Run.open(tiny.parent / trained.stdout.strip())
    assert run.metrics[0]["learning_rate"] == 1000.0
    assert "learning_rate: 1000\n" in (run.path / "experiment.yaml").read_text()


# Parameters and bytes of an LSTM on 5 columns and of the three classes after it; training keeps 16 bytes of each.
@pytest.mark.parametrize(
    ("units", "parameters", "gigabytes"),
    [(60_000, "14,401,620,003", "230"), (10_000_000, "400,000,270,000,003", "6,400,004")],
)
@pytest.mark.parametrize("command", ["check", "train"])
def test_a_network_larger_than_memory_is_refused_before_it_is_built(
    command: str, units: int, parameters: str, gigabytes: str, tiny: Path, unrolled_command: Command
) -> None:
    finished = unrolled_command(command, tiny, "--set", f"network.1.LSTM.units={units}")
    has, _, rest = finished.stderr.partition(" this machine has ")
    assert has == (
        f"{tiny}:4: network[1].LSTM: the network has {parameters} parameters; "
        f"training it takes {gigabytes} GB of memory, and"
    )
    assert rest.endswith(" GB. Use fewer units.\n")
    assert rest.count("\n") == 1
    assert finished.returncode == 2
    assert {path.name for path in tiny.parent.iterdir()} == {"tiny.yaml", "tiny.npz"}


def test_the_limit_is_the_memory_of_this_machine(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ExperimentConfig.load(tiny)
    needed = describe(config)["parameters"] * 16
    monkeypatch.setattr(build, "memory_bytes", lambda: needed)
    describe(config)
    monkeypatch.setattr(build, "memory_bytes", lambda: needed - 1)
    with pytest.raises(InvalidSetting, match="the network has 475 parameters; training it takes 0 GB of memory"):
        describe(config)
