# Each target sets up what it needs in .venv, which is rebuilt only when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What must hold on every backend; everything else is tested on JAX alone.
CONTRACT := tests/layers tests/experiments/test_training.py

.DEFAULT_GOAL := help
.PHONY: help train test check bench docs clean
.SILENT:

help: ## Show this list
	grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

train: $(VENV)/use.stamp ## Train the article's network on MNIST; more arguments in ARGS="--seed 1"
	$(BIN)/unrolled train $(ARGS)

test: check ## Run every check and every test, on all three backends
	KERAS_BACKEND=jax $(BIN)/pytest -n 2 --dist loadgroup $(ARGS)
	KERAS_BACKEND=tensorflow $(BIN)/pytest -n 2 --dist loadgroup $(CONTRACT)
	KERAS_BACKEND=torch $(BIN)/pytest -n 2 --dist loadgroup $(CONTRACT)

check: $(VENV)/development.stamp ## Style, types and import contracts
	$(BIN)/ruff format --check --quiet . || { echo 'Run: $(BIN)/ruff format .'; exit 1; }
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }

bench: $(VENV)/development.stamp ## Time unrolled beside plain Keras on every backend
	$(BIN)/python benchmarks/article_fit.py $(ARGS)

docs: $(VENV)/development.stamp ## Execute the walkthrough and render it to docs/build/walkthrough.html
	$(BIN)/python docs/build.py

clean: ## Remove everything that make made; runs stay
	rm -rf $(VENV) docs/build .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	echo 'Making $(VENV)'
	$(PYTHON) -c 'import sys; sys.exit("unrolled: expected Python 3.11 or newer, got %d.%d. Name another: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/use.stamp: pyproject.toml | $(BIN)/python
	echo 'Installing unrolled, once'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/development.stamp: pyproject.toml | $(BIN)/python
	echo 'Installing unrolled with all backends and tools, once'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all,dev,tensorflow,torch]'
	touch $@ $(VENV)/use.stamp
