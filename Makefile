# `make help` lists the targets. Works with GNU make 3.81 (macOS) and newer.

# HERMES=0.19 runs a target on that Hermes, in an environment of its own.
export HERMES
PY := $(if $(HERMES),.venvs/$(HERMES),.venv)/bin/python

.DEFAULT_GOAL := help
DOCS := .venvs/docs/bin/python

.PHONY: help setup demo test test-quick check format graph versions bench leaks faults soak parity pictures docs pins

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## make .venv: a real Hermes, its Telegram library, this project, the test tools
	@# Any Python 3 can start the set-up: it looks for one that fits. PYTHON=/path/to/python decides.
	@for boot in python3 python3.13 python3.12 python3.11 python3.14 python $(PYTHON); do \
	    if "$$boot" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then \
	        PYTHON="$(PYTHON)" exec "$$boot" tests/tools/setup_venv.py; \
	    fi; \
	done; \
	echo "ERROR: no Python 3 found. make setup needs Python 3.11 to 3.14." >&2; exit 1

demo: setup ## the main job on a throw-away Hermes: four places, three profiles, one bot
	@$(PY) -m tests.tools.demo

test: setup ## all tests; ARGS="-k routing -x" goes to pytest, ARGS="-n 0" for one at a time
	@# A file's tests share a gateway: they stay together, and the long files come first.
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-quick: setup ## in minutes: units, contracts, a worker's real Hermes, one gateway
	@$(PY) -m pytest -n 2 --dist loadfile tests/unit tests/contract tests/worker \
	    tests/gateway/turns/test_first_light.py -k "not beside-multiplexing" $(ARGS)

check: setup ## lint, format, types and who imports whom, as CI sees them
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(dir $(PY))lint-imports --no-logo
	$(PY) -m tests.tools.imports.hermes

format: setup ## format, and fix what the linter can fix
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

graph: setup ## draw which package imports which into docs/import-graph.md
	@$(PY) -m tests.tools.imports.graph $(ARGS)

versions: setup ## contract tests and core scenarios on each Hermes; ARGS="--smoke", "--only 0.19"
	@$(PY) -m tests.tools.versions $(ARGS)

bench: setup ## in-process routing and the router, side by side; QUICK=1 for the main figures
	@$(PY) -m tests.tools.bench $(if $(QUICK),--quick) $(ARGS)

leaks: setup ## what leaks between profiles, side by side; ARGS="--only E1,F7", "--markdown"
	@$(PY) -m tests.tools.leaks $(ARGS)

FAULTS := build/faults.md
faults: setup ## what a chat sees when something ends in the middle of a turn; ARGS="-k worker"
	@mkdir -p build && printf '| moment | what ends | promised | what the chat saw | seconds | others | left over |\n|---|---|---|---|---|---|---|\n' > $(FAULTS)
	@HERMES_ROUTER_FAULTS=$(abspath $(FAULTS)) $(PY) -m pytest -q -n 0 tests/gateway/failures/faults/test_faults*.py $(ARGS); \
	    status=$$?; cat $(FAULTS); exit $$status

MINUTES := 10
soak: setup ## minutes of traffic while workers and gateways are killed; MINUTES=10, ARGS="--seed 2"
	@$(PY) -m tests.tools.soak --minutes $(MINUTES) $(ARGS)

parity: setup ## one conversation with a plain gateway and routed; ARGS="--only stop" for some
	@$(PY) -m tests.tools.parity $(ARGS)

pictures: setup ## draw the demo and the main commands into docs/pictures
	@$(PY) -m tests.tools.pictures

docs: setup $(DOCS) ## the pages as a site in build/site, looked at in a browser; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(DOCS) -m mkdocs build --strict
	@$(PY) -m tests.tools.check_site build/site
	@$(PY) -m tests.tools.browse_site build/site

$(DOCS): tests/environments.toml
	@python3 -m venv .venvs/docs
	@$(DOCS) -m pip install --quiet --disable-pip-version-check \
	    "$$(sed -n 's/^docs = \["\(.*\)"\]/\1/p' tests/environments.toml)"
	@touch $(DOCS)

pins: setup ## ask pip's resolver whether any Hermes pin moves (slow, needs the package index)
	@$(PY) -m tests.tools.check_pins $(ARGS)
