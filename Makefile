# byod, from a clone: everything lives in .venv, nothing is installed elsewhere.
#
#   make demo    collect, train and predict on drawn pictures, without the web
#   make test    set up, then the tests; PYTEST="-m 'not slow'" for the quick ones
#   make test-long             the tests that take long: power cuts, kills, random walks, real servers at length
#   make setup   .venv with byod and its trainers      make lint    ruff, mypy, import rules
#   make docs    the generated parts of the pages in docs/, anew
#   make texts   the catalogues of languages, in step with the texts in the code; CODE=fr begins one
#   make bench   the scripts of benchmarks/            make dist    wheels of byod and its trainers, into dist/
#   make clean   remove .venv and caches (no dataset)
#
# PYTHON=/path/to/python3.12 chooses the Python. Without an NVIDIA driver torch comes without CUDA, which is a tenth of
# the size; UV_TORCH_BACKEND=auto, cpu, cu130 … chooses.

SHELL := /bin/sh
# where this is set, each of a thousand processes compiles torch anew
unexport PYTHONDONTWRITEBYTECODE
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
NVIDIA ?= $(shell if [ -e /proc/driver/nvidia/version ] || command -v nvidia-smi >/dev/null 2>&1; then echo yes; else echo no; fi)
# torch without CUDA lies in an index of its own, which uv knows; where it does not answer, the ordinary torch serves.
# On a Mac and on Windows the ordinary torch is the small one.
CHOOSE_TORCH = \
  if [ -n "$$UV_TORCH_BACKEND" ]; then echo "torch: $$UV_TORCH_BACKEND, as UV_TORCH_BACKEND says."; \
  elif [ "$$(uname -s)" != Linux ]; then echo "torch: the ordinary one."; \
  elif [ "$(NVIDIA)" = yes ]; then echo "torch: with CUDA, for the NVIDIA driver that was found (about 3 GB)."; \
  elif UV_HTTP_RETRIES=0 UV_HTTP_TIMEOUT=20 $(UV) pip install -p .venv --quiet --dry-run --reinstall --no-deps --torch-backend cpu torch 2>/dev/null; then \
    echo "torch: without CUDA, since no NVIDIA driver was found (about 0.3 GB; UV_TORCH_BACKEND=auto after installing one)."; \
    export UV_TORCH_BACKEND=cpu; \
  else echo "torch: with CUDA (about 3 GB), although no NVIDIA driver was found: the index with the smaller one does not answer."; fi
INSTALL_FAILED := { echo "byod: installing failed, the lines above say why. If they speak of a compiler (gcc, cc, cl): a package has no ready wheel for this Python; use Python 3.11, 3.12 or 3.13 on a 64-bit system." >&2; exit 1; }

.PHONY: help setup demo test test-long lint docs texts bench dist clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

$(UV):
	@test -n "$(PYTHON)" || { echo "byod: needs Python 3.11, 3.12 or 3.13, and found $$(python3 --version 2>/dev/null || echo none). Install one of them, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { echo "byod: needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is none of them" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { echo "byod: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.7" || $(INSTALL_FAILED)

$(CORE): pyproject.toml | $(UV)
	@$(UV) pip install -p .venv -e . || $(INSTALL_FAILED)
	@touch $@

$(ALL): $(CORE) $(addsuffix /pyproject.toml,$(PLUGINS))
	@$(CHOOSE_TORCH); $(UV) pip install -p .venv $(EDITABLE) || $(INSTALL_FAILED)
	@touch $@

$(DEV): $(ALL)
	@$(UV) pip install -p .venv $(EDITABLE) --group dev || $(INSTALL_FAILED)
	@touch $@

setup: $(ALL)
	@echo "byod is ready: $(BIN)/byod --help"

demo:
	@test -f $(CORE) || echo "make demo downloads about 130 MB for byod itself, and collects with that."
	@test -f $(ALL) || echo "The trainer (torch and fastai) comes afterwards: about 0.3 GB, or 3 GB (6 GB on disk) with the CUDA libraries for an NVIDIA card."
	@$(MAKE) --no-print-directory $(CORE)
	@$(BIN)/byod demo --only collect
	@$(MAKE) --no-print-directory $(ALL)
	@$(BIN)/byod demo

test: $(DEV)
	$(BIN)/python -m pytest -m "not long" $(PYTEST)

test-long: $(DEV)
	$(BIN)/python -m pytest -m long $(PYTEST)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(ALL)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/make_api.py

texts: $(CORE)
	$(BIN)/python docs/make_catalogs.py $(CODE)

bench: $(DEV)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

dist: $(UV)
	@rm -rf dist
	@$(UV) build --quiet --all-packages --out-dir dist
	@ls dist/*.whl

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find byod plugins tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
