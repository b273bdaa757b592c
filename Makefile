# Everything a clone needs, with nothing but Python 3.11+ and make: `make demo`, `make test`.
# `make help` lists the targets.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= true

.PHONY: help install web demo test check lint types faults bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(READY) ## make .venv with the tested set of packages

# torch first: a torch that is already in .venv (a CUDA build, say) satisfies the requirement and is left alone,
# and the constraint on it is then dropped
$(READY): pyproject.toml constraints.txt packaged-data.txt hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headway needs Python 3.11 or later; set PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	@grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt
	@echo "installing the tested set into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --no-deps --requirement packaged-data.txt
	@test -f src/headway/web/static/index.html || echo "without the dashboard's pages: \`make web\` builds them or says why not"
	@touch $@

web: $(READY) ## build the dashboard's pages from web/, if they changed (needs Node 20.19+)
	@$(BIN)/python hatch_build.py

demo: $(READY) ## fine-tune the packaged MiniLM BERT on BBC News (about 5 minutes on 2 cores)
	@$(BIN)/headway train
	@echo; echo "to have the headway command at hand: . $(BIN)/activate"

test: $(READY) ## the tests, with the quick forms of the fault harnesses
	@$(BIN)/python -m pytest -m "not slow"

check: $(READY) lint types test ## lint, types and tests: what CI runs

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

faults: $(READY) ## the long forms: 300 kills and more; prints attempts and failures
	@$(BIN)/python -m pytest tests/faults -m "slow or not slow" -s

bench: $(READY) ## measurements; see tests/bench
	@for script in tests/bench/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean: ## remove .venv and caches; runs are kept
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
