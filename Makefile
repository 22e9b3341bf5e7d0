# Everything sets itself up: Python 3.11 or newer is all that has to be there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-for-demo
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@scripts/make_venv.sh "$(PYTHON)" "$(VENV)"
	@touch $@

# The demo needs a fraction of it.
$(DEMO_STAMP): pyproject.toml constraints.txt
	@scripts/make_venv.sh "$(PYTHON)" "$(VENV)" demo
	@touch $@

.PHONY: install
install: $(STAMP) ## a virtual environment with everything for development

.PHONY: demo
demo: $(or $(wildcard $(STAMP)),$(DEMO_STAMP)) ## start the server, run the example agent against it, and show what it did and what it cost
	@$(BIN)/alexobs demo

.PHONY: test
test: $(STAMP) lint types docs ## lint, types, docs and the whole test suite
	@scripts/system_packages.sh
	@echo "Left out here: tests against real Prometheus, Jaeger, Zipkin and Collector (make peers)."
	@$(BIN)/python -m pytest -m "not peers"

.PHONY: peers
peers: $(STAMP) ## build the real back ends (long, cached outside the tree) and test against them
	@$(BIN)/python scripts/peers.py build
	@$(BIN)/python -m pytest -m peers

.PHONY: quick
quick: $(STAMP) ## the fast tests only
	@$(BIN)/python -m pytest -q -m "not slow and not peers"

.PHONY: coverage
coverage: $(STAMP) ## branch coverage of the package by the whole suite, child processes included (long)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -m "not peers"
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --skip-covered

.PHONY: lint
lint: $(STAMP) ## style and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

.PHONY: types
types: $(STAMP) ## strict types, by two checkers
	@$(BIN)/mypy
	@$(BIN)/mypy --strict tests/typing/api.py
	@$(BIN)/pyright src tests/typing

.PHONY: bench
bench: $(STAMP) ## all benchmarks against the rivals, judged by their budgets: two minutes
	@$(BIN)/python benchmarks/check.py

.PHONY: bench-quick
bench-quick: $(STAMP) ## the budgets that bear a busy machine: one minute
	@$(BIN)/python benchmarks/check.py --rounds 3 tracing metrics logger encode imports

.PHONY: docs
docs: $(STAMP) ## the documentation, without a warning
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
