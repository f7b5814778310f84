"""Time and memory of reading large tables, beside Polars and pandas.

Run ``python -m benchmarks.reading``. Every figure is that of a process of its own; the processes of one round run one
after another, and the medians of the rounds are shown.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, format_machine
from benchmarks.options import PAGE
from benchmarks.sections import write_section
from unrolled import load
from unrolled.config.document import write_yaml
from unrolled.storage import write_json

import numpy as np
import polars as pl

RESULTS = Path(__file__).parent / "results" / "reading.json"
ROUNDS = 3
ROWS, BYTES = 500_000, 76_000_000
STEPS, SERIES, CHANNELS = 1_000_000, 1_000, 8
EXPERIMENT = {
    "data": {"file": "sentences.csv"},
    "network": [{"Embedding": {"output_dim": 16}}, {"GRU": {"units": 16}}],
    "training": {"epochs": 1, "batch_size": 1024},
}
# The peak of this process alone: that of getrusage begins with its parent's.
_PEAK = "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
_COMMAND = "import runpy, sys; sys.argv = ['unrolled', '{}', 'sentences.yaml']; runpy.run_module('unrolled')"
_LOAD = "from unrolled.data.registry import load_config_data as load"
PROGRAMS = {
    "import Keras, read with Polars": "import keras, polars; polars.read_csv('sentences.csv')",
    "sentences with Polars": "import polars; polars.read_csv('sentences.csv')",
    "sentences with pandas": "import pandas; pandas.read_csv('sentences.csv')",
    "unrolled check": _COMMAND.format("check").replace("('unrolled')", "('unrolled', run_name='__main__')"),
    "sensors with Polars": "import polars; polars.read_csv('sensors.csv')",
    "sensors with pandas": "import pandas; pandas.read_csv('sensors.csv')",
    "sensors to examples": f"{_LOAD}; load(file='sensors.csv', series='machine', target='label')",
}


def main() -> None:
    """Make the tables, time every program, and write the section of the page."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = Path(name)
        _make_sentences(folder / "sentences.csv")
        _make_sensors(folder / "sensors.csv")
        (folder / "sentences.yaml").write_text(write_yaml(EXPERIMENT), encoding="utf-8")
        found: dict[str, list[tuple[float, int]]] = {program: [] for program in PROGRAMS}
        for _ in range(ROUNDS):
            for program, code in PROGRAMS.items():
                found[program].append(_run(folder, code))
                print(program, found[program][-1], flush=True)
        results = {
            "machine": describe_machine(sorted(os.sched_getaffinity(0))),
            "bytes": (folder / "sentences.csv").stat().st_size,
            "programs": {program: _median(runs) for program, runs in found.items()},
            "train": _train(folder),
        }
    write_json(RESULTS, results)
    render(results)


def render(results: dict[str, Any]) -> None:
    """Write the table between its markers on the performance page."""
    machine, train = results["machine"], results["train"]
    lines = [
        f"{format_machine(machine)}; medians of {ROUNDS} rounds.",
        "",
        "| program | seconds | peak of memory, MB |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {row['seconds']:.2f} ({row['least']:.2f} to {row['most']:.2f}) | {row['peak_bytes'] / 1e6:.0f} |"
        for name, row in results["programs"].items()
    ]
    lines.append(
        f"| unrolled train, beside its epoch | {train['seconds'] - train['epoch_seconds']:.2f} "
        f"| {train['peak_bytes'] / 1e6:.0f} |"
    )
    write_section(PAGE, "reading", "\n".join(lines))


def _median(runs: list[tuple[float, int]]) -> dict[str, float]:
    seconds = [run[0] for run in runs]
    return {
        "seconds": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "peak_bytes": statistics.median(run[1] for run in runs),
    }


def _run(folder: Path, code: str) -> tuple[float, int]:
    """Return the seconds and the peak of memory in bytes of a program."""
    code = f"try:\n    {code}\nfinally:\n    {_PEAK}"
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    assert ended.returncode == 0, code
    return seconds, int(ended.stdout.split()[-1]) * 1024


def _train(folder: Path) -> dict[str, float]:
    code = PROGRAMS["unrolled check"].replace("'check'", "'train'")
    seconds, peak = _run(folder, code)
    run = max(folder.glob("runs/*"))
    epoch = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return {"seconds": seconds, "epoch_seconds": epoch["seconds"], "peak_bytes": peak}


def _make_sentences(path: Path) -> None:
    """Write rows of words drawn as often as in the reviews; few are duplicates."""
    data, random = load("movie-reviews"), np.random.default_rng(0)
    words = np.array(" ".join(data.train.inputs).split())
    length = round(len(words) * BYTES / ROWS / sum(map(len, data.train.inputs)))
    drawn = random.choice(words, (ROWS, length))
    labels = random.integers(0, 2, ROWS)
    # One word of its own for each class, so that there is something to learn.
    texts = [f"{('good', 'bad')[label]} {' '.join(row)}" for row, label in zip(drawn, labels, strict=True)]
    pl.DataFrame({"text": texts, "label": labels}).write_csv(path)


def _make_sensors(path: Path) -> None:
    """Write one row for each step of 1,000 machines, with times, 8 channels and the state of the machine."""
    random, steps = np.random.default_rng(0), STEPS // SERIES
    machine = np.repeat(np.arange(SERIES), steps)
    start = np.datetime64("2024-01-01", "ms")
    frame = {"machine": machine, "time": start + np.tile(np.arange(steps), SERIES) * np.timedelta64(60_000, "ms")}
    frame |= {f"s{channel}": random.normal(size=STEPS).astype(np.float32) for channel in range(CHANNELS)}
    pl.DataFrame({**frame, "label": machine % 2}).write_csv(path)


if __name__ == "__main__":
    main()
