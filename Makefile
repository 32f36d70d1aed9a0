# make run [DIR=~/Pictures]   the gallery on a folder (in the terminal where there is no display)
# make test                   all tests
# make check                  lint, types, import contracts
# make chaos                  20,000 pictures while children are killed, six times; starts, stops, orphans: half an hour
# make durable                a daemon killed 50 times in the middle of a durable batch, and at instants that matter
# make wire                   windows, commands and clients that stand still at one daemon: a quarter of an hour
# make hostile                clients that are broken or mean no good, by the thousand: ten minutes
# make sandbox-diff [DIR=...] every file of a folder ($THUMBD_CORPUS) with and without the cage: two minutes
# make sandbox                what the cage costs: an image, a start, memory: three minutes
# make pools                  thumbd's pool beside other process pools, an hour
# Each makes .venv and installs what is missing.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: run test check format screenshots chaos hostile durable wire sandbox-diff sandbox pools clean help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(VENV)/.run: pyproject.toml tools/system-packages
	@tools/system-packages run
	@tools/make-venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[gallery]'
	@touch $@

$(VENV)/.dev: pyproject.toml tools/system-packages
	@tools/system-packages test
	@tools/make-venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[gallery,dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml tools/system-packages
	@tools/system-packages run
	@tools/make-venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

run: $(VENV)/.run
	@$(BIN)/python tools/run.py "$(DIR)"

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/.dev
	$(BIN)/python tools/screenshots.py docs/screenshots

chaos: $(VENV)/.dev
	$(BIN)/python tests/chaos_harness.py $(CHAOS_ARGS)

durable: $(VENV)/.dev
	$(BIN)/python tests/durable_harness.py $(DURABLE_ARGS)

wire: $(VENV)/.dev
	$(BIN)/python benchmarks/wire.py $(WIRE_ARGS)

hostile: $(VENV)/.dev
	$(BIN)/python tests/hostile_harness.py $(HOSTILE_ARGS)

sandbox-diff: $(VENV)/.dev
	$(BIN)/python tests/sandbox_diff.py $(DIR) $(SANDBOX_DIFF_ARGS)

sandbox: $(VENV)/.dev
	$(BIN)/python benchmarks/sandbox.py $(SANDBOX_ARGS)

pools: $(VENV)/.bench
	$(BIN)/python benchmarks/pools.py --svg docs/pools.svg $(POOLS_ARGS)

clean:
	rm -rf $(VENV) build dist sample-pictures
