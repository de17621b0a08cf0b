# make demo: handwritten digits on an emulated memristor chip. make test: the test suite. Both need only Python >= 3.11.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= auto

.PHONY: demo test test-slow test-long mutation tools lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/ohmloom demo digits --report digits.html

test: $(VENV)/.test tools
	$(BIN)/pytest -n $(JOBS) -m "not slow" --durations 20

test-slow: $(VENV)/.test tools
	$(BIN)/pytest -n $(JOBS) -m "slow and not long" --timeout 1500 --durations 40

test-long: $(VENV)/.test tools
	$(BIN)/pytest -n $(JOBS) -m long --timeout 0
	$(BIN)/pytest tests/twin/test_equality.py -k 30 --sequences 10000 --timeout 0

mutation: $(VENV)/.test
	$(BIN)/python -m tests.mutation.run

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m ohmloom.spec.generate --check

# What the tests run beside Python: circuits, Verilog, and the compiled gateware.
tools:
	@$(call need,ngspice,ngspice)
	@$(call need,iverilog,iverilog)
	@$(call need,c++,g++)

clean:
	rm -rf $(VENV) digits.html

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[ml,plots]"
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "aeon>=1.0"  # its data files
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ohmloom needs Python 3.11 or later; $(PYTHON) is older or missing. Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(call need_package,python3-venv); }
	$(PYTHON) -m venv $(VENV)

# $(call need,COMMAND,PACKAGE): a system package that a command comes from is installed with apt-get where possible, else named.
need = command -v $(1) >/dev/null || { $(call need_package,$(2)); }
need_package = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; \
	  else echo "a system package is missing: install $(1) (Debian, Ubuntu: sudo apt-get install $(1))" >&2; exit 1; fi
