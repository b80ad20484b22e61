# From a fresh clone: `make demo`. Every target first makes .venv with the pinned versions.

PYTHON ?=
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2

# One thread a process: the tests already run one process a core.
TEST_ENV := OMP_NUM_THREADS=1 NHOT_NO_SKIP=1
PYTEST   := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: help demo test bench lint clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make demo       a network from training to a simulated board, every step checked"
	@echo "make test       the tests, a skipped one counts as failed (JOBS=$(JOBS) processes)"
	@echo "make bench      the tests of minutes, and the measurements"
	@echo "make lint       ruff and mypy"
	@echo "make clean      what the tools leave behind; distclean: .venv too"

# Made again when the files that decide what is installed have changed.
$(STAMP): constraints.txt pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV)
	@touch $@

demo: $(STAMP)
	@sh scripts/machine.sh
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot demo $(ARGS)

test: $(STAMP)
	@sh scripts/machine.sh iverilog
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(TEST_ENV) $(PYTEST) -m "not slow" $(ARGS)

bench: $(STAMP)
	@sh scripts/machine.sh iverilog fst
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(TEST_ENV) $(PYTEST) -m slow $(ARGS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench reference
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench quantisation

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/mypy

clean:
	rm -rf build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find sw hw sim tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
