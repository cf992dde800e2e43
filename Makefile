# Two commands are all a fresh machine needs: `make demo` and `make test`.
# Only python3 (3.11 or newer) with its venv module is assumed; PYTHON=/path/to/python3.11 picks another.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
WORKERS ?= 2

.PHONY: help demo test test-slow compiled lint format types freeze freeze-check calibrate torture bench environment clean
help:
	@echo "make demo    train both models small, audit them, write the report ($(DEMO))"
	@echo "make test    all tests but a few minutes of them, which are make test-slow"
	@echo "make lint    formatter and linter     make format   format and mend"
	@echo "make types   type checker             make clean    remove the virtual environment"
	@echo "make freeze  write all numbers of this tree, or of COMMIT=…, to compare with later"
	@echo "make freeze-check    compare this tree's numbers with them; WHOLE=1: the slow tier too"
	@echo "make calibrate       simulate how often tests, intervals and verdicts err (reports/calibration)"
	@echo "make bench   ours against the plainly written formulas: times, ratios, memory"
	@echo "make torture kill each long command at random moments, compare what it comes to"

demo: $(VENV)/.installed
	@$(BIN)/python -m lewm_probe.cli.main demo --out $(DEMO)

# One thread a worker: the workers share the cores already.
test: compiled
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# Tests start hundreds of processes; where PYTHONDONTWRITEBYTECODE is set, each would compile all of it.
compiled: $(VENV)/.installed-dev
	@$(BIN)/python -m compileall -q lewm_probe tests

# Every number of the published reports out of its rows, and more ways to be stopped.
test-slow: compiled
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .

format: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

types: $(VENV)/.installed-dev
	$(BIN)/python -m mypy

freeze: $(VENV)/.installed-dev
	$(BIN)/python tests/freeze/freeze.py write $(if $(COMMIT),--commit $(COMMIT)) $(if $(WHOLE),--whole)

freeze-check: $(VENV)/.installed-dev
	$(BIN)/python tests/freeze/freeze.py check $(if $(WHOLE),--whole)

# Some ten minutes on two cores; stopped, it goes on.
calibrate: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.calibration.run --workers $(WORKERS)

# Some forty minutes on two cores; stopped, it goes on.
torture: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.torture.run --workers $(WORKERS)

# Some ten minutes; nothing else should run.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.bench $(if $(PIECES),--pieces $(PIECES)) $(if $(THREADS),--threads $(THREADS)) \
	  $(if $(DEVICE),--device $(DEVICE))

environment: $(VENV)/.installed-dev

clean:
	rm -rf $(VENV)

# The stamps say that what stands in $(VENV) fits pyproject.toml and constraints.txt. An installation
# that was interrupted leaves .installing behind: pip would take half-copied packages for whole ones,
# so such an environment is made anew.
#
# gym-pusht asks for opencv-python, which does not import where libGL is missing, as on bare servers.
# The headless build is the same module without windows, and takes its place.
define install
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lewm-probe needs Python 3.11 or newer with its venv module; '$(PYTHON)' is not that."; \
	    echo "Install it, or name another one: make $@ PYTHON=/path/to/python3.11"; exit 2; } >&2
	@if test -e $(VENV)/.installing || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); fi
	@touch $(VENV)/.installing; echo "Installing into $(VENV); the first time this takes minutes."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt hatchling editables
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation -c constraints.txt -e '$(1)'
	$(BIN)/python -m pip uninstall --disable-pip-version-check --quiet --yes opencv-python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --force-reinstall --no-deps \
	  -c constraints.txt opencv-python-headless
	@rm $(VENV)/.installing && touch $@
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,.)

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $(VENV)/.installed
