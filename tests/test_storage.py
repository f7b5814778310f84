"""Files that are complete or absent, and what is kept of them."""

import os
from pathlib import Path

from tests.conftest import dead_process
from unrolled.errors import WriteError
from unrolled.storage import locked, new_file, replacing

import pytest


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("precious")
    with pytest.raises(WriteError, match=r"mine\.txt: already exists\. Choose another name\."), new_file(path) as file:
        file.write("other")
    assert path.read_text() == "precious"


def test_a_file_whose_writing_fails_keeps_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("before")
    with pytest.raises(ValueError, match="no more"), replacing(path) as part:
        part.write_text("half")
        raise ValueError("no more")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("status.json", "before")]


def test_what_killed_processes_left_is_removed_when_the_folder_is_locked(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    left = [
        tmp_path / f".model.{dead_process()}.part.keras",
        tmp_path / "checkpoints" / f".000001-00000001.{dead_process()}.part.npz",
        tmp_path / f".model.{os.getppid()}.part.keras",
        tmp_path / ".notes.part.txt",
    ]
    for path in left:
        path.write_text("half")
    with locked(tmp_path):
        assert [path.exists() for path in left] == [False, False, True, True]
