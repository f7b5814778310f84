# Each target sets up what it needs in .venv: once, and again when pyproject.toml changes. The kernels are compiled
# again when csrc/ changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
EVERYTHING := '.[all,dev,tensorflow,torch]'
SOURCES := $(wildcard csrc/*.h csrc/*.cc csrc/*/*.h csrc/*/*.cc)
CSRC := CMakeLists.txt $(SOURCES)
SANITIZED := build/sanitized
# Whoever has the tools keeps to them, so that nothing is compiled in two ways in turn.
USE := $(VENV)/$(if $(wildcard $(VENV)/development.stamp),development.stamp,use.stamp)
# What must hold on every backend; everything else is tested on JAX alone.
CONTRACT := tests/layers tests/training/test_trainer.py tests/training/test_checkpoints.py tests/diagnostics/test_probe.py

.DEFAULT_GOAL := help
.PHONY: help train test check soak bench docs clean
.SILENT:

help: ## Show this list
	grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

train: $(USE) ## Train the article's network on MNIST; more arguments in ARGS="--seed 1"
	$(BIN)/unrolled train $(ARGS)

test: check ## Run every check and every test, on all three backends
	KERAS_BACKEND=jax $(BIN)/pytest -n 2 --dist loadgroup $(ARGS)
	KERAS_BACKEND=tensorflow $(BIN)/pytest -n 2 --dist loadgroup $(CONTRACT)
	KERAS_BACKEND=torch $(BIN)/pytest -n 2 --dist loadgroup $(CONTRACT)

check: $(VENV)/development.stamp ## Style, types, import contracts, and the kernels under sanitizers
	$(BIN)/ruff format --check --quiet . || { echo 'Run: $(BIN)/ruff format .'; exit 1; }
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }
	$(BIN)/clang-format --dry-run --Werror $(SOURCES) || { echo 'Run: $(BIN)/clang-format -i csrc/*.* csrc/*/*'; exit 1; }
	$(MAKE) --no-print-directory $(SANITIZED)/passed.stamp

# The kernel tests, with memory and arithmetic watched. They run on a copy of the package beside the installed one;
# -S leaves out what makes the installed one editable.
$(SANITIZED)/passed.stamp: $(CSRC) $(wildcard src/unrolled/kernels/*.py tests/kernels/*.py) | $(VENV)/development.stamp
	echo 'Testing the kernels under sanitizers'
	rm -rf $(SANITIZED)/site
	SKBUILD_BUILD_DIR=$(SANITIZED)/objects SKBUILD_CMAKE_BUILD_TYPE=Debug SKBUILD_CMAKE_DEFINE='UNROLLED_SANITIZE=ON' \
	$(INSTALL) --no-deps --no-build-isolation --target $(SANITIZED)/site .
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONPATH="$(CURDIR)/$(SANITIZED)/site:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" \
	$(BIN)/python -S -m pytest --quiet --exitfirst --capture=sys --max-worker-restart=0 --dist load --tx '2*popen//python=$(BIN)/python -S' tests/kernels/test_native*.py
	touch $@

soak: $(VENV)/development.stamp ## Draw programs and broken files for an hour; for less in SECONDS=600
	UNROLLED_SOAK_SECONDS=$(or $(SECONDS),3600) UNROLLED_FIRST_PROGRAM=$$(date +%s) UNROLLED_FUZZ_CASES=20000 \
	KERAS_BACKEND=jax $(BIN)/pytest -n 2 --dist loadgroup tests/layers/test_programs.py $$(grep -rl UNROLLED_FUZZ_CASES tests) $(ARGS)

bench: $(VENV)/development.stamp ## Time unrolled beside plain Keras on every backend
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/development.stamp ## Execute the walkthrough and render it to docs/build/walkthrough.html
	$(BIN)/python docs/build.py

clean: ## Remove everything that make made; runs stay
	rm -rf $(VENV) build docs/build .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	echo 'Making $(VENV)'
	$(PYTHON) -c 'import sys; sys.exit("unrolled: expected Python 3.11 or newer, got %d.%d. Name another: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/use.stamp: pyproject.toml $(CSRC) | $(BIN)/python
	echo 'Installing unrolled and compiling its kernels, once'
	$(INSTALL) --editable .
	touch $@

# Everything when pyproject.toml has changed, else the kernels alone.
$(VENV)/development.stamp: pyproject.toml $(CSRC) | $(BIN)/python
	echo '$(if $(filter pyproject.toml,$?),Installing unrolled with all backends and tools,Compiling the kernels)'
	SKBUILD_CMAKE_DEFINE='UNROLLED_STRICT=ON' $(INSTALL) \
	$(if $(filter pyproject.toml,$?),--editable $(EVERYTHING),--no-deps --no-build-isolation --editable .)
	touch $@
