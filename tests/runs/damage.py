"""Ways to damage a file of a folder that somebody hands on."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What stands in JSON and YAML where something else is expected.
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    float("nan"),
    1e308,
    "",
    "x",
    "\ud83d",
    "a" * 100_000,
    "../../outside",
    [],
    {},
    [[]],
    {"": None},
    ["x"] * 100,
)


def damage(path: Path, outside: Path, draw: random.Random) -> str:
    """Damage a file in one way; returns in which.

    Args:
        path: The file.
        outside: A folder that nothing may read or change.
        draw: Decides the way.
    """
    ways = [*_KINDS, *_BYTES] if path.is_file() else list(_KINDS)
    if path.suffix in (".json", ".jsonl", ".log"):
        ways += [_edit_json] * 12
    if path.suffix == ".yaml":
        ways += [_edit_yaml] * 12
    way = draw.choice(ways)
    way(path, outside, draw)
    return f"{way.__name__.strip('_')} {path.name}"


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _missing(path: Path, outside: Path, draw: random.Random) -> None:
    _remove(path)


def _link(path: Path, outside: Path, draw: random.Random) -> None:
    target = draw.choice([outside / "mine.txt", outside / "notes", Path("/dev/zero"), Path("/dev/stdin"), Path("none")])
    _remove(path)
    path.symlink_to(target)


def _pipe(path: Path, outside: Path, draw: random.Random) -> None:
    _remove(path)
    os.mkfifo(path)


def _folder(path: Path, outside: Path, draw: random.Random) -> None:
    _remove(path)
    path.mkdir()


def _huge(path: Path, outside: Path, draw: random.Random) -> None:
    if path.is_dir():
        path = path / "more.json"
    with path.open("ab") as stream:
        stream.truncate(1 << 31)


def _empty(path: Path, outside: Path, draw: random.Random) -> None:
    path.write_bytes(b"")


def _cut(path: Path, outside: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])


def _flip(path: Path, outside: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 4, 64])):
        if content:
            content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(content)


def _noise(path: Path, outside: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(2000))


def _brackets(path: Path, outside: Path, draw: random.Random) -> None:
    path.write_text(draw.choice(["[", '{"a":']) * 100_000)


def _edit_json(path: Path, outside: Path, draw: random.Random) -> None:
    lines = path.read_text().splitlines() if path.suffix in (".jsonl", ".log") else [path.read_text()]
    number = draw.randrange(len(lines) or 1)
    try:
        values = json.loads(lines[number])
    except (ValueError, LookupError):
        return
    lines[number] = json.dumps(_edited(values, draw))
    path.write_text("\n".join(lines) + "\n")


def _edited(values: Any, draw: random.Random) -> Any:
    """Values with one of them, at any depth, replaced, removed or doubled."""
    items = (
        list(values.items())
        if isinstance(values, dict)
        else list(enumerate(values))
        if isinstance(values, list)
        else []
    )
    if not items or draw.random() < 0.15:
        return draw.choice(ODD)
    key, value = draw.choice(items)
    changed = values.copy()
    if draw.random() < 0.2:
        del changed[key]
    elif draw.random() < 0.1 and isinstance(changed, list):
        changed.append(value)
    else:
        changed[key] = _edited(value, draw)
    return changed


def _edit_yaml(path: Path, outside: Path, draw: random.Random) -> None:
    lines = path.read_text().splitlines() or [""]
    number = draw.randrange(len(lines))
    key, colon, _ = lines[number].partition(":")
    values = ["[]", "{}", "-1", "1e400", "~", "x", "!!python/object:os.system x", "*a", "&a [*a]", "0x" + "f" * 9000]
    lines[number] = f"{key}: {draw.choice(values)}" if colon else draw.choice(values)
    if draw.random() < 0.2:
        del lines[number]
    path.write_text("\n".join(lines) + "\n")


Way = Callable[[Path, Path, random.Random], None]
_KINDS: tuple[Way, ...] = (_missing, _link, _pipe, _folder, _huge)
_BYTES: tuple[Way, ...] = (_empty, _cut, _flip, _noise, _brackets)
