"""The choice of Keras' backend, made in fresh processes whose home is empty."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from unrolled.backends import keras_home

import pytest

SHOW_CHOICE = "import os, unrolled; print(os.environ.get('KERAS_BACKEND', 'not set'))"
CHOICES = [
    {"backend": "torch"},
    {"backend": "jax"},
    {"floatx": "float64"},
    {"epsilon": 1e-5},
    {"image_data_format": "channels_first"},
]

Python = Callable[..., str]


def run_python(home: Path, code: str, **variables: str) -> str:
    """What a fresh interpreter prints for the code, its home and Keras' in that folder."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("KERAS_", "TF_"))}
    environment = {**inherited, "HOME": str(home), "KERAS_HOME": str(home / ".keras"), **variables}
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=home, env=environment, timeout=120
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.fixture
def python(tmp_path: Path) -> Python:
    def run(code: str, **variables: str) -> str:
        return run_python(tmp_path, code, **variables)

    return run


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Where Keras looks for the user's settings."""
    (tmp_path / ".keras").mkdir()
    return tmp_path / ".keras" / "keras.json"


@pytest.fixture(scope="module")
def written_by_keras(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file that Keras leaves behind when it is imported for the first time."""
    home = tmp_path_factory.mktemp("home")
    run_python(home, "import keras", KERAS_BACKEND="jax")
    return (home / ".keras" / "keras.json").read_text()


def test_where_nothing_is_chosen_it_is_jax(python: Python, tmp_path: Path) -> None:
    assert python(SHOW_CHOICE) == "jax"
    assert list(tmp_path.iterdir()) == []


def test_keras_computes_on_the_backend_chosen(python: Python) -> None:
    assert python("import unrolled, keras; print(keras.backend.backend())") == "jax"


def test_the_file_that_keras_writes_by_itself_is_no_choice(
    python: Python, settings_file: Path, written_by_keras: str
) -> None:
    assert json.loads(written_by_keras)["backend"] == "tensorflow"
    settings_file.write_text(written_by_keras)
    assert python(SHOW_CHOICE) == "jax"


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_file_that_the_user_changed_is_a_choice(
    choice: dict[str, object], python: Python, settings_file: Path, written_by_keras: str
) -> None:
    settings_file.write_text(json.dumps({**json.loads(written_by_keras), **choice}))
    assert python(SHOW_CHOICE) == "not set"


def test_a_file_in_the_home_folder_is_found_without_keras_home(python: Python, settings_file: Path) -> None:
    settings_file.write_text('{"backend": "torch"}')
    assert python("import os; del os.environ['KERAS_HOME']; " + SHOW_CHOICE) == "not set"


def test_a_file_that_names_no_backend_is_no_choice_of_one(python: Python, settings_file: Path) -> None:
    settings_file.write_text('{"floatx": "float64"}')
    assert python(SHOW_CHOICE) == "jax"


@pytest.mark.parametrize(
    "contents",
    [b"", b"{", b"[]", b"3", b"null", b'"jax"', b"\xff\xfe"],
    ids=["empty", "cut off", "list", "number", "null", "text", "not text"],
)
def test_a_malformed_file_is_no_choice(contents: bytes, python: Python, settings_file: Path) -> None:
    settings_file.write_bytes(contents)
    assert python(SHOW_CHOICE) == "jax"


def test_a_folder_in_the_place_of_the_file_is_no_choice(python: Python, settings_file: Path) -> None:
    settings_file.mkdir()
    assert python(SHOW_CHOICE) == "jax"


@pytest.mark.parametrize("backend", ["torch", "tensorflow", "jax"])
def test_the_environment_variable_stands(backend: str, python: Python, settings_file: Path) -> None:
    settings_file.write_text('{"backend": "numpy"}')
    assert python(SHOW_CHOICE, KERAS_BACKEND=backend) == backend


def test_an_empty_environment_variable_is_no_choice_as_for_keras(python: Python) -> None:
    assert python(SHOW_CHOICE, KERAS_BACKEND="") == "jax"


def test_nothing_is_touched_where_keras_is_imported_already(python: Python) -> None:
    code = "import keras, os; del os.environ['KERAS_BACKEND']; before = dict(os.environ)\n"
    code += "import unrolled; print(dict(os.environ) == before, keras.backend.backend())"
    assert python(code, KERAS_BACKEND="jax") == "True jax"


def test_importing_unrolled_loads_no_framework(python: Python) -> None:
    heavy = ["keras", "jax", "tensorflow", "torch", "numpy", "click", "pydantic", "PIL", "ruamel.yaml", "rich"]
    code = f"import sys, unrolled; dir(unrolled); print([name for name in {heavy} if name in sys.modules])"
    assert python(code) == "[]"


def test_naming_an_unknown_attribute_is_an_attribute_error(python: Python) -> None:
    code = "import unrolled\ntry: unrolled.lode\nexcept AttributeError as error: print(error)"
    assert python(code) == "module 'unrolled' has no attribute 'lode'"


IMPORT_TENSORFLOW = """
from unrolled.backends import leave_out_tensorflow
leave_out_tensorflow()
try:
    import tensorflow
    print("there")
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_tensorflow_counts_as_not_installed_where_it_is_not_the_backend(backend: str, python: Python) -> None:
    assert python(IMPORT_TENSORFLOW, KERAS_BACKEND=backend) == "No module named 'tensorflow'"


def test_tensorflow_stays_where_the_environment_variable_chooses_it(python: Python) -> None:
    code = (
        "import sys; before = list(sys.meta_path)\nimport unrolled.backends\nunrolled.backend.leave_out_tensorflow()\n"
    )
    assert python(code + "print(sys.meta_path == before)", KERAS_BACKEND="tensorflow") == "True"


def test_tensorflow_stays_where_the_file_chooses_it(python: Python, settings_file: Path) -> None:
    settings_file.write_text('{"backend": "tensorflow", "floatx": "float64"}')
    code = (
        "import sys; before = list(sys.meta_path)\nimport unrolled.backends\nunrolled.backend.leave_out_tensorflow()\n"
    )
    assert python(code + "print(sys.meta_path == before)") == "True"


def test_keras_home_is_where_keras_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert keras_home() == tmp_path / "elsewhere"
    monkeypatch.delenv("KERAS_HOME")
    assert keras_home() == tmp_path / ".keras"
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert keras_home() == Path("/tmp/.keras")
