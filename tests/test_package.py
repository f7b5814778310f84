"""The public names of the package, its errors, and the contents of its wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import unrolled
from tests.conftest import ROOT, environment
from unrolled import errors

import pytest


def test_every_public_name_exists() -> None:
    functions = ["accelerate", "backtest", "compare", "diagnose", "forecast", "forecast_table", "generate"]
    estimators = ["SequenceClassifier", "SequenceLabeler", "SequenceRegressor"]
    classes = ["Dataset", "Diagnostic", "ExperimentConfig", "Forecaster", "Run", "Search", *estimators]
    assert unrolled.__all__ == [
        *classes,
        "__version__",
        *functions,
        "load",
        "load_model",
        "repeat",
        "resume",
        "search",
        "set_threads",
        "to_keras",
        "train",
    ]
    for name in unrolled.__all__:
        assert getattr(unrolled, name) is not None
    assert set(unrolled.__all__) <= set(dir(unrolled))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        unrolled.trian  # noqa: B018


def test_no_submodule_shadows_a_public_name() -> None:
    """Importing ``unrolled.sklearn`` and all other submodules leaves every public name what it is."""
    program = """
import importlib, pkgutil, types
import unrolled

# The command itself, and two frameworks that are slow to import.
skipped = {"unrolled.__main__", "unrolled.backends.tensorflow", "unrolled.backends.torch"}
for module in pkgutil.walk_packages(unrolled.__path__, "unrolled."):
    if module.name not in skipped:
        importlib.import_module(module.name)
submodules = {module.name for module in pkgutil.iter_modules(unrolled.__path__)} - {"__main__"}
assert {"kernels", "searching", "sklearn"} <= submodules <= set(vars(unrolled))
assert not submodules & set(unrolled.__all__), submodules & set(unrolled.__all__)
for name in unrolled.__all__:
    value = getattr(unrolled, name)
    assert not isinstance(value, types.ModuleType), name
    if name != "__version__":
        assert callable(value) and value.__name__ == name, name
        assert value is getattr(importlib.import_module(unrolled._HOMES[name]), name), name
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(KERAS_BACKEND="jax")
    )
    assert finished.returncode == 0, finished.stderr


def test_every_error_is_also_a_built_in_one() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.UnrolledError)
    ]
    kinds.remove(errors.UnrolledError)
    assert errors.InvalidSetting in kinds
    for kind in kinds:
        assert issubclass(kind, (ValueError, TypeError, OSError, RuntimeError))
        assert kind.__name__ in str(errors.__doc__)


def test_the_wheel_holds_the_data_and_the_licences(tmp_path: Path) -> None:
    """The wheel is built from this tree by the build backend that pyproject.toml names."""
    program = "import sys; from scikit_build_core.build import build_wheel; print(build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / built.stdout.splitlines()[-1]) as wheel:
        packed = {entry.filename: entry.compress_size for entry in wheel.infolist()}
        (extension,) = [
            entry for entry in wheel.infolist() if "/kernels/_extension" in entry.filename and ".so" in entry.filename
        ]
        (metadata,) = (wheel.read(name).decode() for name in packed if name.endswith(".dist-info/METADATA"))
    data = [size for name, size in packed.items() if name.startswith("unrolled/data/files/mnist/")]
    assert extension.file_size < 2_000_000
    assert len(data) == 4
    assert sum(data) <= 9_500_000
    assert "unrolled/config/recipes/mnist-rows.yaml" in packed
    assert "unrolled/reports/templates/report.html" in packed
    assert "unrolled/reports/templates/search.html" in packed
    assert "unrolled/py.typed" in packed
    assert "License-Expression: Apache-2.0 AND CC-BY-SA-3.0" in metadata
    assert {Path(name).name for name in packed if "/licenses/" in name} == {"LICENSE", "NOTICE"}
