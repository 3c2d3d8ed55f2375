# byod, from a clone: everything lives in .venv, nothing is installed elsewhere.
#
#   make demo    collect, train and predict on drawn pictures, without the web
#   make test    set up, then all tests
#   make setup   .venv with byod and its trainers      make lint    ruff, mypy, import rules
#   make bench   the scripts of benchmarks/            make clean   remove .venv and caches (no dataset)
#
# PYTHON=/path/to/python3.12 chooses the Python. UV_TORCH_BACKEND=cpu asks for the small torch without CUDA.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
UV := $(BIN)/uv
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
EDITABLE := -e . $(addprefix -e ,$(PLUGINS))
# a stamp is newer than what it was made from: a second make does nothing
CORE := .venv/.made-core
ALL := .venv/.made-all
DEV := .venv/.made-dev
INSTALL_FAILED := { echo "byod: installing failed, the lines above say why. If they speak of a compiler (gcc, cc, cl): a package has no ready wheel for this Python; use Python 3.11, 3.12 or 3.13 on a 64-bit system." >&2; exit 1; }

.PHONY: help setup demo test lint bench clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

$(UV):
	@test -n "$(PYTHON)" || { echo "byod: needs Python 3.11, 3.12 or 3.13, and found $$(python3 --version 2>/dev/null || echo none). Install one of them, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { echo "byod: needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is none of them" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { echo "byod: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.6" || $(INSTALL_FAILED)

$(CORE): pyproject.toml | $(UV)
	@$(UV) pip install -p .venv -e . || $(INSTALL_FAILED)
	@touch $@

$(ALL): $(CORE) $(addsuffix /pyproject.toml,$(PLUGINS))
	@$(UV) pip install -p .venv $(EDITABLE) || $(INSTALL_FAILED)
	@touch $@

$(DEV): $(ALL)
	@$(UV) pip install -p .venv $(EDITABLE) --group dev || $(INSTALL_FAILED)
	@touch $@

setup: $(ALL)
	@echo "byod is ready: $(BIN)/byod --help"

demo:
	@test -f $(CORE) || echo "make demo downloads about 130 MB for byod itself, and collects with that."
	@test -f $(ALL) || echo "The trainer (torch and fastai) comes afterwards: about 3 GB on Linux with its CUDA libraries (6 GB on disk), far less elsewhere."
	@$(MAKE) --no-print-directory $(CORE)
	@$(BIN)/byod demo --only collect
	@$(MAKE) --no-print-directory $(ALL)
	@$(BIN)/byod demo

test: $(DEV)
	$(BIN)/python -m pytest $(PYTEST)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find byod plugins tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
