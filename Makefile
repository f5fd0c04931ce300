# Two commands do everything on a fresh machine: `make serve` and `make test`.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= configs/miniature.yaml
HOST ?= http://127.0.0.1:8000
USERS ?= 5
DURATION ?= 60
CORPORA ?=
NAME ?=
URL ?=
# vLLM's CPU build wants torch's CPU build: from local wheels where pip has some, else from PyTorch.
export UV_FIND_LINKS ?= $(or $(PIP_FIND_LINKS),https://download.pytorch.org/whl/cpu/torch/)
# Bytecode is kept with the environment, so that only the first process of many compiles a library.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/installed: requirements/cpu.txt requirements/dev.txt
	@echo "setting up $(VENV) from requirements/ (the first time it downloads about a gigabyte)"
	@start=$$SECONDS; python3 -m venv $(VENV) \
		&& $(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9 \
		&& $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps \
			$(addprefix --requirement ,$^) \
		&& touch $@ && echo "set up after $$((SECONDS - start)) s"

.PHONY: install
install: $(VENV)/installed  ## set up the virtual environment

.PHONY: serve
serve: install  ## start everything on this machine; Ctrl-C stops it
	@$(BIN)/python -m deployments.ops.run $(CONFIG)

.PHONY: lock
lock: install  ## pin all dependencies in requirements/; UPGRADE=1 takes newer ones
	$(BIN)/python -m requirements.lock $(if $(UPGRADE),--upgrade)

.PHONY: test
test: install lint types  ## tests with real Ray Serve and vLLM
	$(BIN)/python -m pytest -n 2 -m "not vllm and not cluster and not long"
	$(BIN)/python -m pytest -m "(vllm or cluster) and not long"

.PHONY: test-long
test-long: install  ## the tests that take longest: environments, floods, kills
	$(BIN)/python -m pytest -m long

.PHONY: test-fast
test-fast: install  ## the plain tests alone, under a minute
	$(BIN)/python -m pytest -n 2 -m "not vllm and not cluster and not slow and not long"

.PHONY: lint
lint: install  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m requirements.lock --check-header

.PHONY: format
format: install  ## rewrite the sources in ruff's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: install  ## mypy
	$(BIN)/mypy

.PHONY: loadtest
loadtest: install  ## a minute of users against a running service; report in runs/loadtest.html
	@mkdir -p runs
	$(BIN)/python -m locust --locustfile loadtest/locustfile.py --host $(HOST) --headless \
		--users $(USERS) --spawn-rate 1 --run-time $(DURATION)s --stop-timeout 180 \
		--html runs/loadtest.html --only-summary

.PHONY: evaluate
evaluate: install  ## measure anew: NAME="guard cascade", or all; goes on where it was killed
	@$(BIN)/python -m evaluation $(NAME) $(if $(CORPORA),--corpora $(CORPORA)) $(if $(URL),--url $(URL))

.PHONY: documents
documents: install  ## fill tables and plots of the documents from docs/measurements
	@$(BIN)/python -m evaluation.documents

.PHONY: bench
bench: install  ## step-level batching beside its baselines (22 minutes)
	@$(BIN)/python -m evaluation bench

.PHONY: plan
plan: install  ## what a configuration asks of this machine: CONFIG=configs/gpu-single.yaml
	@$(BIN)/python -m deployments.ops.plan $(CONFIG)

.PHONY: k8s
k8s: install  ## write each overlay's serveConfigV2 from its configuration
	@$(BIN)/python -m k8s.render

.PHONY: train
train: install  ## train every model again (hours; resumable)
	$(BIN)/python -m training --resume $(if $(CORPORA),--corpora $(CORPORA))
