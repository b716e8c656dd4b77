# Each target sets itself up: only Python 3.11+, make and git are needed.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: help demo test test-all notebooks check matrix bench gpu docs clean
help:
	@echo "make demo    train a model of handwritten digits, sample and complete with it (2 minutes)"
	@echo "make test    run the tests"
	@echo "make test-all the slow ones too"
	@echo "make notebooks the notebooks alone, each in a kernel, with less training"
	@echo "make check   lint, format and types"
	@echo "make matrix  smoke tests on the oldest and newest versions of what is needed, and on each Python there is"
	@echo "make bench   measure sampling and training on this machine and write benchmarks/"
	@echo "make gpu     laws, sampling, training and likelihoods on a GPU, as records in runs/gpu (28 minutes)"
	@echo "make docs    rebuild tables and charts from results/, the chapters of docs/learn and the documentation site"

# The plain installation is enough for the demo; constraints.txt pins every version.
$(VENV)/.plain: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'chainrule needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.plain
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.plain
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

demo: $(VENV)/.plain
	$(BIN)/chainrule demo

test: $(VENV)/.dev
	$(BIN)/pytest -n 2 -m "not slow"

test-all: $(VENV)/.dev
	$(BIN)/pytest -n 2

notebooks: $(VENV)/.dev
	$(BIN)/pytest -n 2 tests/test_docs.py -k kernel

check: $(VENV)/.dev
	$(BIN)/ruff check src tests tools fuzz
	$(BIN)/ruff format --check src tests tools fuzz
	$(BIN)/mypy

matrix:
	$(PYTHON) tools/matrix.py

bench: $(VENV)/.dev
	$(BIN)/chainrule bench sampling -o benchmarks/sampling.json
	$(BIN)/chainrule bench training -o benchmarks/training.json
	$(BIN)/chainrule bench nade-training --threads 1 --repeats 9 -o benchmarks/nade-training.json
	$(BIN)/chainrule bench image-training --threads 2 -o benchmarks/image-training.json
	$(BIN)/chainrule bench generate --threads 1 -o benchmarks/generate.json
	$(BIN)/chainrule bench reversible --threads 1 -o benchmarks/reversible.json

# It needs torch, numpy and lightning, and says what else; where there is no network, run tools/gpu.py itself.
gpu: $(VENV)/.dev
	$(BIN)/python tools/gpu.py

docs: $(VENV)/.docs
	$(BIN)/python tools/tables.py
	$(BIN)/python tools/charts.py
	$(BIN)/python tools/chapters.py
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/autoencoders.py
	$(BIN)/python tools/defence.py
	PYTHONPATH=tools $(BIN)/zensical build --strict -f mkdocs.yml
	$(BIN)/python tools/site_check.py

clean:
	rm -rf $(VENV) site runs
