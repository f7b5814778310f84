"""The choice of Keras' backend, in fresh processes with an empty home folder."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from unrolled import backends
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
    """Run code in a fresh interpreter with this home folder; return its output."""
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
def keras_json(tmp_path: Path) -> Path:
    """The path of Keras' configuration."""
    (tmp_path / ".keras").mkdir()
    return tmp_path / ".keras" / "keras.json"


@pytest.fixture(scope="module")
def written_by_keras(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of the file that Keras writes when it is imported for the first time."""
    home = tmp_path_factory.mktemp("home")
    run_python(home, "import keras", KERAS_BACKEND="jax")
    return (home / ".keras" / "keras.json").read_text()


def test_jax_is_the_default(python: Python, tmp_path: Path) -> None:
    assert python(SHOW_CHOICE) == "jax"
    assert list(tmp_path.iterdir()) == []


def test_keras_computes_on_the_chosen_backend(python: Python) -> None:
    assert python("import unrolled, keras; print(keras.backend.backend())") == "jax"


def test_a_file_written_by_keras_is_not_a_choice(python: Python, keras_json: Path, written_by_keras: str) -> None:
    assert json.loads(written_by_keras)["backend"] == "tensorflow"
    keras_json.write_text(written_by_keras)
    assert python(SHOW_CHOICE) == "jax"


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_file_that_the_user_changed_is_a_choice(
    choice: dict[str, object], python: Python, keras_json: Path, written_by_keras: str
) -> None:
    keras_json.write_text(json.dumps({**json.loads(written_by_keras), **choice}))
    assert python(SHOW_CHOICE) == "not set"


def test_a_file_in_the_home_folder_is_found_without_keras_home(python: Python, keras_json: Path) -> None:
    keras_json.write_text('{"backend": "torch"}')
    assert python("import os; del os.environ['KERAS_HOME']; " + SHOW_CHOICE) == "not set"


def test_a_file_that_names_no_backend_is_not_a_choice(python: Python, keras_json: Path) -> None:
    keras_json.write_text('{"floatx": "float64"}')
    assert python(SHOW_CHOICE) == "jax"


@pytest.mark.parametrize(
    "contents",
    [b"", b"{", b"[]", b"3", b"null", b'"jax"', b"\xff\xfe"],
    ids=["empty", "cut off", "list", "number", "null", "text", "not text"],
)
def test_a_malformed_file_is_not_a_choice(contents: bytes, python: Python, keras_json: Path) -> None:
    keras_json.write_bytes(contents)
    assert python(SHOW_CHOICE) == "jax"


def test_a_folder_instead_of_the_file_is_not_a_choice(python: Python, keras_json: Path) -> None:
    keras_json.mkdir()
    assert python(SHOW_CHOICE) == "jax"


@pytest.mark.parametrize("backend", ["torch", "tensorflow", "jax"])
def test_the_environment_variable_is_kept(backend: str, python: Python, keras_json: Path) -> None:
    keras_json.write_text('{"backend": "numpy"}')
    assert python(SHOW_CHOICE, KERAS_BACKEND=backend) == backend


def test_an_empty_environment_variable_is_not_a_choice(python: Python) -> None:
    assert python(SHOW_CHOICE, KERAS_BACKEND="") == "jax"


def test_nothing_changes_where_keras_is_already_imported(python: Python) -> None:
    code = "import keras, os; del os.environ['KERAS_BACKEND']; before = dict(os.environ)\n"
    code += "import unrolled; print(dict(os.environ) == before, keras.backend.backend())"
    assert python(code, KERAS_BACKEND="jax") == "True jax"


def test_importing_unrolled_loads_no_framework(python: Python) -> None:
    heavy = ["keras", "jax", "tensorflow", "torch", "numpy", "click", "pydantic", "PIL", "ruamel.yaml", "rich"]
    code = f"import sys, unrolled; dir(unrolled); print([name for name in {heavy} if name in sys.modules])"
    assert python(code) == "[]"


def test_an_unknown_attribute_is_an_attribute_error(python: Python) -> None:
    code = "import unrolled\ntry: unrolled.lode\nexcept AttributeError as error: print(error)"
    assert python(code) == "module 'unrolled' has no attribute 'lode'"


def interface(tree: ast.Module | ast.ClassDef) -> dict[str, list[str]]:
    """The public functions and constants of a module or class, with the names of their parameters."""
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = [argument.arg for argument in node.args.args if argument.arg != "self"]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {t.id: [] for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_")}
    return found


@pytest.mark.parametrize("name", ["jax", "tensorflow", "torch"])
def test_every_backend_has_the_same_interface(name: str) -> None:
    folder = Path(str(backends.__file__)).parent
    package = ast.parse((folder / "__init__.py").read_text())
    (protocol,) = (node for node in package.body if isinstance(node, ast.ClassDef) and node.name == "Backend")
    assert interface(ast.parse((folder / f"{name}.py").read_text())) == interface(protocol)


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
def test_tensorflow_appears_not_installed_unless_it_is_the_backend(backend: str, python: Python) -> None:
    assert python(IMPORT_TENSORFLOW, KERAS_BACKEND=backend) == "No module named 'tensorflow'"


def test_tensorflow_stays_where_the_environment_variable_chooses_it(python: Python) -> None:
    code = (
        "import sys; before = list(sys.meta_path)\nimport unrolled.backends\nunrolled.backends.leave_out_tensorflow()\n"
    )
    assert python(code + "print(sys.meta_path == before)", KERAS_BACKEND="tensorflow") == "True"


def test_tensorflow_stays_where_the_file_chooses_it(python: Python, keras_json: Path) -> None:
    keras_json.write_text('{"backend": "tensorflow", "floatx": "float64"}')
    code = (
        "import sys; before = list(sys.meta_path)\nimport unrolled.backends\nunrolled.backends.leave_out_tensorflow()\n"
    )
    assert python(code + "print(sys.meta_path == before)") == "True"


def test_keras_home_equals_that_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert keras_home() == tmp_path / "elsewhere"
    monkeypatch.delenv("KERAS_HOME")
    assert keras_home() == tmp_path / ".keras"
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert keras_home() == Path("/tmp/.keras")


TRAIN = """
import sys
import unrolled
from unrolled import SequenceLabeler
labeler = SequenceLabeler(units=2, epochs=1).fit([["Ada", "slept"], ["Bob", "left"]], [["N", "V"], ["N", "V"]])
labeler.predict([["Ada"]])
settings = {"data": "japanese-vowels", "training": {"epochs": 1, "batch_size": 270}}
run = unrolled.train({**settings, "network": [{"Bidirectional": {"layer": {"GRU": {"units": 2}}}}]}, quiet=True)
unrolled.Run.open(run.path).model
"""


def test_estimators_and_runs_do_not_load_tensorflow_and_leave_it_to_others(python: Python) -> None:
    code = TRAIN + "print('tensorflow' in sys.modules)\nrun.model.save('own.keras')\nprint('tensorflow' in sys.modules)"
    before, after = python(code, KERAS_BACKEND="jax").splitlines()
    assert before == "False"
    assert after == str(find_spec("tensorflow") is not None), "Keras itself loads an installed one"


def test_a_tensorflow_that_is_loaded_stays_known_to_keras(python: Python) -> None:
    pytest.importorskip("tensorflow")
    code = (
        "import tensorflow\nfrom unrolled.backends import without_loading_tensorflow\n"
        "from keras.src.utils.module_utils import tensorflow as lazy\n"
        "with without_loading_tensorflow():\n    print(lazy.available)"
    )
    assert python(code, KERAS_BACKEND="jax") == "True"
