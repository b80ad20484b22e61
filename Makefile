# From a fresh clone: `make demo`. Every target first makes .venv with the pinned versions.

PYTHON ?=
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2

# One thread a process: the tests already run one process a core.
TEST_ENV := OMP_NUM_THREADS=1 NHOT_NO_SKIP=1
PYTEST   := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# What `nhot fuzz` damages in make bench: 10^5 files that are read in milliseconds, fewer others.
FILES      := images networks models configs manifests results trials arrays
SLOW_FILES := reports checkpoints
# What lines do to the board's link.
LINES := $(addprefix line-,baud cut flipped killed lost noise reordered repeated resets)

.PHONY: help demo test bench mutants coverage pictures registers screenshot lint clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make demo       a network from training to a simulated board, every step checked"
	@echo "make test       the tests, a skipped one counts as failed (JOBS=$(JOBS) processes)"
	@echo "make bench      the tests of minutes, and the measurements"
	@echo "make mutants    plant single faults in a copy, one at a time; what do the tests not notice?"
	@echo "make coverage   lines and branches that no test runs, bits of the engine that never change"
	@echo "make pictures   draw the timing pictures of docs/engine anew, from simulations"
	@echo "make registers  what is made from the description of the registers, anew"
	@echo "make screenshot draw the picture of docs/serve.md anew, in a browser"
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
	@sh scripts/machine.sh iverilog chromium
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(TEST_ENV) $(PYTEST) -m "not slow" $(ARGS)

bench: $(STAMP)
	@sh scripts/machine.sh iverilog fst
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(TEST_ENV) $(PYTEST) -m slow $(ARGS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench toggles
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench engines
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench networks
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench estimates
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench reference
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot bench quantisation
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot fuzz $(FILES) --count 22000 --jobs $(JOBS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot fuzz $(SLOW_FILES) --count 1000 --jobs $(JOBS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot fuzz frames gateware --count 10000 --jobs $(JOBS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot fuzz engines --count 300 --jobs $(JOBS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nhot fuzz $(LINES) --count 1200 --jobs $(JOBS)

# Tools about the repository, which are no part of the package.
mutants coverage: $(STAMP)
	@sh scripts/machine.sh iverilog
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tools $(BIN)/python -m nhot_tools.$@ \
	    --jobs $(JOBS) $(ARGS)

pictures: $(STAMP)
	@PYTHONPATH=tools $(BIN)/python -m nhot_tools.pictures $(ARGS)

registers: $(STAMP)
	@PYTHONPATH=tools $(BIN)/python -m nhot_tools.registers

screenshot: $(STAMP)
	@sh scripts/machine.sh chromium
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tools $(BIN)/python -m nhot_tools.screenshot

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/mypy

clean:
	rm -rf build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find sw hw sim tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
