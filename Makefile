# Everything a newcomer needs: `make demo` and `make test`, each from nothing but Python 3.11+, pip and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test suites lint types all unit slow old-processor site clean

.venv/demo.stamp: pyproject.toml
	@echo "Installing alignbench and PyTorch into .venv, once: a minute, and 6.4 GB with CUDA"
	$(PYTHON) -m venv .venv
	$(PYTHON) tools/install.py .venv --editable .
	: > $@

.venv/dev.stamp: .venv/demo.stamp
	@echo "Installing what the tests need into .venv, once"
	$(PYTHON) tools/install.py .venv --editable '.[dev]'
	: > $@

demo: .venv/demo.stamp
	$(BIN)/alignbench demo

# types are checked beside the tests, which leave a part of a processor free
test: lint
	$(MAKE) -j 2 types suites

suites:
	$(MAKE) all
	$(MAKE) old-processor

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell alignbench baselines benchmarks docs sweeps tools README.md CONTRIBUTING.md CHANGELOG.md

types: .venv/dev.stamp
	$(BIN)/mypy

# tests start hundreds of processes: what these import is compiled once, wherever the shell forbids to keep that
unexport PYTHONDONTWRITEBYTECODE

RUN := -m pytest -n auto --dist loadfile --no-loadscope-reorder
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python $(RUN)

# both in one: no worker waits for the last file of the other
all: .venv/dev.stamp
	$(PYTEST)

unit: .venv/dev.stamp
	$(PYTEST) -m "not slow"

slow: .venv/dev.stamp
	$(PYTEST) -m slow

# What the order of images, distances, scores and the packaged world rest on, once more without AVX and FMA
OLD := distances statistics measurement extraction/test_schedule.py extraction/test_sharding.py \
	extraction/test_tower_distances.py datasets/test_shapes.py datasets/test_leaf_drawing.py models/test_shapes_clip.py transforms/evaluation

old-processor: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python tools/old_processor.py $(RUN) -m "not slow" $(addprefix tests/,$(OLD))

# The pages of docs/ as a site, in site/: a warning is an error
site: .venv/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv demo build dist site *.egg-info
