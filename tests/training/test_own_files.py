"""Files that a user has put into a run's folder."""

from pathlib import Path

import unrolled

import pytest


@pytest.mark.xdist_group("own files")
def test_a_file_among_the_checkpoints_is_no_checkpoint(tiny: Path) -> None:
    """It is neither read, nor counted among those that are kept, nor deleted."""
    run = unrolled.train(tiny, runs=tiny.parent / "runs", overrides=["training.epochs=1"], quiet=True)
    names = ("my-notes.npz", "2024-01.npz", "zz-last.npz", "notes.txt")
    for name in names:
        (run.path / "checkpoints" / name).write_text("precious")
    unrolled.resume(run.path, epochs=3, quiet=True)
    assert len(unrolled.Run.open(run.path).metrics) == 3
    for name in names:
        assert (run.path / "checkpoints" / name).read_text() == "precious"
