# `make repro` and `make test` set everything up by themselves; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements.lock requirements-dev.lock# what the pipeline needs; what tests and checks add
INSTALLED := $(VENV)/installed.lock# a copy of the locks, written when all of them is installed
PEERS := $(VENV)/bench# what the benchmarks compare with lies apart from the environment of the pipeline
PLOTS_PAGE := .dvc/offline_plots.html
ARGS ?=
# A file's tests share what they set up, so a file stays with one process.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# DVC runs each stage as `python -m stages.<name>`: that python must be the environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro test quick smoke faults lint audit format lock bench

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

setup: $(INSTALLED) $(PLOTS_PAGE) ## Create .venv with the locked dependencies

repro: setup ## Run the pipeline (ARGS go to dvc repro)
	@$(BIN)/python -m dvc repro $(ARGS)

test: setup ## Run every test (ARGS go to pytest: make test ARGS='-m "not slow"')
	@$(PYTEST) $(ARGS)

quick: setup ## Run the quick tests
	@$(PYTEST) -m "not slow" $(ARGS)

smoke: setup ## Run the whole pipeline on a tiny sample in a temporary folder
	@$(BIN)/python -m tools.smoke

bench: setup $(PEERS)/installed.lock ## Measure speed beside other tools (ARGS: the subjects) -> docs/benchmarks.md
	@PYTHONPATH=$(PEERS) $(BIN)/python -m benchmarks $(ARGS)

faults: setup ## Kill, fill, damage, collide: write docs/reliability.md (ARGS: see python -m tests.faults --help)
	@$(BIN)/python -m tests.faults $(ARGS)

lint: setup ## Check style and types
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

audit: setup ## Ask for known vulnerabilities of the locked packages (needs the network)
	@$(BIN)/python -m tools.audit

format: setup ## Format the code
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

# Locked with the oldest supported Python. Accelerator packages stay out: torch asks for the right ones itself.
lock: ## Resolve requirements.in and requirements-dev.in anew into the locks
	@set -e; venv=$$(mktemp -d); trap 'rm -rf "$$venv"' EXIT; pip="$$venv/bin/python -m pip --disable-pip-version-check"; \
	locked() { $$pip freeze --all | sed -E 's/\+[a-z0-9.]+$$//' | grep -vE '^(pip|wheel|triton|nvidia-.*|cuda-.*)=='; }; \
	$(PYTHON) -m venv "$$venv"; \
	$$pip install -q -r requirements.in; $$pip freeze --all > "$$venv/freeze"; locked > "$$venv/run"; \
	$$pip install -q -r requirements-dev.in -c "$$venv/freeze"; locked > "$$venv/all"; \
	{ echo '# Made by `make lock` from requirements.in; do not edit.'; cat "$$venv/run"; } > requirements.lock; \
	{ echo '# Made by `make lock` from requirements-dev.in; what it adds to requirements.lock; do not edit.'; \
	  grep -vxFf "$$venv/run" "$$venv/all"; } > requirements-dev.lock

$(INSTALLED): $(LOCKS)
	@if cat $(LOCKS) | cmp -s - $@; then touch $@; exit; fi; set -e; rm -f $@; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$(command -v $(PYTHON) >/dev/null && $(PYTHON) --version 2>&1 || echo not found); \
	  echo "error: $(PYTHON) is $$found; this project needs Python 3.11 or newer:" \
	       "name one, as in: make repro PYTHON=python3.12" >&2; exit 1; }; \
	echo "Installing the locked dependencies into $(VENV) (minutes the first time)"; \
	$(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-input $(LOCKS:%=-r %); \
	cat $(LOCKS) > $@

# Without dependencies: MosaicML streaming names the clients of every cloud, which reading local files does not need.
$(PEERS)/installed.lock: benchmarks/requirements.lock $(INSTALLED)
	@echo "Installing what the benchmarks compare with into $(PEERS)"; rm -rf $(PEERS); \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-input --no-deps --target $(PEERS) -r $< && cp $< $@

# `dvc plots show` without a network: the setting lies beside the page, in this checkout alone.
$(PLOTS_PAGE): $(INSTALLED) tools/offline_plots.py
	@$(BIN)/python -m tools.offline_plots $@
	@$(BIN)/python -m dvc config -q --local plots.html_template $(notdir $@)
