# Everything that people and machines do with a checkout. `make run` and `make test` need nothing
# but Python 3.11 or newer; what else is missing they name and install.

PYTHON ?=
VENV := .venv
export PYTHON VENV
BIN := $(VENV)/bin
WORKERS ?= 4

LOCK := $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: run test node dev tools lint types imports docs docs-check screenshots soak lock check

run:
	@scripts/system-packages.sh play
	@scripts/venv.sh requirements.txt
	@exec $(BIN)/python -m hocket.app.run

# Most tests wait for programs rather than work, so two a core. One by one: $(BIN)/pytest
test: dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# An hour of listeners while processes are killed at random; SOAK_S=180 for less.
soak: dev
	$(BIN)/python -m tests.soak

# Only what a prime, plane, authentication or streaming node needs: no window toolkit, no audio.
node:
	@scripts/venv.sh locks/node.txt
	@echo "ready: $(BIN)/python primeNODE.py --help"

dev: tools
	@scripts/system-packages.sh test

# The checks below need no package of the system.
tools:
	@scripts/venv.sh locks/dev.txt

lint: tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: tools
	$(BIN)/mypy

imports: tools
	$(BIN)/lint-imports --no-logo

docs: tools
	$(BIN)/python -m hocket.wire.tables docs/protocol.md
	$(BIN)/python -m hocket.app.settingstable docs/settings.md

docs-check: tools
	$(BIN)/python -m hocket.wire.tables --check docs/protocol.md
	$(BIN)/python -m hocket.app.settingstable --check docs/settings.md

# The window's pages, dark and light, into docs/pictures.
screenshots: dev
	$(BIN)/python scripts/screenshots.py

# New pins for everything, from what pyproject.toml asks for. node.txt and dev.txt agree with requirements.txt.
lock: tools
	rm -f requirements.txt locks/node.txt locks/dev.txt
	$(LOCK) --extra node --extra client --extra window --output-file requirements.txt pyproject.toml
	$(LOCK) --constraint requirements.txt --extra node --output-file locks/node.txt pyproject.toml
	$(LOCK) --constraint requirements.txt --extra node --extra client --extra window --extra dev \
		--output-file locks/dev.txt pyproject.toml

# What CI runs.
check:
	.ci/run
