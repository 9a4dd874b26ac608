# `make survey` runs the built-in survey, `make test` the tests; both make or update .venv first.
# Choose another interpreter with `make PYTHON=python3.12 ...`; pip's own settings (PIP_...) are honoured.

PYTHON ?= python3
BIN := .venv/bin
# The survey's own libraries use one thread a trial; tests do the same, so that they measure and compare what trials do.
export OMP_NUM_THREADS ?= 1
export MKL_CBWR ?= AUTO

.PHONY: survey test test-all check bench clean

survey: .venv/installed
	$(BIN)/python -m survey.launch

# Two processes, each with whole files: more would only wait for cores, of which each survey takes all.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/installed-test
	$(PYTEST)

# Each fault at 20 seeded moments, and budgets of large surveys: some hours.
test-all: .venv/installed-test
	$(PYTEST) -m "slow or not slow"

# Lint, types and the direction of dependencies.
check: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# The training core against its peers; Keras and JAX take part where the extra is installed:
# .venv/bin/pip install --constraint constraints.txt --editable '.[bench]'
bench: .venv/installed
	$(BIN)/python -m benchmarks.training

clean:
	rm -rf .venv build *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv

# An install is done again only when what it depends on has changed, so that no network is needed afterwards.
.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@ .venv/installed
