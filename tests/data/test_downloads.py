"""Downloading from a real server on this machine: once, checked, whole or not at all."""

import gzip
import hashlib
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from unrolled.data import bundled, registry
from unrolled.data.bundled import FASHION_MNIST, FILES, KMNIST, Download

import numpy as np
import pytest
from numpy.typing import NDArray

IdxBytes = Callable[[NDArray[Any]], bytes]
Complaint = Callable[[Callable[[], object]], str]

_RANDOM = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte": _RANDOM.integers(0, 256, (12, 5, 4), dtype=np.uint8),
    "train-labels-idx1-ubyte": np.arange(12, dtype=np.uint8) % 2,
    "t10k-images-idx3-ubyte": _RANDOM.integers(0, 256, (4, 5, 4), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": np.arange(4, dtype=np.uint8) % 2,
}


class Server(ThreadingHTTPServer):
    """Serves files under ``/sets/`` and records the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.manner = "whole"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sets"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/sets/")
        self.server.requests.append(name)
        contents = self.server.files.get(name)
        if self.server.manner == "not HTTP":
            self.wfile.write(b"hello\r\n\r\n")
        elif contents is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(contents)))
            self.end_headers()
            self.wfile.write(contents[:20] if self.server.manner == "cut off" else contents)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is http.server's
        pass


@pytest.fixture
def server(idx_bytes: IdxBytes) -> Iterator[Server]:
    with Server() as server:
        server.files = {f"{name}.gz": gzip.compress(idx_bytes(array)) for name, array in ARRAYS.items()}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def download(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Download:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    checksums = {name: hashlib.md5(contents).hexdigest() for name, contents in server.files.items()}
    return Download("tiny", server.address, checksums, ("even", "odd"), "unknown")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the data set is kept."""
    return tmp_path / "keras" / "datasets" / "tiny"


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which no process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_the_first_load_downloads_and_keeps_the_files(download: Download, server: Server, folder: Path) -> None:
    data = download.load()
    assert sorted(server.requests) == sorted(server.files)
    assert {name: (folder / name).read_bytes() for name in names_in(folder)} == server.files
    assert (data.name, data.classes, data.source) == ("tiny", ("even", "odd"), "unknown")
    arrays = [data.train.inputs, data.train.targets, data.test.inputs, data.test.targets]
    for array, expected in zip(arrays, ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert data.train.targets.dtype == data.test.targets.dtype == np.int64


def test_the_second_load_needs_no_server(download: Download, closed_port: int) -> None:
    first = download.load()
    second = replace(download, address=f"http://127.0.0.1:{closed_port}/sets").load()
    np.testing.assert_array_equal(first.train.inputs, second.train.inputs)
    np.testing.assert_array_equal(first.test.targets, second.test.targets)


def test_a_file_that_is_put_there_is_not_downloaded(download: Download, server: Server, folder: Path) -> None:
    folder.mkdir(parents=True)
    put = f"{FILES[0]}.gz"
    (folder / put).write_bytes(server.files[put])
    download.load()
    assert sorted(server.requests) == sorted(server.files.keys() - {put})


def test_a_kept_file_that_is_damaged_is_downloaded_again(download: Download, server: Server, folder: Path) -> None:
    download.load()
    damaged = folder / f"{FILES[2]}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    server.requests.clear()
    download.load()
    assert server.requests == [damaged.name]
    assert damaged.read_bytes() == server.files[damaged.name]


def test_a_wrong_checksum_is_refused_and_nothing_kept(
    download: Download, server: Server, folder: Path, complaint: Complaint
) -> None:
    name = f"{FILES[0]}.gz"
    published = download.checksums[name]
    server.files[name] = b"something else"
    actual = hashlib.md5(b"something else").hexdigest()
    assert complaint(download.load) == (
        f"tiny: expected MD5 {published} for {server.address}/{name}, got {actual}. "
        f"Try again later, or put the published file into {folder}."
    )
    assert names_in(folder) == set()


def test_an_offline_machine_is_refused_with_a_remedy(
    download: Download, closed_port: int, folder: Path, complaint: Complaint
) -> None:
    address = f"http://127.0.0.1:{closed_port}/sets"
    assert complaint(replace(download, address=address).load) == (
        f"tiny: cannot download {address}/{FILES[0]}.gz: [Errno 111] Connection refused. "
        f"Connect to the internet, or put the file into {folder}."
    )
    assert names_in(folder) == set()


def test_a_file_that_the_server_lacks_is_named(
    download: Download, server: Server, folder: Path, complaint: Complaint
) -> None:
    missing = f"{FILES[1]}.gz"
    del server.files[missing]
    assert complaint(download.load) == (
        f"tiny: cannot download {server.address}/{missing}: Not Found. "
        f"Connect to the internet, or put the file into {folder}."
    )
    assert names_in(folder) == {f"{FILES[0]}.gz"}


@pytest.mark.parametrize("manner", ["cut off", "not HTTP"])
def test_a_response_that_is_not_whole_is_refused_and_nothing_kept(
    manner: str, download: Download, server: Server, folder: Path, complaint: Complaint
) -> None:
    server.manner = manner
    message = complaint(download.load)
    assert message.startswith(f"tiny: cannot download {server.address}/{FILES[0]}.gz: ")
    assert message.endswith(f"put the file into {folder}.")
    assert names_in(folder) == set()


def test_a_full_disk_is_named_and_nothing_half_written_stays(
    download: Download, server: Server, folder: Path, complaint: Complaint
) -> None:
    name = f"{FILES[0]}.gz"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def load_with_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(server.files[name]) // 2, hard))
        try:
            download.load()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert complaint(load_with_little_room) == (
        f"{folder / name}: cannot be written: File too large. Free some space, or write elsewhere."
    )
    assert names_in(folder) == set()


def test_a_keras_home_that_cannot_be_written_is_named(
    download: Download, tmp_path: Path, folder: Path, complaint: Complaint
) -> None:
    (tmp_path / "keras").write_text("a file in the way")
    assert complaint(download.load) == (
        f"{folder}: cannot be written: Not a directory. Check the folder and its permissions, or write elsewhere."
    )


@pytest.mark.parametrize("published", [FASHION_MNIST, KMNIST], ids=lambda published: published.name)
def test_each_published_file_has_an_md5(published: Download) -> None:
    assert sorted(published.checksums) == sorted(f"{name}.gz" for name in FILES)
    for checksum in published.checksums.values():
        assert len(checksum) == 32
        assert set(checksum) <= set("0123456789abcdef")
    assert len(set(published.checksums.values())) == 4
    assert len(published.classes) == 10
    assert published.source


def test_the_published_sets_are_loaded_by_their_names() -> None:
    assert registry.DATASETS["fashion-mnist"] == bundled.FASHION_MNIST.load
    assert registry.DATASETS["kmnist"] == bundled.KMNIST.load
