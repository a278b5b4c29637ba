# `make help` lists the targets. Everything that is installed goes into .venv, everything that runs into .plumbline.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PACKAGES := plumbline tools
UPGRADE ?=
# Compiled modules are kept even where the environment says not to: the tests start more than a hundred Pythons.
IN_TWO := -n 2 --dist loadfile --no-loadscope-reorder
TESTS := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(IN_TWO)
COMPILE = env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes \
  --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
LOCKED := pip install --disable-pip-version-check --no-deps --require-hashes -r
EDITABLE := pip install -qq --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help install demo browser test test-quick test-flink test-lake lint format lock docs site clean

help:  ## list the targets
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  ##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

install: .venv/installed  ## set up .venv and the jars; does nothing when all is there
	@$(BIN)/plumbline jars

demo: .venv/demo  ## a year of real flights, end to end; the report and the tables stay in ./demo
	@$(BIN)/plumbline jars
	@$(BIN)/plumbline demo

browser:  ## find Chromium for the browser tests, or install Debian's where apt-get may; without one they skip
	@tests/browser/find.sh

test: install browser  ## run all tests, in two processes that have a broker and a Spark each
	@$(BIN)/python -m tests.support.class_archive
	@$(TESTS)

test-quick: install  ## run in about a minute what needs no Java, no broker and no browser, but long files and slow tests
	@JAVA_HOME=/nowhere $(TESTS) -m "not (java or spark or kafka or browser or slow or long)"

test-flink: install  ## run a real Flink job (examples/flink) against a model; FLINK_EVENTS=N, installs PyFlink once (1.5 GB)
	@examples/flink/set_up.sh $(CURDIR)/.plumbline/flink
	@FLINK_PYTHON=$(CURDIR)/.plumbline/flink/venv/bin/python $(BIN)/pytest -s tests/flink/run_real.py

test-lake: install .venv-lake/installed  ## run the story on PostgreSQL, REST, S3 and secured Kafka servers; needs PostgreSQL's programs and a JDK
	@$(BIN)/plumbline jars --add s3 --add postgres
	@PLUMBLINE_TEST_LAKE=1 $(BIN)/pytest tests/lake

lint: .venv/installed  ## ruff (rules and format) and mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(addprefix -p ,$(PACKAGES))

format: .venv/installed  ## let ruff put the code in its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/installed  ## write the generated pages of docs/ afresh
	@$(BIN)/python -m tools.docs

site: docs  ## build the documentation site into ./site
	@$(BIN)/mkdocs build --strict
	@echo "site/index.html"

# Folders of wheels and index addresses are one machine's: nothing of them may reach the lock.
lock: .venv/installed  ## write the lock files from pyproject.toml; make lock UPGRADE=--upgrade for new versions
	@$(COMPILE) $(UPGRADE) --all-extras --constraint constraints.txt --output-file requirements.lock pyproject.toml
	@$(COMPILE) $(UPGRADE) --extra flights --extra checkout --constraint requirements.lock \
	  --output-file requirements-demo.lock pyproject.toml
	@$(COMPILE) $(UPGRADE) --output-file tests/lake/requirements.lock tests/lake/requirements.in

clean:  ## remove .venv, caches and ./demo; .plumbline (jars, broker, lake) stays
	rm -rf .venv .venv-lake demo site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.plumbline/*' -prune -exec rm -rf {} +

.venv/installed: .venv/packages pyproject.toml
	@$(BIN)/$(EDITABLE)
	@touch $@ .venv/demo

# The demo needs half of what the tests need. Where all is there already, it needs nothing.
.venv/demo: requirements-demo.lock pyproject.toml | .venv/made
	@test .venv/installed -nt requirements.lock -a .venv/installed -nt pyproject.toml || { \
	  echo "installing the packages of requirements-demo.lock into .venv (once, some minutes)" && \
	  $(BIN)/$(LOCKED) requirements-demo.lock && $(BIN)/$(EDITABLE); }
	@touch $@

# The S3 server has a venv of its own: some of its packages want other versions than Plumbline's.
.venv-lake/installed: tests/lake/requirements.lock | .venv/made
	@$(PYTHON) -m venv .venv-lake
	@.venv-lake/bin/$(LOCKED) tests/lake/requirements.lock
	@touch $@

.venv/packages: requirements.lock | .venv/made
	@echo "installing the packages of requirements.lock into .venv (once, some minutes)"
	@$(BIN)/$(LOCKED) requirements.lock
	@touch $@

.venv/made:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on PATH. Next: install one, or make PYTHON=/path/to/python3" >&2; exit 3; }
	@$(PYTHON) -m plumbline.preflight
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "error: python -m venv failed. Next: install its package (Debian: apt install python3-venv)" >&2; exit 3; }
	@touch $@
