# Every target sets up what it needs by itself. Beforehand there need only be make, git and a Python of at least 3.11:
# uv, the locked Python environments, Node and the CDK CLI come from the package registries, into this folder.

.DEFAULT_GOAL := help
SHELL := /bin/sh
UV_VERSION := 0.13.9
# The interpreter behind a virtual environment, if one is active: ours would be among them.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys._base_executable)' 2>/dev/null && break; done)

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(CURDIR)/.tools/bin:$(PATH)
export UV_PYTHON := $(PYTHON)
# What another project has left in the shell must not choose our packages, nor have each process compile them anew.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME UV_PROJECT_ENVIRONMENT PYTHONDONTWRITEBYTECODE

# A company's package index: one setting, of uv or of pip, serves both tools. npm has its own, npm_config_registry.
# uv accepts "name=URL"; pip takes the URL alone.
INDEX := $(shell printf '%s' "$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$$PIP_INDEX_URL}}" | sed 's/^[A-Za-z0-9._-]*=//')
ifneq ($(INDEX),)
ifeq ($(UV_DEFAULT_INDEX)$(UV_INDEX_URL),)
export UV_DEFAULT_INDEX := $(INDEX)
endif
ifeq ($(PIP_INDEX_URL),)
export PIP_INDEX_URL := $(INDEX)
endif
endif

# What stays on this machine heeds neither the developer's AWS settings nor a proxy.
LOCAL := env $$(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/-u \1/p') AWS_CONFIG_FILE=/dev/null \
	AWS_SHARED_CREDENTIALS_FILE=/dev/null NO_PROXY=localhost,127.0.0.1,.moto.test no_proxy=localhost,127.0.0.1,.moto.test
# Through the environment, so that no shell takes a folder's name apart.
export EVENTS PORT

UV := .tools/bin/uv
SETUP := .venv/.ready node_modules/.ready
SANDBOX := $(SETUP) .venv-runtime/.ready

.PHONY: help
help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-23s %s\n", $$1, $$2 }'

.PHONY: demo
demo: $(SANDBOX) ## deploy for real into an embedded AWS and show what happens (EVENTS=<folder>: replay CloudTrail records)
	@$(LOCAL) python -m demo $${EVENTS:+--events "$$EVENTS"}

.PHONY: demo-org
demo-org: $(SANDBOX) ## the same for an organization: a hub, accounts that join and leave, regions, and their coverage
	@$(LOCAL) python -m demo.organization

.PHONY: test
test: $(SANDBOX) ## lint, types, import contracts and every test, the real deployment among them
	@$(MAKE) --no-print-directory --jobs 2 check tests

.PHONY: tests
tests: $(SANDBOX)
	@# A file's tests share what they have set up, so they stay together, in the order of testpaths.
	@$(LOCAL) pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: test-fast
test-fast: $(SANDBOX) ## lint, unit tests and the contract: what to run before each commit
	@$(MAKE) --no-print-directory --jobs 2 lint tests-fast

.PHONY: tests-fast
tests-fast: $(SANDBOX)
	@$(LOCAL) pytest tests/contract tests/unit --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: test-sandbox
test-sandbox: $(SANDBOX) ## the embedded AWS's own tests
	@$(LOCAL) pytest --rootdir sandbox --config-file sandbox/pyproject.toml sandbox/tests \
		--numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: mutants
mutants: $(SANDBOX) ## put known faults into copies of the code, and see a test fail for each (ARGS=<words>: only these)
	@$(LOCAL) python -m tests.mutants $(ARGS)

.PHONY: fuzz
fuzz: .venv/.ready ## odd payloads and wrong answers of AWS, many more than in make test (SEED=<number>: other ones)
	@$(LOCAL) pytest tests/fuzz --numprocesses auto --maxprocesses 4 \
		--hypothesis-profile fuzz --hypothesis-seed '$(or $(SEED),0)'

.PHONY: test-browser
test-browser: .venv/.ready ## the page of the report in headless Chromium (as root on Debian it is installed), and how fast it opens
	@python -m tests.browser.chromium || { test "$$(id -u)" = 0 && apt-get update -qq \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null \
		&& python -m tests.browser.chromium; } || { echo 'This needs chromium on PATH.' >&2; exit 1; }
	@$(LOCAL) PYTHONPATH=lambda_src:. pytest tests/browser
	@$(LOCAL) PYTHONPATH=lambda_src:. python -m tests.browser.opening

.PHONY: test-company-index
test-company-index: .venv/.ready ## set-up and synth with a loopback mirror of the registries, and nothing else to reach
	@pytest tests/company_index

.PHONY: check
check: .venv/.ready ## lint, types and import contracts
	@ruff check
	@ruff format --check
	@mypy
	@PYTHONPATH=lambda_src:sandbox/src:. lint-imports

.PHONY: fix
fix: .venv/.ready ## correct what the linter can correct, and format the code
	@ruff check --fix
	@ruff format

.PHONY: lint
lint: .venv/.ready
	@ruff check
	@ruff format --check

.PHONY: synth
synth: $(SETUP) ## write the CloudFormation template and the Lambda asset to cdk.out/
	@cdk synth --quiet $(ARGS)

.PHONY: schema
schema: .venv/.ready ## write policy.schema.json anew, once the keys of the policy have changed
	@python -m infra.policy_file > policy.schema.json.new && mv policy.schema.json.new policy.schema.json

.PHONY: bootstrap
bootstrap: $(SETUP) ## prepare an account and region for the CDK, once
	@cdk bootstrap $(ARGS)

.PHONY: deploy
deploy: $(SETUP) ## deploy to the account and region of your AWS credentials (ARGS='--context key=value': settings)
	@cdk deploy $(ARGS)

.PHONY: destroy
destroy: $(SETUP) ## remove the deployment; the profiling groups stay
	@cdk destroy $(ARGS)

.PHONY: sandbox
sandbox: $(SANDBOX) ## serve the embedded AWS on a loopback port until interrupted
	@$(LOCAL) python -m embedded_aws $${PORT:+--port "$$PORT"}

.PHONY: bench
bench: $(SANDBOX) ## run benchmarks: calls, cold start, bundle, memory, backfill rates, cost of an organization (a few minutes)
	@$(LOCAL) PYTHONPATH=lambda_src python -m bench

.PHONY: audit
audit: .venv/.ready ## look up known vulnerabilities of all locked dependencies, of Python (OSV) and of npm (its registry)
	@status=0; \
	$(UV) audit --frozen --preview-features audit-command || status=1; \
	npm audit --package-lock-only --no-update-notifier || status=1; \
	exit $$status

.PHONY: sbom
sbom: .venv/.ready ## write sbom.json (CycloneDX 1.5): the packages in the Lambda asset, without those of the AWS runtime
	@$(UV) export --frozen --quiet --preview-features sbom-export --format cyclonedx1.5 \
		--only-group lambda --prune jmespath --output-file sbom.json

.PHONY: clean
clean: ## remove what the targets above have set up and made
	rm -rf .tools .venv .venv-runtime node_modules cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis sbom.json

$(UV): Makefile
	@test -n '$(PYTHON)' || { echo 'This needs a Python of at least 3.11 on PATH (or: make PYTHON=/path/to/python …).' >&2; exit 1; }
	@echo 'Setting up uv $(UV_VERSION) …'
	@rm -rf .tools && mkdir -p .tools/bin
	@# A Debian Python may come without venv, but with pip.
	@if '$(PYTHON)' -m venv .tools >/dev/null 2>&1; then .tools/bin/python -m pip install --quiet uv==$(UV_VERSION); \
	else rm -rf .tools && mkdir -p .tools/bin \
	&& '$(PYTHON)' -m pip install --quiet --target .tools/pip uv==$(UV_VERSION) && ln -s ../pip/bin/uv $(UV); fi
	@touch $(UV)

# The mark says where an environment was set up: in a folder that was moved since, it is set up anew.
ifneq ($(shell cat .venv/.ready 2>/dev/null),$(CURDIR))
$(shell rm -rf .venv .venv-runtime)
endif

# `uv sync` would ask the hosts that uv.lock names. An exported list has hashes but no hosts, so the index in force serves it.
# The project and the sandbox are installed in place by the locked build backend, which needs no index.
.venv/.ready: $(UV) pyproject.toml sandbox/pyproject.toml uv.lock
	@echo 'Setting up the Python environment …'
	@$(UV) venv --quiet --allow-existing .venv
	@$(UV) export --frozen --quiet --no-emit-workspace --output-file .venv/requirements.txt
	@$(UV) pip sync --quiet --python .venv --require-hashes .venv/requirements.txt
	@$(UV) pip install --quiet --python .venv --offline --no-deps --no-build-isolation --editable . --editable sandbox
	@echo '$(CURDIR)' > $@

# Only what the stock Lambda runtime brings: a bundle that lacks something fails here as it would in AWS.
.venv-runtime/.ready: $(UV) pyproject.toml uv.lock
	@echo 'Setting up a bare Lambda runtime …'
	@$(UV) venv --quiet --allow-existing .venv-runtime
	@$(UV) export --frozen --quiet --only-group runtime --output-file .venv-runtime/requirements.txt
	@$(UV) pip sync --quiet --python .venv-runtime --compile-bytecode --require-hashes .venv-runtime/requirements.txt
	@touch $@

node_modules/.ready: .venv/.ready package.json package-lock.json
	@echo 'Setting up the CDK CLI …'
	@npm ci --loglevel=error --no-audit --no-fund --no-update-notifier >/dev/null
	@touch $@
