"""Memory used by training on files of 4 GB: sentences in Parquet, and one text.

Run ``python -m benchmarks.larger_than_memory``. It needs 12 GB of disk in ``TMPDIR`` (default ``/var/tmp``) and half an
hour. Each training is ``unrolled train`` in a process of its own. The one on the text is interrupted after two minutes,
because an epoch of 4 GB character by character takes days.
"""

import json
import os
import signal
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

RESULTS = Path(__file__).parent / "results" / "larger-than-memory.json"
SIZE = 4 << 30
SECONDS_OF_TEXT = 120.0
_ENDED = {"finished": "one epoch, then evaluated", "interrupted": "interrupted after two minutes"}
TRAININGS: dict[str, dict[str, Any]] = {
    "sentences.parquet": {
        "text": {"vocabulary_size": 10_000, "max_length": 32},
        "network": [{"Embedding": {"output_dim": 16}}, {"GRU": {"units": 16}}],
        "training": {"epochs": 1, "batch_size": 1024, "validation": 0.01},
    },
    "book.txt": {
        "network": [{"Embedding": {"output_dim": 32}}, {"GRU": {"units": 128, "return_sequences": True}}],
        "training": {"epochs": 1, "batch_size": 64, "validation": "given"},
    },
}


def main() -> None:
    """Create each file, record the memory of training on it, and write the section of the page."""
    import pyarrow  # noqa: F401 - fails now, not after a quarter of an hour

    found = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        for file, make in {"sentences.parquet": _make_parquet, "book.txt": _make_text}.items():
            folder = Path(name) / Path(file).stem
            folder.mkdir()
            make(folder / file)
            found.append({"file": file, "bytes": (folder / file).stat().st_size, **_train(folder, file)})
            print(json.dumps(found[-1]), flush=True)
            (folder / file).unlink()
    write_json(RESULTS, {"machine": describe_machine(sorted(os.sched_getaffinity(0))), "trainings": found})
    render(json.loads(RESULTS.read_text(encoding="utf-8")))


def render(results: dict[str, Any]) -> None:
    """Write the table between its markers on the performance page."""
    machine = results["machine"]
    lines = [
        f"{format_machine(machine)}.",
        "",
        "| file | GB | peak of memory, GB | with pages of files, GB | the training |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['file']} | {row['bytes'] / 1e9:.1f} | {row['peak_bytes'] / 1e9:.2f} "
        f"| {row['peak_mapped_bytes'] / 1e9:.2f} | {_ENDED[row['status']]} |"
        for row in results["trainings"]
    ]
    write_section(PAGE, "larger-than-memory", "\n".join(lines))


def _train(folder: Path, file: str) -> dict[str, Any]:
    (folder / "experiment.yaml").write_text(write_yaml({"data": {"file": file}, **TRAININGS[file]}), encoding="utf-8")
    command = [sys.executable, "-m", "unrolled", "train", "experiment.yaml"]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "TMPDIR": str(folder)}
    began, begun, own, mapped = time.perf_counter(), 0.0, 0, 0
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            now = _memory(process.pid)
            own, mapped = max(own, now.get("RssAnon", 0)), max(mapped, now.get("VmHWM", 0))
            if not begun and list(folder.glob("runs/*/status.json")):
                begun = time.perf_counter()
            if begun and file == "book.txt" and time.perf_counter() - begun > SECONDS_OF_TEXT:
                process.send_signal(signal.SIGINT)
                process.wait()
            time.sleep(0.1)
    (run,) = folder.glob("runs/*")
    return {
        "peak_bytes": own,
        "peak_mapped_bytes": mapped,
        "seconds_until_begun": (begun or time.perf_counter()) - began,
        "seconds": time.perf_counter() - (begun or began),
        "status": json.loads((run / "status.json").read_text(encoding="utf-8"))["status"],
    }


def _memory(pid: int) -> dict[str, int]:
    """Return the memory of a process in bytes, by Linux' names; empty if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key: int(value.split()[0]) * 1024 for key, value in (line.split(":", 1) for line in lines) if "kB" in value}


def _make_parquet(path: Path) -> None:
    """Write texts of 40 sentences drawn from the reviews of one class; few are duplicates."""
    import pyarrow
    from pyarrow import parquet

    data, random = load("movie-reviews"), np.random.default_rng(0)
    sentences = [np.array(list(data.train.inputs[data.train.targets == index]), object) for index in range(2)]
    schema = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.string())])
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        while path.stat().st_size < SIZE:
            labels = random.integers(0, 2, 20_000)
            texts = [" ".join(random.choice(sentences[label], 40)) for label in labels]
            writer.write_table(pyarrow.table({"text": texts, "label": [data.classes[label] for label in labels]}))


def _make_text(path: Path) -> None:
    """Write sentences of a novel, drawn at random."""
    data, random = load("pride-and-prejudice"), np.random.default_rng(0)
    sentences = np.array(data.train.inputs[0].split(". "), dtype=object)
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < SIZE:
            file.write(". ".join(random.choice(sentences, 100_000)))


if __name__ == "__main__":
    main()
