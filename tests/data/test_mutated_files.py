"""Files with random damage are read, or refused in one line, and take little memory."""

import json
import os
from pathlib import Path

from unrolled.data.formats import LoadOptions, load_file
from unrolled.errors import UnrolledError

import numpy as np
import polars as pl
import pytest

CSV = "date,shop,sales,text,label\n" + "".join(
    f'2024-01-{1 + n % 28:02d},{"abc"[n % 3]},"{n},{n % 10}","say ""{n}""",{"xy"[n % 2]}\n' for n in range(30)
)
JSON = [{"text": f"film {n}", "values": [n, 1.5], "to": {"x": n}, "label": "ab"[n % 2]} for n in range(20)]
TS = "@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n" + "1,2,3:4,5,?:a\n1,2:3,4:b\n" * 5
TAGGED = "-DOCSTART- O\n\n" + "".join(f"Mr O\nBell{n} B-PER\nspoke O\n. O\n\n" for n in range(12))
TREEBANK = "".join(
    f"# sent_id = {n}\n1-2\tdella\t_\t_\t_\t_\t_\t_\t_\t_\n1\tdi\tdi\tADP\tE\t_\t3\tcase\t_\t_\n"
    f"2\tla\til\tDET\tRD\tGender=Fem\t3\tdet\t_\t_\n3\tcasa{n}\tcasa\tNOUN\tS\t_\t0\troot\t_\t_\n\n"
    for n in range(8)
)
TAGS = "tokens\ttags\n" + "".join(f"Mr Bell{n} spoke\tO B-PER O\n" for n in range(20))
PIECES = (*(bytes([byte]) for byte in b'",\n\r\t;{]-\x00\x01\xff\xe9'), b"1e400", b"NaN", b"\xef\xbb\xbf")
# How many times as many files are tried.
TIMES = int(os.environ.get("UNROLLED_MUTATIONS", "1"))
MOST_BYTES = 200_000_000
STATUS, RESET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(name: str) -> int:
    """The memory of this process in bytes, ``VmRSS``, or its peak, ``VmHWM``; 0 where the system does not tell."""
    lines = STATUS.read_text().splitlines() if RESET_PEAK.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def binary(folder: Path, suffix: str) -> bytes:
    path = folder / f"whole{suffix}"
    if suffix == ".npz":
        np.savez(path, x_train=np.arange(48.0).reshape(12, 2, 2), y_train=np.arange(12) % 2)
    else:
        frame = pl.DataFrame({"text": [f"film {n}" for n in range(20)], "label": [n % 2 for n in range(20)]})
        frame.write_parquet(path) if suffix == ".parquet" else frame.write_ipc(path)
    return path.read_bytes()


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(random.integers(1, 5)):
        begin = int(random.integers(0, len(changed) + 1))
        end = begin + int(random.integers(0, 8 if random.random() < 0.9 else 200))
        kind = random.integers(0, 4)
        if kind == 0:
            del changed[begin:end]
        elif kind == 1:
            changed[begin:begin] = PIECES[random.integers(0, len(PIECES))]
        elif kind == 2:
            changed[begin:end] = random.bytes(max(0, min(end, len(changed)) - begin))
        else:
            changed[begin:begin] = changed[begin:end]
    return bytes(changed)


@pytest.mark.parametrize(
    ("suffix", "purpose", "count"),
    [
        (".csv", "examples", 400),
        (".csv", "series", 400),
        (".tsv", "examples", 200),
        (".jsonl", "examples", 60),
        (".json", "examples", 200),
        (".ts", "examples", 60),
        (".parquet", "examples", 100),
        (".arrow", "examples", 60),
        (".npz", "examples", 100),
        (".txt", "text", 40),
        (".conll", "labels", 100),
        (".conllu", "labels", 100),
        (".tsv", "labels", 100),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, suffix: str, purpose: str, count: int) -> None:
    contents = {
        ".csv": CSV.encode(),
        ".tsv": CSV.replace(",", "\t").encode(),
        ".json": json.dumps(JSON).encode(),
        ".jsonl": "\n".join(map(json.dumps, JSON)).encode(),
        ".ts": TS.encode(),
        ".conll": TAGGED.encode(),
        ".conllu": TREEBANK.encode(),
        ".tsv labels": TAGS.encode(),
        ".txt": b"It is a truth universally acknowledged. " * 5,
    }
    key = f"{suffix} {purpose}" if f"{suffix} {purpose}" in contents else suffix
    content = contents[key] if key in contents else binary(tmp_path, suffix)
    random, path = np.random.default_rng(0), tmp_path / f"t{suffix}"
    refused = 0
    for number in range(TIMES * count):
        path.write_bytes(mutated(content, random))
        if RESET_PEAK.exists():
            RESET_PEAK.write_text("5")
        before = memory("VmRSS")
        try:
            data = load_file(path, LoadOptions(test_steps=3 if purpose == "series" else 0), purpose)
            assert data.fingerprints
        except UnrolledError as error:
            assert "\n" not in str(error), number
            refused += 1
        except BaseException as error:
            raise AssertionError(f"file {number} of {suffix}: {path.read_bytes()[:400]!r}") from error
        assert memory("VmHWM") - before < MOST_BYTES, f"file {number} of {suffix}: {path.read_bytes()[:400]!r}"
    assert refused > 0
