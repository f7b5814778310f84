"""Arrays on disk."""

from pathlib import Path

from unrolled.data.padding import lengths, pad
from unrolled.data.streamed.stored import Stored, on_disk
from unrolled.errors import WriteError

import numpy as np
import pytest

ITEMS = [np.arange(length * 2, dtype=np.float32).reshape(length, 2) for length in (3, 1, 4)]


def test_examples_are_chosen_as_of_an_array_of_objects() -> None:
    stored = Stored.of(ITEMS)
    for mine, given in zip(stored, ITEMS, strict=True):
        np.testing.assert_array_equal(mine, given)
    chosen = stored[np.array([2, 0])]
    np.testing.assert_array_equal(chosen[0], ITEMS[2])
    np.testing.assert_array_equal(pad(chosen), pad([ITEMS[2], ITEMS[0]]))
    assert (len(stored[1:]), lengths(chosen).tolist(), stored.dtype) == (2, [4, 3], np.dtype(object))


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    kept = on_disk(ITEMS)
    assert kept.shape == (8, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with pytest.raises(WriteError, match=r"^/nowhere: expected room for what the network reads, got: .*\. Set TMPDIR"):
        on_disk(ITEMS)
