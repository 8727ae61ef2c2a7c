# Each target sets up what it needs on a Debian machine that has make and Python 3.11 or newer.
# Another Python: make run PYTHON=python3.12. Where packages come from is left to pip's own configuration.

PYTHON ?= python3
# Stages in order; the last one's network becomes the artifact.
RECIPE ?= $(addprefix training/recipes/,minilm.toml minilm-2.toml minilm-3.toml minilm-4.toml minilm-5.toml)
DATA   ?= $(or $(EVENHAND_DATA_DIR),data)
# A made-up newspaper to try everything on: never where others can come in, unless asked for by DEMO=1.
DEMO   ?= $(if $(filter keys,$(EVENHAND_MODE)),,1)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Each of the tests' many services would compile its modules again.
unexport PYTHONDONTWRITEBYTECODE

# Two environments: .venv serves and stays small; .venv-dev trains and tests, so it holds torch.
BIN := .venv-dev/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint types unit on-sqlite on-postgresql elsewhere train card lock clean chromium nodejs postgresql

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/ready ## Serve API, console and a demo on 127.0.0.1:8000; PORT=9000 changes that (HOST=… too, with EVENHAND_MODE=keys), DEMO= leaves the demo out
	@exec .venv/bin/evenhand serve $(if $(DEMO),--demo) $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

test: lint types unit ## Run all checks: lint, types, unit

lint: .venv-dev/ready ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv-dev/ready ## Check types
	$(BIN)/mypy

# Two runs at a time, each in its order: much of their time is waiting, for servers and browsers to start. More would be
# too much for a machine of two cores.
unit: .venv-dev/ready chromium nodejs postgresql ## Run the tests, those of the service on SQLite and on PostgreSQL
	$(MAKE) --jobs 2 --output-sync=line on-sqlite on-postgresql elsewhere

on-sqlite:
	$(BIN)/pytest tests/serving

# What stores nothing is the same on both databases: once is enough for it.
STORELESS = triage policy $(addprefix test_,$(addsuffix .py,artifact docs_page engine explain language marking outputs \
	pages records scorer spans text windows)) \
	dialects/coral/test_answers.py dialects/coral/test_markup.py dialects/test_openai.py dialects/test_tei.py console/test_likeness.py reader/test_script.py
on-postgresql:
	$(BIN)/pytest tests/serving --database postgresql $(addprefix --ignore tests/serving/,$(STORELESS))

elsewhere:
	$(BIN)/pytest --ignore tests/serving

# After an interruption, `make train` goes on from the last checkpoint. INSTALL=serving/model replaces the
# model that ships.
train: .venv-dev/ready ## Make a model: RECIPE=file.toml or several in order (the shipped ones), DATA=folder (data)
	for recipe in $(RECIPE); do \
		$(BIN)/python -m training.prepare $$recipe --data-dir $(DATA) && \
		$(BIN)/python -m training.pretrain $$recipe && \
		$(BIN)/python -m training.train $$recipe || exit; \
	done
	$(BIN)/python -m training.export $(lastword $(RECIPE))
	$(BIN)/python -m training.calibrate $(lastword $(RECIPE)) $(if $(INSTALL),--install $(INSTALL))
	$(BIN)/python -m training.evaluate $(lastword $(RECIPE))
	$(BIN)/python -m training.card $(lastword $(RECIPE))

# Scores are kept beside the run, so that each text is scored once. SPEED=--keep-speed on a busy machine.
RESULTS := --output docs/evaluation
card: .venv-dev/ready ## Measure the model of RECIPE on held-out comments, and write model_card.md; DATA=folder
	$(BIN)/python -m training.evaluate $(lastword $(RECIPE)) $(RESULTS) $(SPEED)
	for step in thresholds reliability review shift marks; do \
		$(BIN)/python -m training.$$step $(lastword $(RECIPE)) $(RESULTS) || exit; \
	done
	for step in fairness hatecheck; do \
		$(BIN)/python -m training.$$step $(lastword $(RECIPE)) $(RESULTS) --data-dir $(DATA) || exit; \
	done
	for step in robustness explanations quality; do \
		$(BIN)/python benchmarks/$$step.py $(lastword $(RECIPE)) $(RESULTS) || exit; \
	done
	$(BIN)/python -m training.swaps $(RESULTS)
	$(BIN)/python -m training.checks --output docs/evaluation/checks.json --failures 0
	$(BIN)/python -m training.card

# With the oldest Python supported (3.11): what it needs, newer ones accept. Versions that are locked stay
# unless LOCK_OPTIONS=--upgrade. Each lock constrains the next, so all three agree.
PIP_COMPILE = CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile pyproject.toml --quiet --strip-extras \
	--annotation-style=line --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(LOCK_OPTIONS)

# The sed keeps torch's lock fit for CPU and CUDA builds alike: a build's local suffix (2.13.0+cpu) is not on
# the public registry, and the CUDA libraries come along by themselves where a torch asks for them.
lock: .venv-dev/ready ## Lock the dependencies of pyproject.toml again; LOCK_OPTIONS=--upgrade for newer ones
	$(PIP_COMPILE) --output-file=requirements/serving.txt
	$(PIP_COMPILE) --output-file=requirements/training.txt --extra=training \
		--constraint=requirements/serving.txt
	$(PIP_COMPILE) --output-file=requirements/dev.txt --extra=training --extra=dev \
		--constraint=requirements/training.txt
	sed -E -i -e 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1    /' -e '/^(nvidia-|cuda-|triton)/d' requirements/*.txt

clean: ## Remove environments and caches; data and runs stay
	rm -rf .venv .venv-dev .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp, touched last, stands for a finished environment: the next call starts at once.
.venv/ready: requirements/serving.txt pyproject.toml
	$(call environment,$(@D),$<)

.venv-dev/ready: requirements/dev.txt pyproject.toml
	$(call environment,$(@D),$<)

# The browser that opens the API's /docs page in the tests.
chromium:
	@command -v chromium >/dev/null || { $(call system,chromium); }

# Runs the JavaScript clients of the tests.
nodejs:
	@command -v node >/dev/null || { $(call system,nodejs); }

# A server of the tests' own, which they start and stop themselves.
postgresql:
	@ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || command -v pg_ctl >/dev/null || { $(call system,postgresql); }

# $(call environment,FOLDER,LOCK): a virtual environment with the locked packages and this checkout.
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo '$(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=…' >&2; exit 1; }
	@# Debian's Python cannot do this without python3-venv.
	@$(PYTHON) -m venv $(1) || { $(call system,python3-venv) && $(PYTHON) -m venv --clear $(1); }
	$(1)/bin/pip install --requirement $(2)
	$(1)/bin/pip install --no-deps --editable .
	@touch $(1)/ready
endef

# $(call system,PACKAGE): install a system package where that asks for no password; else name it and stop.
system = as=; [ "$$(id -u)" = 0 ] || as='sudo -n'; \
	command -v apt-get >/dev/null && $$as true 2>/dev/null || { \
		echo 'The system package $(1) is missing: sudo apt-get install $(1), then run make again.' >&2; \
		exit 1; \
	}; \
	echo 'Installing the system package $(1).'; \
	$$as apt-get update -qq && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $(1) >/dev/null
