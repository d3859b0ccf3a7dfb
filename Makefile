# Every target does its own set-up. `make demo` and `make test` are all a newcomer needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := build/bench/venv
PIP := $(BIN)/pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/pytest --numprocesses=2

.PHONY: help demo test test-hostile quick fuzz bench bench-quick bench-peers lint format venv generated demo-picture lock clean

help:
	@echo "make demo   a simulated Exchange Online, and mailsluice at work on it"
	@echo "make test   everything: lint, types, and all tests, real servers included"
	@echo "make test-hostile  all of it in full, which takes hours: faults, power cuts, kills, servers, fuzzing"
	@echo "make quick  the tests that take seconds"
	@echo "make venv   builds .venv; .venv/bin/mailsluice is the program"
	@echo "make fuzz   the targets of tests/fuzz, ten minutes each"
	@echo "make bench  what fetching costs, beside other fetchers; half an hour, or 2 minutes: make bench-quick"
	@echo "make lint   ruff, mypy and import-linter"

demo: $(VENV)/installed-demo
	@$(BIN)/mailsluice demo

venv: $(VENV)/installed

test: lint $(VENV)/installed-fuzz
	@tests/peers/install-dovecot
	@tests/peers/install-oidc
	@tests/peers/install-tinyproxy
	@tests/peers/install-gnome-keyring
	@tests/clocks/install-faketime
	$(PYTEST) tests

# Everything, and in full what `make test` has in a bounded form: it takes hours.
test-hostile: $(VENV)/installed-fuzz
	@tests/peers/install-dovecot
	@tests/peers/install-oidc
	@tests/peers/install-tinyproxy
	@tests/peers/install-gnome-keyring
	@tests/clocks/install-faketime
	MAILSLUICE_HOSTILE=1 $(PYTEST) tests

quick: $(VENV)/installed-dev
	$(PYTEST) -m "not slow and not peers" tests

fuzz: $(VENV)/installed-fuzz
	MAILSLUICE_HOSTILE=1 $(PYTEST) tests/fuzz

# Figures, never tests. The picture is the README's: drawn from the full form alone.
bench: bench-peers
	$(BIN)/python -m benchmarks all
	-$(BENCH)/bin/python -m benchmarks.picture

bench-quick: bench-peers
	$(BIN)/python -m benchmarks all --quick

bench-peers: $(VENV)/installed-dev $(BENCH)/installed
	@tests/peers/install-dovecot
	@benchmarks/install-peers

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generated: venv
	$(BIN)/mailsluice config example > config/example.toml
	$(BIN)/mailsluice config schema > config/schema.json
	$(BIN)/python docs/generate.py

# What the README shows of `make demo`.
demo-picture: $(VENV)/installed-demo
	$(BIN)/python docs/picture.py

# The pins: versions and hashes, no addresses. uv is used for nothing else. Of npm, .npmrc says the same.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile $(LOCK) --constraint requirements/constraints.txt pyproject.toml --output-file requirements/runtime.txt
	build/lock/bin/uv pip compile $(LOCK) --constraint requirements/runtime.txt --extra demo pyproject.toml --output-file requirements/demo.txt
	build/lock/bin/uv pip compile $(LOCK) --constraint requirements/runtime.txt --extra dev pyproject.toml --output-file requirements/dev.txt
	build/lock/bin/uv pip compile $(LOCK) --constraint requirements/dev.txt requirements/build.in --output-file requirements/build.txt
	build/lock/bin/uv pip compile $(LOCK) requirements/fuzz.in --output-file requirements/fuzz.txt
	build/lock/bin/uv pip compile $(LOCK) requirements/bench.in --output-file requirements/bench.txt
	cd tests/peers/oidc && rm -f package-lock.json && npm install --package-lock-only
	cd tests/peers/oidc && node -e '$(WITHOUT_FUNDING)'

# npm writes where to give money, too: addresses again.
WITHOUT_FUNDING := const fs = require("fs"), file = "package-lock.json", lock = JSON.parse(fs.readFileSync(file)); \
  for (const package of Object.values(lock.packages)) delete package.funding; \
  fs.writeFileSync(file, JSON.stringify(lock, null, 2) + "\n")

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mailsluice needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
	  { echo "This Python cannot make virtual environments: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml requirements/runtime.txt requirements/build.txt | $(VENV)/bin/python
	$(PIP) install --require-hashes --only-binary :all: -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# What the simulated servers need, and no server does.
$(VENV)/installed-demo: $(VENV)/installed requirements/demo.txt
	$(PIP) install --require-hashes --only-binary :all: -r requirements/demo.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt
	$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@

$(VENV)/installed-fuzz: $(VENV)/installed-dev requirements/fuzz.txt
	$(PIP) install --require-hashes --only-binary :all: -r requirements/fuzz.txt
	@touch $@

# Without it what is in it is left out, and the benchmarks say so.
$(BENCH)/installed: requirements/bench.txt
	-$(PYTHON) -m venv $(BENCH) && \
	  $(BENCH)/bin/pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r $< && \
	  touch $@
