# Few words; each does its own set-up, and does it once. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# The tests start processes by the dozen: each would compile everything again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check fix bench docs crash conformance attack fuzz test-real-model

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | while IFS=$$'\t' read -r word line; do printf '  make %-16s %s\n' "$$word" "$$line"; done

demo: .venv/.runtime ## the whole path of a mail on a sample shop; nothing to configure (ARGS="--seed 7")
	@$(BIN)/triaged demo $(ARGS)

test: .venv/.dev ## all tests, with real Dovecot and PostgreSQL servers (ARGS="-k lmtp")
	@.ci/debian dovecot-imapd /usr/sbin/dovecot dovecot-lmtpd /usr/lib/dovecot/lmtp postgresql '/usr/lib/postgresql/*/bin/initdb'
	@$(BIN)/pytest -q -n 4 --dist worksteal -m "not long and not real_model" $(ARGS)

check: .venv/.dev ## ruff, mypy and the import contracts; silent when all is well
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@output=$$($(BIN)/lint-imports 2>&1) || { printf '%s\n' "$$output"; exit 1; }

fix: .venv/.dev ## what ruff can repair and format by itself
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: .venv/.dev ## mails a second, commits a mail, start-up, memory; mail in, tools beside their floors; the embedded brain
	@$(BIN)/python -m benchmarks.pipeline $(ARGS)
	@$(BIN)/python -m benchmarks.mail
	@$(BIN)/python -m benchmarks.tools
	@$(BIN)/python -m benchmarks.embedded

docs: .venv/.dev ## rewrite the documentation that is generated from the code
	@$(BIN)/python -m daemon.scaffold.reference docs

crash: .venv/.dev ## kill -9 at random instants, twenty runs of sixty mails each; mailboxes of 100,000 mails; prints what it saw
	@$(BIN)/pytest -q -s -m long -o faulthandler_timeout=1200 tests/e2e tests/integration $(ARGS)

conformance: .venv/.dev ## the retail tasks of τ²-bench through the tools, on both engines (TRIAGED_CONFORMANCE=DIR)
	@.ci/debian postgresql '/usr/lib/postgresql/*/bin/initdb'
	@$(BIN)/python -m tests.conformance

attack: .venv/.dev ## a hijacked model that tries everything against the shipped handlers (ARGS="--each 9 --goal link")
	@$(BIN)/python -m tests.attack $(ARGS)

fuzz: .venv/.dev ## broken mails for a minute, made and mutated (ARGS="--seconds 600 --seed 7")
	@$(BIN)/python -m tests.fuzz.mail $(ARGS)

test-real-model: .venv/.dev ## five mails through a local language model (1.1 GB, fetched once)
	@$(BIN)/pytest -q -m real_model -o faulthandler_timeout=0 $(ARGS)

# The stamps are newer than pyproject.toml when everything in it is installed.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "triaged needs Python 3.11 or newer, and $(PYTHON) is older or missing. Run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/debian python3-venv /usr/share/doc/python3-venv
	@echo "Making .venv …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --quiet --upgrade 'pip>=25.1'
	@touch $@

.venv/.runtime: pyproject.toml | .venv/.python
	@echo "Installing triaged into .venv …" >&2
	@$(BIN)/python -m pip install --quiet --quiet --editable .
	@touch $@

.venv/.dev: pyproject.toml .venv/.runtime | .venv/.python
	@echo "Installing the tools for tests and checks into .venv …" >&2
	@$(BIN)/python -m pip install --quiet --quiet --group dev
	@touch $@
