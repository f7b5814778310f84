"""What is printed: control characters of strangers, streams that are closed or full, and other encodings."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import unrolled
from tests.conftest import Command, environment
from unrolled.cli import main
from unrolled.cli.console import ResultConsole
from unrolled.cli.tables import add_row, print_json, table_of
from unrolled.config.experiment import ExperimentConfig
from unrolled.runs.run import Run
from unrolled.terminal import data_output, say, visible
from unrolled.training.progress import PlainProgress

import pytest
from rich.text import Text

pytestmark = pytest.mark.xdist_group("terminal")

# Clears the screen, sets the title, turns the text around, forges a row, moves the cursor.
EVIL = "\x1b[2J\x1b]0;title\x07\u202ename\nforged 1.0000\x9b1A\r\x7f"
CONTROLS = {chr(code) for code in (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
CONTROLS |= {"\u2028", "\u2029"}
PRINTED: dict[str, Callable[[], None]] = {
    "a line": lambda: say(EVIL),
    "a line of a table": lambda: ResultConsole().print(EVIL),
    "a text with colors": lambda: ResultConsole().print(Text.assemble((EVIL, "bold"), EVIL)),
    "progress": lambda: PlainProgress().log(EVIL),
}


@pytest.mark.parametrize("name", PRINTED)
def test_control_characters_are_shown_and_forge_no_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    PRINTED[name]()
    out = capsys.readouterr().out
    assert not CONTROLS.intersection(out) - {"\n"}
    assert "name\\nforged" in out.replace("\n", "")
    assert not any(line.startswith("forged") for line in out.splitlines())


@pytest.mark.parametrize("character", sorted(CONTROLS))
def test_each_control_character_has_a_name(character: str) -> None:
    assert visible(f"a{character}b") == f"a{character!a}b".replace("'", "")


def test_a_table_with_control_characters_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of("class\x1b[1m", "n")
    for name in (EVIL, "plain"):
        add_row(table, name, "1")
    ResultConsole(width=120).print(table)
    lines = capsys.readouterr().out.splitlines()
    assert not CONTROLS.intersection("".join(lines))
    assert len({len(line) for line in lines}) == 1


def test_colors_of_our_own_are_kept() -> None:
    stream = io.StringIO()
    console = ResultConsole(file=stream, force_terminal=True, color_system="standard")
    console.print(Text.assemble(("error: ", "red"), "\x1b[2J"))
    assert stream.getvalue() == "\x1b[31merror: \x1b[0m\\x1b[2J\n"


def test_json_is_valid_and_exact(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({EVIL: EVIL, "é": "…"})
    out = capsys.readouterr().out
    assert not CONTROLS.intersection(out) - {"\n"}
    assert json.loads(out) == {EVIL: EVIL, "é": "…"}


def test_data_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with data_output() as to:
        csv.writer(to).writerow([EVIL])
    assert next(csv.reader(io.StringIO(capsys.readouterr().out, newline=""))) == [EVIL]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with data_output() as to:
        csv.writer(to).writerow([EVIL])
    assert not CONTROLS.intersection(capsys.readouterr().out) - {"\n"}


def test_names_of_arguments_in_errors_are_harmless(unrolled_command: Command) -> None:
    for arguments in (
        ["evaluate", "\x1b[2J"],
        ["train", "\x1b[2J.yaml"],
        ["\x1b[2J"],
        ["--debug", "train", "a\x9b.yaml"],
    ):
        error = unrolled_command(*arguments).stderr
        assert "\\x1b[2J" in error or "\\x9b" in error
        assert not CONTROLS.intersection(error) - {"\n"}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of a network that reads texts, whose classes have names to be afraid of."""
    folder = tmp_path_factory.mktemp("terminal")
    with (folder / "texts.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *((f"word{n % 2} a", (EVIL, "é")[n % 2]) for n in range(40))])
    settings = {
        "name": "texts",
        "data": {"file": str(folder / "texts.csv"), "input": "text", "target": "label"},
        "network": [
            {"Embedding": {"input_dim": 9, "output_dim": 2}},
            {"SimpleRNN": {"units": 2}},
            {"Dense": {"units": 2}},
        ],
        "training": {"epochs": 1},
    }
    unrolled.train(settings, runs=folder / "runs", quiet=True)
    return folder


@pytest.mark.parametrize(
    ("arguments", "encoding"),
    [
        ("evaluate latest", "utf-8"),
        ("predict latest a", "ascii"),
        ("runs", "utf-8"),
        ("runs --json", "ascii"),
        ("show texts.csv", "utf-8"),
        ("show mnist", "ascii"),
    ],
)
def test_commands_print_nothing_that_commands(arguments: str, encoding: str, texts: Path) -> None:
    command = [sys.executable, "-m", "unrolled", *arguments.split()]
    changed = environment(PYTHONIOENCODING=encoding)
    done = subprocess.run(command, cwd=texts, env=changed, capture_output=True)
    assert done.returncode == 0, done.stderr
    printed = (done.stdout + done.stderr).decode(encoding)
    assert not CONTROLS.intersection(printed) - {"\n"}
    if "--json" in arguments:
        json.loads(done.stdout.decode(encoding))


# Streams that fail

QUICK = ("recipes", "--help", "runs --json", "show mnist", "init -o new.yaml")


@pytest.mark.parametrize("arguments", QUICK)
@pytest.mark.parametrize("redirected", [">&-", "> /dev/full"])
def test_an_output_that_cannot_be_written_is_one_line(arguments: str, redirected: str, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    done = shell(f"{arguments} {redirected}", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("standard output: cannot be written: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("redirected", ["--quiet >&-", "> /dev/full", "| head -c 1"])
def test_a_training_goes_on_without_its_output(redirected: str, tiny: Path) -> None:
    done = shell(f"train tiny.yaml {redirected}", tiny.parent)
    assert done.returncode == 0
    assert done.stderr.count("standard output: cannot be written") == (0 if "head" in redirected else 1)
    (run,) = (tiny.parent / "runs").iterdir()
    assert Run.open(run).status["status"] == "finished"
    assert (run / "report.html").exists()


def test_a_reader_that_goes_is_no_error(tmp_path: Path) -> None:
    done = shell("schema | head -c 1", tmp_path)
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.parametrize("redirected", ["2>&-", "2> /dev/full"])
def test_errors_that_nobody_reads_do_not_change_the_exit_code(redirected: str, tmp_path: Path) -> None:
    assert shell(f"recipes {redirected}", tmp_path).returncode == 0
    assert shell(f"trian {redirected}", tmp_path).returncode == 2


def test_a_closed_input_is_an_empty_one(texts: Path) -> None:
    done = shell("predict latest - <&-", texts)
    assert (done.returncode, done.stderr) == (2, "predict: expected texts, got none. Write one per line.\n")


def shell(arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = ["bash", "-o", "pipefail", "-c", f"'{sys.executable}' -m unrolled {arguments}"]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


# Odd arguments


@pytest.mark.parametrize("arguments", ["evaluate", "runs --runs", "train", "show --picture"])
def test_a_name_that_no_file_may_have_is_one_line(arguments: str, unrolled_command: Command) -> None:
    done = unrolled_command(*arguments.split(), "a" * 300)
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("arguments", ["generate latest --prompt a --temperature inf", "find-lr --high nan"])
def test_numbers_that_are_none_are_refused(arguments: str, unrolled_command: Command) -> None:
    done = unrolled_command(*arguments.split())
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is not a finite number" in done.stderr


def test_all_columns_are_printed_in_a_narrow_terminal(tmp_path: Path, unrolled_command: Command) -> None:
    Run.create(ExperimentConfig.load("mnist-rows"), tmp_path / "runs").save_status("interrupted")
    out = unrolled_command("runs", COLUMNS="20").stdout
    for header in ("folder", "status", "seed", "data", "test", "epochs", "seconds"):
        assert header in out


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 4000000000000 bytes."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: 4 TB"),
    ],
)
def test_memory_that_runs_out_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lists(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("unrolled.comparison.listing.list_runs", lists)
    with pytest.raises(SystemExit) as exit_:
        main(["runs"])
    assert exit_.value.code == 1
    assert capsys.readouterr().err == (
        "unrolled: there is not enough memory. Take a smaller batch_size or network, or end other programs.\n"
    )
