# Everything a newcomer needs: `make demo` and `make test`, each from nothing but Python 3.11+, pip and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types unit slow clean

.venv/demo.stamp: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/demo.stamp
	$(BIN)/alignbench demo

test: lint types unit slow

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp
	$(BIN)/mypy

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

unit: .venv/dev.stamp
	$(PYTEST) -m "not slow"

slow: .venv/dev.stamp
	$(PYTEST) -m slow

clean:
	rm -rf .venv demo build dist *.egg-info
