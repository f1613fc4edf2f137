# The README's two commands. Each is enough on a machine that has Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: example test check torture bench bench-quick clean

example: $(VENV)/example  ## Build the example warehouse and print the result.
	$(BIN)/python example_warehouse/prepare.py
	cd example_warehouse && ../$(BIN)/sqlflow build
	cd example_warehouse && ../$(BIN)/sqlflow show marts.carrier_performance --limit 16

test: $(VENV)/test  ## Run all tests, with R installed for them.
	sh tests/install_r.sh
	$(BIN)/python example_warehouse/prepare.py
	$(BIN)/python -m pytest

check: test  ## Run the tests and every other check but the second engine version.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

torture: $(VENV)/test  ## Run what breaks things as often as a night allows.
	SQLFLOW_TORTURE=1 SQLFLOW_LAW_EXAMPLES=2000 $(BIN)/python -m pytest tests/test_law.py tests/test_crashes.py tests/test_crashes_on_postgres.py tests/test_upgrades.py tests/test_sweeping.py tests/test_soak.py tests/test_service_crashes.py tests/test_locks.py tests/test_locks_on_postgres.py tests/test_readers.py tests/test_readers_on_postgres.py tests/test_cancel.py tests/test_faults.py tests/test_copy.py tests/test_history_damage.py tests/test_fuzzing.py tests/test_ranges.py tests/test_ranges_law.py tests/test_http_document.py tests/test_secrets.py tests/test_server_restarts.py tests/test_environments.py tests/test_incremental.py tests/test_snapshots.py tests/test_law_of_what_goes_on.py

bench: $(VENV)/test  ## Measure everything beside what it is compared with; the tools come from PyPI.
	$(BIN)/python benchmarks/bench.py

bench-quick: $(VENV)/test  ## Measure for a few minutes what needs no other tool.
	$(BIN)/python benchmarks/bench.py --quick --runs 1

clean:
	rm -rf $(VENV) build dist

# A stamp is made again when what is installed has changed.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("sqlflow needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/example: $(VENV)/bin/python pyproject.toml
	$(PIP) install --editable '.[example]'
	touch $@

$(VENV)/test: $(VENV)/bin/python pyproject.toml
	$(PIP) install --editable '.[example,postgres,serve]' --group dev
	$(BIN)/python tests/postgres_server.py
	touch $@
