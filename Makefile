# bot4: set-up, checks, tests, the main job. `make` explains.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCKS := train train-cuda dev dev-cuda
export DO_NOT_TRACK = true
export MLFLOW_DISABLE_TELEMETRY = true
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS = 120

.PHONY: help chosen setup setup-dev setup-serve setup-cluster services demo check test test-long coverage bench bench-peers lock clean

# Which build of torch and XGBoost: LOCK=… if given, else what the environment holds, else CUDA where a GPU answers.
# The environment remembers in .build; one made before that file was is known by its stamp.
build = $(if $(filter %-cuda,$(1)),cuda,cpu)
HELD := $(or $(shell cat $(VENV)/.build 2>/dev/null),$(if $(wildcard $(VENV)/.installed-train-cuda),cuda),\
  $(if $(wildcard $(VENV)/.installed-train $(VENV)/.installed-dev),cpu))
ifneq ($(strip $(LOCK)),)
  ifeq ($(filter $(LOCK),$(LOCKS)),)
    $(error LOCK is "$(LOCK)"; it must be one of: $(LOCKS))
  endif
  WHY := as LOCK=$(LOCK) says
else ifneq ($(HELD),)
  override LOCK := $(if $(filter cuda,$(HELD)),train-cuda,train)
  WHY := $(VENV) holds that build
else ifneq ($(shell timeout 20 nvidia-smi --list-gpus 2>/dev/null | grep '^GPU '),)
  override LOCK := train-cuda
  WHY := nvidia-smi lists a GPU; LOCK=train would be the CPU build
else
  override LOCK := train
  WHY := nvidia-smi lists no GPU; LOCK=train-cuda would be the CUDA build
endif
BUILD := $(call build,$(LOCK))
DEV_LOCK := $(if $(filter cuda,$(BUILD)),dev-cuda,dev)

help: ## Explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo
	@echo "torch and XGBoost come as a CPU and as a CUDA build, and $(VENV) holds one of them. The first make picks it by"
	@echo "whether nvidia-smi lists a GPU and remembers it in $(VENV)/.build; LOCK=train or LOCK=train-cuda picks by hand."
	@echo "Tests and checks then install the tools for the same build (lock dev or dev-cuda) and never replace it; to change"
	@echo "builds, 'make clean' first. Learners use a GPU only where a configuration says so: device = \"cuda\" or \"auto\"."
	@echo "Here: the $(BUILD) build, locks $(LOCK) and $(DEV_LOCK): $(WHY)."

$(VENV)/bin/python:
	@echo "== creating $(VENV)"
	$(PYTHON) -m venv $(VENV)

# One stamp per lock: a changed lock installs again, an unchanged one costs nothing. Builds are not mixed: pip takes
# either torch 2.13.0 for the other, and both XGBoosts write the same files.
$(VENV)/.installed-%: requirements/%.txt pyproject.toml | $(VENV)/bin/python
	@test "$*" = serve || test "$(or $(HELD),$(call build,$*))" = "$(call build,$*)" || { \
	  echo "$(VENV) holds the $(HELD) build and requirements/$*.txt is the $(call build,$*) build: run 'make clean' first" >&2; exit 1; }
	@test "$*" = serve || echo $(call build,$*) > $(VENV)/.build
	@echo "== installing requirements/$*.txt (hash-locked; the first time takes minutes)"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/$*.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What either build takes on top.
$(VENV)/.installed-demo-data $(VENV)/.installed-cluster: $(VENV)/.installed-%: requirements/%.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/$*.txt
	@touch $@

chosen:
	@echo "== the $(BUILD) build of torch and XGBoost: $(WHY)"

setup: chosen $(VENV)/.installed-$(LOCK) $(VENV)/.installed-demo-data ## Install the research environment
setup-dev: chosen $(VENV)/.installed-$(DEV_LOCK) $(VENV)/.installed-demo-data ## Install what tests and checks need
setup-cluster: setup $(VENV)/.installed-cluster ## Install the research environment and Dask, for studies over machines
setup-serve: $(VENV)/.installed-serve ## Install the small environment of the live process

services: ## Install the servers that some tests start on loopback (Debian, as root)
	@scripts/services.sh

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

bench-peers: setup-dev ## Laboratory and features beside published libraries, each installed in .venv-peers
	$(BIN)/python -m benchmarks.laboratory_peers
	$(BIN)/python -m benchmarks.feature_peers

lock: setup-dev ## Resolve requirements/*.in again
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/lock.py

clean: ## Remove the virtual environment and caches (never data, models or runs)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
