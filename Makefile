# The commands of kimp; `make help` lists them. Needs make and Python 3.11 or newer, nothing else.
# Everything runs as `.venv/bin/python -m ...` on relative paths: a space in the path does no harm.

# Of which Python .venv is made; if none is named, of the quickest at hand of python3's version.
PYTHON ?=
PY := .venv/bin/python
READY := .venv/.kimp-ready
# Clients that nobody here wrote, exactly pinned, for the tests of the simulator; never the product's.
ORACLE := .venv-oracle/.kimp-ready
ORACLE_PINS := tests/oracle/requirements.txt
# procrastinate and DBOS, exactly pinned, to be measured beside us; never the product's either.
OTHERS := .venv-others/.kimp-ready
OTHERS_PINS := tests/benchmarks/requirements.txt
MANAGE := $(PY) manage.py

.DEFAULT_GOAL := help
.PHONY: help setup up demo test oracle check format crash-matrix chaos bench lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## create .venv with the pinned dependencies (the others do this when needed)

up: $(READY) ## run the simulated desk in the foreground; Ctrl-C stops it
	@exec $(MANAGE) up $(ARGS)

demo: $(READY) ## run a bounded desk that proves itself, in a database and on ports of its own
	@exec $(MANAGE) demo $(ARGS)

test: $(READY) $(ORACLE) ## run the whole test suite
	@exec env PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -q -n 4 --dist loadgroup --no-loadscope-reorder

oracle: $(READY) $(ORACLE) ## run ccxt and the venues' own SDKs against the simulator
	@exec $(PY) -m pytest -q tests/oracle $(ARGS)

check: $(READY) ## format, lint, types, import contracts, migrations, documents, check --deploy
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()'
	KIMP_ENVIRONMENT=test $(MANAGE) makemigrations --check --dry-run
	KIMP_ENVIRONMENT=test $(MANAGE) document --check
	KIMP_ENVIRONMENT=production SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))')" \
	  DATABASE_URL=postgresql://nobody@127.0.0.1:1/none ALLOWED_HOSTS=desk.example \
	  $(MANAGE) check --deploy --fail-level WARNING

format: $(READY) ## write the sources in the project's format
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

crash-matrix: $(READY) ## kill a worker at every place where it can die, while replies are lost
	@exec $(PY) -m tests.crashes.matrix $(ARGS)

chaos: $(READY) ## let it storm: kills, restarts, clocks, locks, faults; then prove that nothing is lost
	@exec $(PY) -m tests.crashes.chaos $(ARGS)

bench: $(READY) $(OTHERS) ## run the benchmarks; their figures go to .kimp/bench.json
	@exec $(PY) -m tests.benchmarks $(ARGS)

lock: ## pin the dependencies anew (after a change in pyproject.toml)
	$(PY) -m uv pip compile pyproject.toml --all-extras $(LOCK) -o requirements.txt
	$(PY) -m uv pip compile pyproject.toml --extra web --extra worker --extra feeder --extra otel $(LOCK) \
	  -o requirements-production.txt
	$(PY) -m uv pip compile $(ORACLE_PINS:.txt=.in) $(LOCK) -o $(ORACLE_PINS)
	$(PY) -m uv pip compile $(OTHERS_PINS:.txt=.in) $(LOCK) -o $(OTHERS_PINS)

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
  --no-header --quiet

clean: ## stop the embedded servers; remove the simulated desk's data and all caches, keep .venv
	@if [ -x $(PY) ]; then $(PY) -m kimp.clean; fi

$(READY): requirements.txt
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
	  python="$(PYTHON)"; [ -n "$$python" ] || python=$$(python3 kimp/pythons.py) || python=python3; \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "kimp needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "This Python cannot create a virtual environment; install its venv package" \
	         "(on Debian: apt-get install python3-venv)" >&2; exit 1; }; \
	  echo "creating .venv" >&2; "$$python" -m venv --clear .venv; }
	@echo "installing the pinned dependencies" >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $(READY)

$(ORACLE): $(ORACLE_PINS) | $(READY)
	@echo "installing ccxt and the venues' SDKs into .venv-oracle (half a minute)" >&2
	@$(PY) -m venv --clear .venv-oracle
	@.venv-oracle/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r $(ORACLE_PINS)
	@touch $(ORACLE)

$(OTHERS): $(OTHERS_PINS) | $(READY)
	@echo "installing procrastinate and DBOS into .venv-others (a quarter of a minute)" >&2
	@$(PY) -m venv --clear .venv-others
	@.venv-others/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r $(OTHERS_PINS)
	@touch $(OTHERS)
