"""The command line: its help texts, its output, and its errors."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Command, environment
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import NAMES
from unrolled.runs.run import Run

import pytest

COMMANDS = (
    "",
    "train",
    "resume",
    "find-lr",
    "repeat",
    "search",
    "compare",
    "runs",
    "show",
    "doctor",
    "evaluate",
    "predict",
    "recipes",
    "init",
    "check",
    "schema",
    "generate",
    "forecast",
    "backtest",
    "report",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_recorded(command: str, unrolled_command: Command) -> None:
    """To record a changed text: UNROLLED_RECORD=1 pytest tests/test_cli.py."""
    finished = unrolled_command(*command.split(), "--help")
    assert finished.returncode == 0
    recorded = ROOT / "tests/snapshots" / f"help-{command or 'unrolled'}.txt"
    if os.environ.get("UNROLLED_RECORD"):
        recorded.write_text(finished.stdout)
    assert finished.stdout == recorded.read_text()


def test_help_imports_nothing_slow() -> None:
    program = (
        "import sys\nfrom unrolled.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n"
        "    print(*(name for name in ('keras', 'jax', 'numpy', 'polars', 'pydantic', 'rich') if name in sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("command", ["--help", "train --help", "runs", "init"])
def test_a_command_that_computes_nothing_imports_no_framework(command: str, tmp_path: Path) -> None:
    Run.create(ExperimentConfig.load("mnist-rows"), tmp_path / "runs").save_status("interrupted")
    program = (
        f"import sys\nfrom unrolled.cli import main\ntry:\n    main({command.split()})\nexcept SystemExit as end:\n"
        "    assert not end.code\n"
        "    frameworks = ('keras', 'jax', 'tensorflow', 'torch', 'optuna', 'tokenizers', 'polars')\n"
        "    print(*(name for name in frameworks if name in sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == ""
    assert ("mnist-rows" in finished.stdout and "Z-" in finished.stdout) == (command == "runs")


def test_show_prints_the_facts_that_the_article_shows(unrolled_command: Command, tmp_path: Path) -> None:
    finished = unrolled_command("show", "mnist", "--picture", tmp_path / "mnist.png")
    assert finished.returncode == 0
    for words in ("(60000, 28, 28)", "(60000,)", "(10000, 28, 28)", "uint8", "0 to 255", "0 to 1", "5,923"):
        assert words in finished.stdout
    assert "█" in finished.stdout
    assert (tmp_path / "mnist.png").read_bytes().startswith(b"\x89PNG")


def test_show_needs_neither_keras_nor_a_backend(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom unrolled.cli import main\ntry:\n    main(['show', 'mnist', '--json'])\nexcept SystemExit:\n"
        "    print(*(name for name in ('keras', 'jax', 'pydantic') if name in sys.modules), file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stderr == "\n"
    assert json.loads(finished.stdout)["train"]["count_per_class"]["0"] == 5923


def test_quiet_prints_the_run_folder_alone(tiny: Path, unrolled_command: Command) -> None:
    finished = unrolled_command("train", tiny, "--quiet", "--name", "short", "--seed", "9", "--runs", "here")
    assert finished.stderr == ""
    assert re.fullmatch(r"here/\d{8}T\d{6}Z-short\n", finished.stdout)
    run = Run.open(tiny.parent / finished.stdout.strip())
    assert (run.config.name, run.config.seed) == ("short", 9)


def test_progress_is_plain_lines_without_a_terminal(tiny: Path, unrolled_command: Command) -> None:
    finished = unrolled_command("train", tiny, "--set", "training.validation=test")
    first, of_arrays, of_parts, *lines = finished.stdout.splitlines()
    number = r"\d\.\d{4}"
    assert first == "tiny: 2 epochs in batches of 16, seed 0"
    assert of_arrays.startswith("tiny.npz: examples: x_train uint8 [120, 6, 5], ")
    assert of_parts == "examples of each part: train 120, test 60"
    assert re.fullmatch(r"first batch compiled and trained in \d+\.\d s", lines[0])
    for epoch, line in enumerate(lines[1:3], start=1):
        assert re.fullmatch(
            rf"epoch {epoch}/2  loss {number}  accuracy {number}  val_loss {number}  val_accuracy {number}  "
            r"[\d,]+ examples/s  \d+\.\d s",
            line,
        )
    baseline = r"the best baseline, majority class \(accuracy 0\.3333\)"
    assert re.fullmatch(rf"test accuracy {number}; (not )?better than {baseline}", lines[3])
    assert lines[4] == f"report {lines[5]}/report.html"
    assert (tiny.parent / lines[5] / "report.html").exists()
    assert (tiny.parent / lines[5] / "model.keras").exists()
    assert len(lines) == 6


def test_what_is_read_of_the_data_is_printed_before_the_training(unrolled_command: Command, tmp_path: Path) -> None:
    rows = [f"p{row:03},{row % 7},{row * 5 % 3}," + ("" if row == 8 else "ab"[row % 2]) for row in range(60)]
    (tmp_path / "patients.csv").write_text("patient_id,age,dose,label\n" + "\n".join(rows) + "\n")
    settings = "data: {file: patients.csv, missing: drop}\nnetwork: [{GRU: {units: 4}}]\ntraining: {epochs: 1}\n"
    (tmp_path / "patients.yaml").write_text(settings)
    lines = unrolled_command("train", "patients.yaml").stdout.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("first batch"))
    notes = json.loads(unrolled_command("check", "patients.yaml", "--json").stdout)["notes"]
    assert lines[1:first] == notes
    printed = "\n".join(lines[:first])
    assert "patients.csv: 1 of 60 rows with an empty cell are left out: lines 10" in printed
    assert "columns read: age, dose" in printed
    assert "ignored: patient_id (it identifies the rows)" in printed


@pytest.mark.parametrize(
    ("settings", "comparison"),
    [
        (["training.epochs=15"], "better than the best baseline, majority class"),
        (
            ["training.epochs=20", 'training.class_weights={"0": 0, "1": 0, "2": 1}'],
            "as good as the best baseline, majority class",
        ),
    ],
)
def test_train_names_the_best_baseline_and_whether_it_was_beaten(
    settings: list[str], comparison: str, tiny: Path, unrolled_command: Command
) -> None:
    # With the weight of one class alone, the network predicts that class alone, as the baseline does.
    overrides = [part for setting in settings for part in ("--set", setting)]
    finished = unrolled_command("train", tiny, *overrides)
    run = Run.open(tiny.parent / finished.stdout.splitlines()[-1])
    assert f"; {comparison} (accuracy 0.3333)\n" in finished.stdout
    assert run.evaluation.beats_baseline is comparison.startswith("better")
    page = (run.path / "report.html").read_text()
    assert comparison[0].upper() + comparison[1:] in page


def without_its_date(page: str) -> str:
    """Remove the moment at which a report was written."""
    found = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", page)
    assert found != page
    return found


def test_a_report_is_written_again_from_the_folder_alone(tiny: Path, unrolled_command: Command) -> None:
    trained = unrolled_command("train", tiny, "--quiet")
    report = tiny.parent / trained.stdout.strip() / "report.html"
    before = report.read_text()
    report.unlink()
    finished = unrolled_command("report", "latest")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == f"{report.relative_to(tiny.parent)}\n"
    assert without_its_date(report.read_text()) == without_its_date(before)


def test_progress_is_a_bar_on_a_terminal(tiny: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "unrolled", "train", str(tiny), "--set", "training.epochs=30"]
    with subprocess.Popen(command, cwd=tiny.parent, stdout=theirs, env=environment(TERM="xterm")) as process:
        os.close(theirs)
        output = b""
        while True:
            try:
                output += os.read(ours, 65536)
            except OSError:
                break
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.decode())
    assert re.search(r"epoch \d+/30 .*━.* \d/8 .*loss \d\.\d{4}  accuracy \d\.\d{4}  [\d,]+ examples/s .*left", text)
    assert (tiny.parent / text.splitlines()[-1]).is_dir()


def test_recipes_are_listed(unrolled_command: Command) -> None:
    assert "mnist-rows" in unrolled_command("recipes").stdout


@pytest.mark.parametrize(("backend", "remedy"), [("jax", ""), ("torch", ", or set KERAS_BACKEND=jax")])
def test_a_backend_that_is_not_installed_is_named(
    backend: str, remedy: str, unrolled_command: Command, tmp_path: Path
) -> None:
    (tmp_path / f"{backend}.py").write_text(f"raise ModuleNotFoundError('No module', name='{backend}')")
    finished = unrolled_command("train", PYTHONPATH=str(tmp_path), KERAS_BACKEND=backend)
    assert finished.returncode == 1
    assert finished.stderr == (
        f"unrolled: the module {backend} is not installed. Install it with: pip install {backend}{remedy}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "latest"], "runs: there is no run in it. Train one with: unrolled train"),
        (
            ["predict", "no-run", "seven.png"],
            'runs: no run named "no-run". Train one with: unrolled train',
        ),
        (
            ["show", "mnits"],
            f'data: expected {", ".join(NAMES)} or a file, got "mnits". Did you mean "mnist"?',
        ),
        (["show", "digits.npz"], "digits.npz: no such file. Check the path."),
        (["predict", "latest"], "Missing argument 'FILE or TEXT...'."),
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments: list[str], message: str, unrolled_command: Command) -> None:
    finished = unrolled_command(*arguments)
    assert (finished.returncode, finished.stderr) == (2, message + "\n")


def test_debug_shows_the_traceback(unrolled_command: Command) -> None:
    finished = unrolled_command("--debug", "evaluate", "latest")
    assert "Traceback" in finished.stderr
    assert finished.returncode == 2


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"text": "a good film", "tags": ["drama", "war"]}, ["drama, war", "a good film"]),
        ({"tokens": ["a", "good", "film"], "tags": ["O", "O", "X"]}, ["least steps", "X"]),
    ],
)
def test_show_reads_lists_of_words(
    columns: dict[str, Any], words: list[str], tmp_path: Path, unrolled_command: Command
) -> None:
    (tmp_path / "lists.jsonl").write_text((json.dumps(columns) + "\n") * 12)
    shown = unrolled_command("show", "lists.jsonl", "--target", "tags")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(word in shown.stdout for word in words)
    assert "Series" not in shown.stdout


def test_show_prints_the_columns_of_a_table_and_asks_which_is_which(tmp_path: Path, unrolled_command: Command) -> None:
    rows = [f'2020-01-{n:02},"film, {n}",{"good" if n % 2 else "bad"},{n % 3}' for n in range(1, 9)]
    (tmp_path / "odd.csv").write_text("when,words,mood,stars\n" + "\n".join(rows), encoding="utf-8")
    finished = unrolled_command("show", "odd.csv")
    assert [line.split()[:4] for line in finished.stdout.splitlines()[3:7]] == [
        ["when", "time,", "2020-01-01", "to"],
        ["words", "text,", "8", "different"],
        ["mood", "category,", "2", "different"],
        ["stars", "numbers", "1"],
    ]
    assert finished.stdout.endswith(
        "\nTo see examples, name what is to be predicted: --target COLUMN; or forecast: --input COLUMN\n"
    )
    assert finished.returncode == 0
    asked = unrolled_command("show", "odd.csv", "--json")
    assert asked.stderr == (
        "odd.csv: cannot tell which column is the target. Columns: when, words, mood, stars. "
        "Name it with --target, or the columns to forecast with --input\n"
    )
    shown = unrolled_command("show", "odd.csv", "--input", "words", "--target", "mood")
    assert (shown.returncode, shown.stdout.count("8 rows"), "good  film, 1" in shown.stdout) == (0, 1, True)
    assert [line.split()[:2] for line in shown.stdout.splitlines()[3:7]] == [
        ["when", "ignored"],
        ["words", "input"],
        ["mood", "target"],
        ["stars", "ignored"],
    ]
