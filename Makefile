# Everything is started from here; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
STACK ?= local
SIMULATOR ?= ../shared/tools/canary/sim.py
PEERS ?= argo_docs,argo_sr99_p95,flagger_t10,kortix,kayenta_30m,smana
RUNS ?= 300
SEED ?= 7
VENV := .venv
RUN := $(VENV)/bin
# The environment is made anew exactly when what it is made of changes.
READY := $(VENV)/.ready-$(shell cat requirements/dev.txt pyproject.toml | cksum | tr ' ' -)

# $(call timed,what is done,command): say what is done, do it, say how long it took.
timed = @printf '== %s\n' "$(1)"; started=$$SECONDS; $(2) || exit $$?; printf '   %s s\n' $$((SECONDS - started))

.PHONY: help setup tools plugins up down preview status check test format lint types unit program engine e2e \
  figures bench bench-release schema snap fmt lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make the Python environment .venv from pinned, hashed requirements

$(READY):
	@command -v $(PYTHON) > /dev/null || { echo 'setup: no $(PYTHON) on PATH; install Python 3.11 or newer'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V); name another: make PYTHON=python3.12"; exit 1; }
	@$(RUN)/python -c 'import pip' 2> /dev/null || $(PYTHON) -m venv --clear $(VENV) || \
	  { echo 'setup: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu install python3-venv'; exit 1; }
	$(call timed,setup: installing the pinned requirements into $(VENV),$(RUN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt)
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.ready-* && touch $@

tools: setup ## find or build pulumi and the Kubernetes programs into .local/bin
	@$(RUN)/python -m tools.build

plugins: setup ## try again to download the official Pulumi plugins
	@$(RUN)/llmserve local plugins

up: setup ## bring the whole stack up on this machine and chat with it
	@$(RUN)/llmserve local up

down: setup ## remove every process, port and file of `make up`; keeps programs and LiteLLM
	@$(RUN)/llmserve local down

preview: setup ## show what `pulumi up` would do: make preview STACK=local|dev|prod
	@$(RUN)/llmserve local preview --stack $(STACK)

status: setup ## show what runs on this machine
	@$(RUN)/llmserve local status

check: setup ## format, lint, types, unit and program tests; a minute or two
	@SECONDS=0; $(MAKE) format lint types unit program && echo "check: all well in $$SECONDS s"

test: setup ## everything: check, then the real engine on a real control plane
	@SECONDS=0; $(MAKE) check tools engine e2e && echo "test: all well in $$SECONDS s"

format: setup ## is everything formatted
	$(call timed,format,$(RUN)/ruff format --check --quiet .)

lint: setup ## the rules of pyproject.toml
	$(call timed,lint,$(RUN)/ruff check --quiet .)

types: setup ## mypy, strict
	$(call timed,types,$(RUN)/mypy)

unit: setup ## tests of pure functions
	$(call timed,unit tests: pure functions,$(RUN)/python -m pytest -q -n 2 tests/unit)

program: setup ## tests of the whole program against a recorder
	$(call timed,program tests: the whole program against a recorder; no engine and no cluster,$(RUN)/python -m pytest -q -n 2 tests/program)

engine: tools ## tests with the real engine and a real API server
	$(call timed,engine tests: real pulumi and real Kubernetes control plane; pods are pretended,$(RUN)/python -m pytest -q -n 2 --dist loadfile tests/engine)

# One after the other: two workers on two cores made waits for pods time out on a slow machine.
e2e: tools ## tests of pods that run: process node, real LiteLLM, Prometheus and Redis, simulated engines
	$(call timed,e2e tests: real control plane and processes; engines are simulated,$(RUN)/python -m pytest -q --durations=15 tests/e2e --ignore=tests/e2e/test_up.py)
	$(call timed,e2e tests: make up as a user runs it,$(RUN)/python -m pytest -q tests/e2e/test_up.py)

figures: tools ## what is lost while the whole laptop stack is changed under load, one test a line; part of e2e
	$(call timed,figures: real LiteLLM under load and simulated engines,$(RUN)/python -m pytest -v tests/e2e/test_laptop_figures.py)

bench: tools ## how times grow with the number of models, and what the gateway adds to an answer's time
	@$(RUN)/python -m tests.bench
	@$(RUN)/python -m tests.bench_gateway

bench-release: setup ## how often the judge of releases and peers' rules are wrong: make bench-release SIMULATOR=.../sim.py RUNS=300 SEED=7
	@test -f "$(SIMULATOR)" || { echo 'bench-release: name the canary study simulator, SIMULATOR=<path of sim.py>'; exit 1; }
	@cd $(dir $(SIMULATOR)) && export PYTHONPATH=$(CURDIR) PYTHONDONTWRITEBYTECODE=1 && \
	  for rules in '--rule-module release.analysis' '--rules $(PEERS)'; do \
	    $(CURDIR)/$(RUN)/python sim.py $$rules --rates 0.2,1,5,20 --runs $(RUNS) --seed $(SEED) || exit 1; done

schema: setup ## write docs/stack.schema.json, by which editors complete stack files
	@$(RUN)/llmserve schema > docs/.stack.schema.json && mv docs/.stack.schema.json docs/stack.schema.json

snap: setup ## rewrite the golden files; review the change
	@LLMSERVE_SNAP=1 $(RUN)/python -m pytest -q tests/unit tests/program

fmt: setup ## format and mend what can be mended
	@$(RUN)/ruff format . && $(RUN)/ruff check --fix .

lock: ## compile requirements/*.in again (needs uv)
	@for name in base dev go router; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --override requirements/litellm-override.txt \
	  requirements/litellm.in -o requirements/litellm.txt

clean: ## `make down`, then delete .local and .venv; the caches of Go and pip in your home stay
	@if [ -d .local ]; then $(MAKE) down; fi
	rm -rf .local $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
