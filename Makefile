# Two commands on a fresh machine with Python 3.11 or newer: `make quickstart` and `make test`.
# The quickstart's verdict is honest, so it may well not be PASS: exit codes 1 and 3 are answers, not errors.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test lint slow lock clean

quickstart: .venv/ready
	@$(BIN)/jax-audit run quickstart || { code=$$?; test $$code -eq 1 || test $$code -eq 3; }

test: .venv/ready
	$(BIN)/python -m pytest -n 2

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

slow: .venv/ready
	$(BIN)/python -m pytest -m slow

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lock:
	$(PYTHON) -m piptools compile --quiet --extra test --generate-hashes --strip-extras --allow-unsafe \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  -o requirements.lock pyproject.toml

clean:
	rm -rf .venv runs
