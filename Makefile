# Every target sets itself up: a bare machine needs Python >= 3.11 and make.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PYTHONHASHSEED ?= 0
# Installed programs are compiled once. Compiling at every start, as containers often ask for, would be measured, and
# hundreds of tests start the program.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test lint wheel-test browser-test conformance bench bench-large clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python >= 3.11 is not on PATH; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The program alone, and the program with what its tests need.
$(VENV)/installed: $(BIN)/python pyproject.toml
	$(PIP) --editable .
	@touch $@

$(VENV)/ready: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed ## plans, diffs and a proof of the samples; writes nothing there
	$(BIN)/migrator plan samples/host-port
	$(BIN)/migrator diff --exit-zero samples/host-port
	$(BIN)/migrator simulate samples/host-port --nodes 3
	$(BIN)/migrator plan samples/pod-security
	$(BIN)/migrator audit samples/psp
	$(BIN)/migrator plan samples/psp
	$(BIN)/migrator plan samples/rancher-v1.6 --answers samples/rancher-v1.6/answers.txt
	$(BIN)/migrator plan samples/fleet/clusters/*.json
	rm -rf $(VENV)/demo
	$(BIN)/migrator apply --quiet --exit-zero samples/host-port --out $(VENV)/demo
	$(BIN)/migrator verify samples/host-port $(VENV)/demo

test: $(VENV)/ready ## the quick suite: Python only
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not conformance and not wheel and not browser"

lint: $(VENV)/ready ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel-test: $(VENV)/ready ## the wheel, built, installed in a clean environment and run
	$(BIN)/python -m pytest -m wheel

browser-test: $(VENV)/ready ## the page in Chromium: needs chromium and chromium-driver; else skipped, with the reason
	$(BIN)/python -m pytest -m browser -rs

conformance: $(VENV)/ready ## Kubernetes' own programs as judges: needs Go; the first run builds them
	.ci/conformance $(BIN)/python

bench: $(VENV)/installed ## side by side with ruamel.yaml's round trip, and with kompose: takes minutes
	$(BIN)/python benchmarks/run.py

bench-large: $(VENV)/installed ## a dump of 150,000 pods: time and memory; takes minutes and 2.5 GB of disk
	$(BIN)/python benchmarks/large.py

clean: ## removes what make made
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
