# `make` lists the verbs. Python 3.11, 3.12 or 3.13 and make are all that is needed: each verb sets up .venv first.

PYTHON ?= $(shell for python in python3.12 python3.11 python3.13 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { command -v $$python; break; }; done)
BIN := .venv/bin
SETUP := .venv/.complete
JAX := .venv/jax/.complete

.DEFAULT_GOAL := help
.PHONY: help demo test check bench up docs lock catalog clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(SETUP) ## train a real model through HTTP, and look at it
	@$(BIN)/hornbeam demo

up: $(SETUP) ## run the service on this machine until Ctrl-C
	@$(BIN)/hornbeam up

test: $(SETUP) $(JAX) ## run every test
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(SETUP) ## lint, types, import directions, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/architecture

bench: $(SETUP) ## measure; takes minutes, record the output in bench/RESULTS.md
	@$(BIN)/python -m bench

docs: $(SETUP) catalog ## write the generated files anew: catalogue and reference pages
	@$(BIN)/python -m tools.reference

catalog: $(SETUP) ## write the component catalogue anew from the installed Keras
	@$(BIN)/python -m hornbeam.components.introspection

LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

# What JAX needs and .venv has.
BESIDE_JAX = ml-dtypes numpy opt-einsum scipy

lock: ## raise the locked versions (needs uv)
	$(LOCK) --extra worker --extra postgres --extra s3 --group dev -o requirements/dev.txt
	$(LOCK) --extra postgres --extra s3 -o requirements/api.txt
	$(LOCK) --extra worker --extra postgres --extra s3 -o requirements/worker.txt
	$(LOCK) --extra gpu --extra postgres --extra s3 -o requirements/worker-gpu.txt
	$(LOCK:pyproject.toml=) --group build -o requirements/build.txt
	$(LOCK:pyproject.toml=) --group jax -c requirements/dev.txt $(BESIDE_JAX:%=--no-emit-package %) -o requirements/jax.txt

clean: ## remove the environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(SETUP): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Hornbeam needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt install python3-venv)."; exit 1; }
	@echo "Setting up .venv with $(PYTHON); the first time takes a few minutes."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(JAX): requirements/jax.txt | $(SETUP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade \
		--target $(@D) --requirement $<
	@touch $@
