# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo checks this version. Where an index with CPU builds is configured, pip takes the small one; else the CUDA one.
TORCH ?= torch==2.13.0
REPORTS := ci-gpu-report
# What the tests need; with `--group benchmarks` other tools are asked, too, where they judge what we do.
TEST_GROUPS ?= --group test
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test lint format lock control mutants clean

demo: $(VENV)/demo.done
	@$(BIN)/ci-gpu run --engine local --report-dir $(REPORTS); code=$$?; \
	echo "Reports: $(REPORTS)/report.html (for people), junit.xml, run.json, summary.md"; exit $$code

# Two at a time; how they are shared out is in tests/conftest.py. PYTEST_ARGS="-n 0" makes one after the other.
test: lint
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports --no-cache

format: $(VENV)/test.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The dependencies of the action and the tools of a release, with the hash of every file that pip may take.
lock: $(VENV)/test.done
	$(BIN)/uv pip compile pyproject.toml --universal --fork-strategy fewest --python-version 3.10 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --no-annotate --quiet --output-file requirements.lock
	printf 'build\nhatchling>=1.27\nuv\n' | $(BIN)/uv pip compile - --universal --python-version 3.12 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --no-annotate --quiet --output-file .github/release.lock

# The negative control's machine code, by NVIDIA's assemblers; after a change of its PTX.
control: $(VENV)/test.done
	$(BIN)/python benchmarks/sass.py

# Which changes of the judging code no test sees; MODULES="ci_gpu/verdict.py …" for some, ARGS=--write for the record.
mutants: $(VENV)/test.done
	$(PIP) install --quiet --group mutation
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/mutants.py $(ARGS) $(MODULES)

clean:
	rm -rf $(VENV) $(REPORTS) build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'

$(VENV)/demo.done: $(VENV)/bin/python pyproject.toml
	@echo "Installing torch and ci-gpu into $(VENV) (once)"
	$(PIP) install --quiet '$(TORCH)'
	$(PIP) install --quiet --editable .
	touch $@

$(VENV)/test.done: $(VENV)/demo.done pyproject.toml
	$(PIP) install --quiet $(TEST_GROUPS)
	touch $@
