"""Arrays of unequal length, in memory and on disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unrolled.data.ragged import Ragged, lengths, objects, on_disk, pad
from unrolled.errors import WriteError

import numpy as np
import pytest
from numpy.typing import NDArray

ITEMS = [np.arange(length * 2, dtype=np.float32).reshape(length, 2) for length in (3, 1, 4)]


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_examples_are_chosen_as_of_an_array_of_objects(*, is_on_disk: bool) -> None:
    pieces = [(np.concatenate(ITEMS[:2]), np.array([3, 1])), (ITEMS[2], np.array([4]))]
    ragged = Ragged.of_pieces(pieces, is_on_disk=is_on_disk)
    for item, expected in zip(ragged, ITEMS, strict=True):
        np.testing.assert_array_equal(item, expected)
    chosen = ragged[np.array([2, 0])]
    np.testing.assert_array_equal(chosen[0], ITEMS[2])
    for length in (None, 2, 5):
        np.testing.assert_array_equal(pad(chosen, length), pad(objects([ITEMS[2], ITEMS[0]]), length))
    assert (len(ragged[1:]), lengths(chosen).tolist(), ragged.dtype) == (2, [4, 3], np.dtype(object))


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    kept = on_disk(ITEMS)
    assert kept.shape == (8, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with pytest.raises(WriteError, match=r"^/nowhere: cannot store the data of the network: .*\. Set TMPDIR"):
        on_disk(ITEMS)


def test_a_full_disk_is_refused_in_one_line_and_an_error_of_the_source_is_passed_on(tmp_path: Path) -> None:
    program = (
        "import resource, numpy as np; from unrolled.data.ragged import on_disk\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "on_disk(np.zeros(10_000) for _ in range(3))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert f"WriteError: {tmp_path}: cannot store the data of the network: File too large." in finished.stderr

    def broken() -> Iterator[NDArray[Any]]:
        yield ITEMS[0]
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(FileNotFoundError):
        on_disk(broken())
