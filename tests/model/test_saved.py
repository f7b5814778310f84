"""Saved networks from strangers: nothing in them runs, reads another file, or is larger than the file."""

import io
import json
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import RunError
from unrolled.layers import LSTM
from unrolled.model import saved
from unrolled.model.build import build_model, resolve
from unrolled.model.saved import load_network
from unrolled.tasks.registry import load_task

import h5py
import keras
import numpy as np
import pytest

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model = keras.Sequential([keras.Input((5, 3)), LSTM(4), keras.layers.Dense(2, name="last")])
    keras.Model(model.inputs, model.outputs).save(path)
    return path


@pytest.fixture
def change(written: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the network with its members changed."""

    def write(change: Change, **arguments: Any) -> Path:
        with zipfile.ZipFile(written) as archive:
            members = {name: archive.read(name) for name in MEMBERS}
        change(members)
        with zipfile.ZipFile(tmp_path / "model.keras", "w", **arguments) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return tmp_path / "model.keras"

    return write


def with_config(edit: Callable[[Any], None]) -> Change:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        edit(config)
        members["config.json"] = json.dumps(config).encode()

    return change


def with_weights(edit: Callable[[h5py.File], None]) -> Change:
    def change(members: dict[str, bytes]) -> None:
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "a") as file:
            edit(file)
        members["model.weights.h5"] = content.getvalue()

    return change


def layer_of(config: Any, name: str) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == name)


def refused(path: Path) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunError) as caught:
        load_network(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kilobytes
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_what_was_saved_is_loaded(written: Path, change: Callable[..., Path]) -> None:
    inputs = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    expected = keras.saving.load_model(written).predict(inputs, verbose=0)
    np.testing.assert_array_equal(load_network(written).predict(inputs, verbose=0), expected)
    assert load_network(change(lambda members: None)).count_params() == load_network(written).count_params()


@pytest.mark.parametrize("recipe", ["passengers-forecast", "reviews-lstm", "mnist-columns"])
def test_the_networks_of_recipes_are_loaded(recipe: str, tmp_path: Path) -> None:
    config = ExperimentConfig.load(recipe)
    task = load_task(config)
    model = build_model(resolve(config, task), task)
    model.save(tmp_path / "model.keras")
    assert load_network(tmp_path / "model.keras").count_params() == model.count_params()


# Sizes


def test_a_compressed_file_is_not_unpacked(change: Callable[..., Path]) -> None:
    def grow(members: dict[str, bytes]) -> None:
        members["model.weights.h5"] += bytes(100_000_000)

    path = change(grow, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    assert refused(path) == (
        "expected metadata.json without compression, as Keras writes it. Train again, or save it again."
    )


def test_a_member_of_another_size_than_it_says_is_refused(change: Callable[..., Path]) -> None:
    path = change(lambda members: None)
    content = path.read_bytes()
    entry = content.rindex(b"PK\x01\x02")  # of the last member, the weights
    stored = struct.unpack_from("<I", content, entry + 24)[0]
    lying = bytearray(content)
    struct.pack_into("<I", lying, entry + 24, stored * 1000)
    path.write_bytes(lying)
    assert "expected model.weights.h5 without compression" in refused(path)
    struct.pack_into("<I", lying, entry + 20, stored * 1000)  # as if it were stored so
    path.write_bytes(lying)
    assert "got more. Train again." in refused(path)


def test_compressed_and_unwritten_weights_are_refused(change: Callable[..., Path]) -> None:
    shape = (1_000_000_000,)
    written: dict[str, dict[str, Any]] = {
        "compressed": {"chunks": (1_000_000,), "compression": "gzip"},
        "chunked": {"chunks": (1_000_000,)},
        "unwritten": {},
    }
    for name, arguments in written.items():
        path = change(with_weights(lambda file: file.create_dataset("vars/0", shape, np.float32, **arguments)))  # noqa: B023
        assert "expected 0 in model.weights.h5 as Keras writes it" in refused(path), name


def test_weights_that_stand_twice_in_the_file_are_counted_once(change: Callable[..., Path]) -> None:
    def same_place(file: h5py.File) -> None:
        file["vars/x"] = np.zeros(1000, np.float32)
        for index in range(100):
            file[f"vars/{index}"] = file["vars/x"]

    assert "bytes of weights, got" in refused(change(with_weights(same_place)))


@pytest.mark.parametrize("units", [400_000_000, 2**62])
def test_layers_larger_than_the_weights_are_not_built(units: int, change: Callable[..., Path]) -> None:
    path = change(with_config(lambda config: layer_of(config, "Dense")["config"].update(units=units)))
    assert (
        refused(path) == f"expected {4 * 7 * 4 + 16 + 5 * units:,} weights, as the layers have, got 138. Train again."
    )


def test_a_network_larger_than_memory_is_not_read(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "memory_bytes", lambda: written.stat().st_size)
    assert "GB of memory, and this machine has 0 GB. Load it on a larger one." in refused(written)


# Other files


def test_weights_are_not_taken_from_other_files(change: Callable[..., Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(100, dtype=np.float32).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["vars/0"] = np.arange(100, dtype=np.float32)

    def external_link(file: h5py.File) -> None:
        file["vars/0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/vars/0")

    def soft_link(file: h5py.File) -> None:
        file["vars/0"] = h5py.SoftLink("/layers")

    def raw_file(file: h5py.File) -> None:
        file.create_dataset("vars/0", (100,), np.float32, external=[(str(secret), 0, 400)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((100,), np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "vars/0", (100,))
        file.create_virtual_dataset("vars/0", layout)

    for edit in (external_link, soft_link, raw_file, virtual):
        message = refused(change(with_weights(edit)))
        assert "expected 0 in model.weights.h5 as Keras writes it, got a link, or numbers" in message, edit.__name__


def test_a_vocabulary_is_not_read_from_a_file(change: Callable[..., Path]) -> None:
    path = change(with_config(lambda config: layer_of(config, "Dense")["config"].update(vocabulary="/etc/passwd")))
    assert "the network reads its vocabulary from another file" in refused(path)


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/evil", "assets/../../evil", "program.py", "a\nb"])
def test_other_members_are_refused(name: str, change: Callable[..., Path]) -> None:
    path = change(lambda members: members.update({name: b"x"}))
    assert "expected a file of Keras, got one with" in refused(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", MEMBERS[1:])
def test_each_member_is_there_once(name: str, change: Callable[..., Path]) -> None:
    assert "once each" in refused(change(lambda members: members.pop(name) and None))
    path = change(lambda members: None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"{}")
    assert "once each" in refused(path)


# Code


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"])
def test_a_layer_that_runs_code_is_refused_and_named(name: str, change: Callable[..., Path]) -> None:
    path = change(with_config(lambda config: layer_of(config, "Dense").update(class_name=name)))
    assert refused(path) == (
        f"the network holds {name}, which runs code that came with it, and is not loaded. If you trust its origin, "
        "load it with: keras.saving.load_model"
    )


def test_a_lambda_that_keras_wrote_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda values: values * 2)(inputs)).save(tmp_path / "model.keras")
    assert refused(tmp_path / "model.keras").startswith("the network holds Lambda, which runs code")


@pytest.mark.parametrize(
    "named",
    [
        {"class_name": "Popen", "module": "subprocess", "registered_name": None},
        {"class_name": "Mine", "module": "my.layers", "registered_name": "mine>Mine"},
        {"class_name": "Popen", "module": "subprocess", "registered_name": "unrolled>Popen"},
        {"class_name": "Popen", "module": None, "registered_name": None},
        {"class_name": "Popen"},
        {"class_name": ["Popen"], "module": "keras.layers"},
        {"class_name": "function", "module": "os", "config": "system"},
        {"class_name": "function", "module": "keras.utils", "config": "get_file"},
        {"class_name": "__typespec__", "module": "tensorflow", "spec_name": "x"},
    ],
)
@pytest.mark.parametrize("where", ["layer", "argument", "loss"])
def test_other_classes_are_refused(named: dict[str, Any], where: str, change: Callable[..., Path]) -> None:
    def edit(config: Any) -> None:
        layer = layer_of(config, "Dense")
        if where == "layer":
            layer.update(named)
        elif where == "argument":
            layer["config"]["kernel_initializer"] = {"config": {}, **named}
        else:
            config["compile_config"] = {"optimizer": "adam", "loss": {"config": {}, **named}}

    message = refused(change(with_config(edit)))
    assert "which is no class of Keras or unrolled" in message or "the saved network is damaged" in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"class_name": 3}', b"\xff"], ids=repr
)
def test_a_damaged_configuration_is_one_line(content: bytes, change: Callable[..., Path]) -> None:
    refused(change(lambda members: members.update({"config.json": content})))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000])
def test_a_damaged_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    assert "the saved network is damaged" in refused(tmp_path / "model.keras")


def test_a_model_of_ones_own_is_loaded_as_keras_does_without_other_files(
    change: Callable[..., Path], tmp_path: Path
) -> None:
    """``unrolled.load_model`` takes compressed files and custom classes, but no weights from elsewhere."""
    assert unrolled.load_model(change(lambda members: None, compression=zipfile.ZIP_DEFLATED)).count_params() == 138
    (tmp_path / "secret.bin").write_bytes(bytes(400))

    def raw_file(file: h5py.File) -> None:
        variables = file["layers/dense/vars" if "layers/dense" in file else "layers/last/vars"]
        shape = variables["1"].shape
        del variables["1"]
        variables.create_dataset("1", shape, np.float32, external=[(str(tmp_path / "secret.bin"), 0, 400)])

    path = change(with_weights(raw_file))
    with pytest.raises(ValueError, match="external"):
        unrolled.load_model(path)
