"""Files with random damage are read, or refused in one line, in little time and memory.

``UNROLLED_FUZZ_CASES`` sets the number of files of each kind, for a long run: 5,000 take some minutes.
"""

import gzip
import io
import json
import lzma
import os
import re
import struct
import time
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

from unrolled.data.formats import LoadOptions, load_file, preview_table
from unrolled.data.pictures import read_picture
from unrolled.errors import UnrolledError

import numpy as np
import polars as pl
import pytest
from PIL import Image

CASES = int(os.environ.get("UNROLLED_FUZZ_CASES", "0"))
MOST_BYTES, MOST_SECONDS = 600_000_000, 10
STATUS, RESET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")

CSV = "date,shop,sales,text,label\n" + "".join(
    f'2024-01-{1 + n % 28:02d},{"abc"[n % 3]},"{n},{n % 10}","say ""{n}""",{"xy"[n % 2]}\n' for n in range(30)
)
JSON = [{"text": f"film {n} \U0001f600", "values": [n, 1.5], "to": {"x": n}, "label": "ab"[n % 2]} for n in range(20)]
ORANGE = "x\ttext\tlabel\nc\ts\td\n\t\tclass\n" + "".join(f"{n}.5\tfilm {n}\t{'ab'[n % 2]}\n" for n in range(12))
TS = "@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n" + "1,2,3:4,5,?:a\n1,2:3,4:b\n" * 5
TAGGED = "-DOCSTART- O\n\n" + "".join(f"Mr O\nBell{n} B-PER\nspoke O\n. O\n\n" for n in range(12))
TREEBANK = "".join(
    f"# sent_id = {n}\n1-2\tdella\t_\t_\t_\t_\t_\t_\t_\t_\n1\tdi\tdi\tADP\tE\t_\t3\tcase\t_\t_\n"
    f"2\tla\til\tDET\tRD\tGender=Fem\t3\tdet\t_\t_\n3\tcasa{n}\tcasa\tNOUN\tS\t_\t0\troot\t_\t_\n\n"
    for n in range(8)
)
TAGS = "tokens\ttags\n" + "".join(f"Mr Bell{n} spoke\tO B-PER O\n" for n in range(20))
FRAME = pl.DataFrame(
    {
        "when": pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 20), "1d", eager=True),
        "text": [f"film {n} \U0001f600" for n in range(20)],
        "shop": pl.Series(["abc"[n % 3] for n in range(20)], dtype=pl.Categorical),
        "values": [[n, 2] for n in range(20)],
        "label": [n % 2 for n in range(20)],
    }
)
X, Y = np.arange(48.0).reshape(12, 2, 2), np.arange(12) % 2
PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16)

PIECES = (
    *(bytes([byte]) for byte in b'",\n\r\t;{}[]-:\\\x00\x01\xff\xe9'),
    *(b"1e400", b"NaN", b"\xef\xbb\xbf", b"\xed\xa0\xbd", b"\\ud83d", b"\xc2\xa0", b"\xe2\x80\xa8", b"null"),
)
NUMBERS = ("0", "-1", "65", "2147483648", "9223372036854775808", "9" * 400, "0x7f", "1.5", "99999", "1e999")
EXTREMES = (0, 1, -1, 2**7, 2**15 - 1, 2**31 - 1, -(2**31), 2**63 - 1, 10**6, 70)


def archive_of(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def sound() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.arange(800, dtype="<i2").tobytes())
    return stream.getvalue()


def idx(array: np.ndarray) -> bytes:
    lengths = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.astype(np.uint8).tobytes()


def picture(suffix: str) -> bytes:
    image = Image.fromarray(PIXELS if suffix != "webp" else np.stack([PIXELS] * 4, axis=-1))
    return archive_of(lambda stream: image.save(stream, {"pgm": "ppm"}.get(suffix, suffix)))


def utf16(text: str) -> bytes:
    return text.encode("utf-16")


# By kind: the name of the file, the purposes it is read for, its content, and how many files are tried.
KINDS: dict[str, tuple[str, tuple[str, ...], Callable[[], bytes], int]] = {
    "csv": ("t.csv", ("examples", "series"), CSV.encode, 90),
    "csv in UTF-16": ("t.csv", ("examples",), lambda: utf16(CSV), 20),
    "tsv": ("t.tsv", ("examples", "label sets"), CSV.replace(",", "\t").encode, 50),
    "tags": ("t.tsv", ("labels",), TAGS.encode, 40),
    "tab": ("t.tab", ("examples",), ORANGE.encode, 40),
    "json": ("t.json", ("examples",), lambda: json.dumps(JSON).encode(), 60),
    "jsonl": ("t.jsonl", ("examples",), lambda: "\n".join(map(json.dumps, JSON)).encode(), 60),
    "parquet": ("t.parquet", ("examples", "series"), lambda: archive_of(FRAME.write_parquet), 60),
    "plain parquet": (
        "t.parquet",
        ("examples",),
        lambda: archive_of(lambda stream: FRAME.write_parquet(stream, compression="uncompressed")),
        60,
    ),
    "arrow": ("t.arrow", ("examples",), lambda: archive_of(FRAME.write_ipc), 60),
    "packed arrow": (
        "t.arrow",
        ("examples",),
        lambda: archive_of(lambda stream: FRAME.write_ipc(stream, compression="zstd")),
        40,
    ),
    "excel": ("t.xlsx", ("examples",), lambda: archive_of(FRAME.drop("values").write_excel), 30),
    "ts": ("t.ts", ("examples",), TS.encode, 40),
    "conll": ("t.conll", ("labels",), TAGGED.encode, 40),
    "conllu": ("t.conllu", ("labels",), TREEBANK.encode, 30),
    "text": ("t.txt", ("text", "series"), lambda: b"It is a truth universally acknowledged. " * 5, 30),
    "npz": (
        "t.npz",
        ("examples", "step numbers"),
        lambda: archive_of(lambda stream: np.savez_compressed(stream, X=X, y=Y, class_names=["a", "b"])),
        80,
    ),
    "npy": ("x_train.npy", ("examples",), lambda: archive_of(lambda stream: np.save(stream, X)), 80),
    "labels in npy": (
        "y_train.npy",
        ("examples",),
        lambda: archive_of(lambda stream: np.save(stream, np.array(["a", "b"] * 6))),
        40,
    ),
    "idx": ("x-images-idx3-ubyte", ("examples",), lambda: idx(X), 40),
    "idx in gzip": ("x-images-idx3-ubyte", ("examples",), lambda: gzip.compress(idx(X)), 40),
    "idx in xz": ("x-images-idx3-ubyte", ("examples",), lambda: lzma.compress(idx(X)), 40),
    "wav": ("a/1.wav", ("examples",), sound, 40),
    **{suffix: (f"a/1.{suffix}", ("examples",), lambda suffix=suffix: picture(suffix), 30)  # type: ignore[misc]
       for suffix in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "pgm")},
}  # fmt: skip


def repacked(content: bytes, random: np.random.Generator) -> bytes | None:
    """Return a packed file with damage to what is packed in it; None for one that is not packed."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.compress(mutated(gzip.decompress(content), random))
    if content.startswith(b"\xfd7zXZ"):
        return lzma.compress(mutated(lzma.decompress(content), random))
    if not content.startswith(b"PK"):
        return None
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as other:
        chosen = int(random.integers(0, len(archive.infolist())))
        for index, member in enumerate(archive.infolist()):
            inner = archive.read(member)
            other.writestr(member.filename, mutated(inner, random) if index == chosen else inner)
    return stream.getvalue()


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Return bytes with one to four changes."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 5)):
        begin = int(random.integers(0, len(changed) + 1))
        end = begin + int(random.integers(0, 8 if random.random() < 0.9 else 200))
        kind = random.integers(0, 8)
        if kind == 0:
            del changed[begin:end]
        elif kind == 1:
            changed[begin:begin] = PIECES[random.integers(0, len(PIECES))]
        elif kind == 2:
            changed[begin:end] = random.bytes(max(0, min(end, len(changed)) - begin))
        elif kind == 3:
            changed[begin:begin] = changed[begin:end]
        elif kind == 4 and random.random() < 0.3:
            del changed[begin:]
        elif kind == 5:
            found = list(re.finditer(rb"\d+", changed))
            if found:
                number = found[random.integers(0, len(found))]
                changed[number.start() : number.end()] = NUMBERS[random.integers(0, len(NUMBERS))].encode()
        elif kind == 6:
            size = int(random.choice([1, 2, 4, 8]))
            value = EXTREMES[random.integers(0, len(EXTREMES))] % 2 ** (8 * size)
            changed[begin : begin + size] = value.to_bytes(size, "little" if random.random() < 0.6 else "big")
        else:
            other = int(random.integers(0, len(changed) + 1))
            changed[begin:begin] = changed[other : other + int(random.integers(0, 60))]
    return bytes(changed)


def memory(name: str) -> int:
    """The memory of this process in bytes, ``VmRSS``, or its peak, ``VmHWM``; 0 where the system does not tell."""
    lines = STATUS.read_text().splitlines() if RESET_PEAK.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def put_beside(path: Path) -> Path:
    """Write the other files that belong to one, whole, and return the path to read."""
    folder = path.parent.parent if path.parent.name == "a" else path.parent
    if path.parent.name == "a":
        for name in ("a/2", "b/1", "b/2"):
            other = folder / f"{name}{path.suffix}"
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_bytes(sound() if path.suffix == ".wav" else picture(path.suffix[1:]))
        return folder
    if path.suffix == ".npy":
        for name, array in (("x_train.npy", X), ("y_train.npy", Y)):
            if name != path.name:
                np.save(folder / name, array)
        return folder / "x_train.npy"
    if "images" in path.name:
        (folder / "x-labels-idx1-ubyte").write_bytes(idx(Y))
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    name, purposes, content, count = KINDS[kind]
    whole, path = content(), tmp_path / name
    path.parent.mkdir(exist_ok=True)
    to_read = put_beside(path)
    path.write_bytes(whole)
    for purpose in purposes[:1]:
        assert load_file(to_read, LoadOptions(), purpose).fingerprints
    refused = 0
    for number in range(CASES or count):
        random = np.random.default_rng([list(KINDS).index(kind), number])
        damaged = (repacked(whole, random) if number % 2 else None) or mutated(whole, random)
        path.write_bytes(damaged)
        if RESET_PEAK.exists():
            RESET_PEAK.write_text("5")
        before, start = memory("VmRSS"), time.monotonic()
        case = f"file {number} of {kind}: {damaged[:400]!r}"
        for purpose in (*purposes, "show", *(["picture"] if path.parent.name == "a" and kind != "wav" else [])):
            try:
                if purpose == "show":
                    preview_table(to_read)
                elif purpose == "picture":
                    read_picture(path)
                else:
                    options = LoadOptions(test_steps=3 if purpose == "series" else 0)
                    assert load_file(to_read, options, purpose).fingerprints
            except UnrolledError as error:
                assert "\n" not in str(error), case
                assert len(str(error)) < 3_000, case
                str(error).encode()
                refused += 1
            except BaseException as error:
                raise AssertionError(f"{purpose}: {case}") from error
        assert memory("VmHWM") - before < MOST_BYTES, case
        assert time.monotonic() - start < MOST_SECONDS, case
    assert refused > 0
