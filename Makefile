# make run      set up, then the whole chain on a real model and real data
# make test     the quick tests            make lint    style, types, spelling
# make test-medium   those that take a second or longer, as with servers or the real model
# make chaos    kills, damage, full disks, hostile files, load, counted; LONG=1 adds what takes hours
# make ui       Prefect and MLflow         make bench   side by side with peers
# make docs     the site, in build/site    make notebooks   the examples, executed
# make screenshots   the pictures in docs/images, of the main job's pages
# make clean    remove the environment and the caches; results in .vocabsem stay

SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH := .venv-bench
BENCH_PEERS := sentence-transformers==6.2.0 setfit==1.2.0
JUPYTER := jupytext==1.19.6 nbclient==0.11.0 ipykernel==7.4.0

# The tests of a file run in one process, for they share what they made; in order, for the first files take longest.
PROCESSES := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Without compiled modules every start parses all of torch, Prefect and MLflow again: 10 s instead of 4.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test test-medium chaos lint ui bench docs notebooks screenshots clean

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

install: $(READY)

# The stamp is newer than both files: nothing is installed twice.
$(READY): pyproject.toml constraints.txt scripts/install.sh
	@scripts/install.sh $(VENV)
	@touch $@

run: $(READY)
	@$(BIN)/vocabsem run data/experiments/quickstart.yaml

test: $(READY)
	@$(BIN)/pytest $(PROCESSES)

test-medium: $(READY)
	@$(BIN)/pytest $(PROCESSES) -m 'medium and not slow and not gpu'

chaos: $(READY)
	@$(BIN)/python scripts/chaos.py $(if $(LONG),--long)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	@test ! -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

ui: $(READY)
	@$(BIN)/vocabsem up

bench: $(BENCH)/.ready
	@$(BENCH)/bin/python -m benchmarks

$(BENCH)/.ready: pyproject.toml constraints.txt scripts/install.sh
	@scripts/install.sh $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet $(BENCH_PEERS) --constraint constraints.txt
	@touch $@

docs: $(READY)
	$(BIN)/python -m scripts.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

screenshots: run
	@$(BIN)/python scripts/screenshots.py --home $${VOCABSEM_HOME:-.vocabsem}

notebooks: $(READY)
	@$(BIN)/python -m pip install --quiet $(JUPYTER) --constraint constraints.txt
	@$(BIN)/python -m ipykernel install --sys-prefix
	NO_COLOR=1 PYTHONWARNINGS=ignore VOCABSEM_HOME=$(CURDIR)/.vocabsem $(BIN)/python scripts/notebooks.py

clean:
	rm -rf $(VENV) $(BENCH) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.vocabsem/*' -prune -exec rm -rf {} +
