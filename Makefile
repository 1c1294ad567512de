.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
MEMBERS := schemas client primaries services/projector services/query services/pipeline services/auditor deploy/local
PROJECTS := $(addsuffix /pyproject.toml,$(MEMBERS))

.PHONY: help
help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements/bootstrap.txt requirements/dev.txt $(PROJECTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit("Milepost needs Python 3.11 or newer.") if sys.version_info < (3, 11) else None'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bootstrap.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet requirements/bootstrap.txt requirements/dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/.installed  ## Install everything into .venv

.PHONY: run
run: install  ## Start Milepost and take files through it: make run ARGS="paper.pdf notes/"
	@$(BIN)/milepost up $(ARGS)

.PHONY: test
test: install  ## Run the whole test suite against real Kafka and Redis
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: faults
faults: install  ## Break everything 200 times under load: make faults ARGS="--faults 20 --seed 1"
	@$(BIN)/python -m tests.faults.campaign $(ARGS)
	@$(BIN)/python -m pytest tests/property/test_protocol.py --hypothesis-profile=faults

.PHONY: check
check: install  ## Check format, lint, types and import rules
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

.PHONY: format
format: install  ## Format the code and sort the imports
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

.PHONY: generate
generate: install  ## Write JSON Schema, AsyncAPI and OpenAPI anew from the code
	@$(BIN)/python -m milepost_schemas schemas/generated
	@$(BIN)/python -m milepost_query.description.openapi_file schemas/generated/openapi.json

.PHONY: pin
pin: install  ## Pin the newest releases that fit together
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links requirements/members.in requirements/dev.in -o requirements/dev.txt

.PHONY: clean
clean:  ## Remove all that was made: environment, data, build results
	@rm -rf $(VENV) .milepost .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
