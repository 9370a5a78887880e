# Everything a developer or CI runs. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What the service's settings need to be imported by mypy's Django plugin; nothing is connected.
LINT_ENV := HOTROW_SECRET_KEY=lint HOTROW_JWT_KEYS=lint:lint-lint-lint-lint-lint-lint-lint \
	HOTROW_DATABASE_URL=postgresql://lint@127.0.0.1/lint HOTROW_CONNECTION_MODE=per_request

# What must also pass where PgBouncer has one server, because no call keeps a session.
ONE_SERVER := $(addprefix tests/integration/,test_lifecycle.py test_reserve_stock.py test_order_rules.py)
RACES := $(addprefix tests/integration/,test_races.py test_many.py test_stock_modes.py test_strategies.py)

# Where the deployment's secrets are made, and which.
SECRETS ?= secrets
SECRET_NAMES := secret_key jwt_keys $(addsuffix _password,migrator app readonly replicator monitor pooler redis grafana)

.DEFAULT_GOAL := help
# They build on each other, in this order.
COMPOSE_CHECKS := $(patsubst %,tests/compose/%_checks.py,use backup failover end)

.PHONY: help setup setup-tests demo up down lint test soak check bench bench-peers lock secrets compose-test

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1	\2/' | expand -t 14

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "The venv module is missing: install your system's python3-venv package"; exit 1; }
	@echo "Installing the locked dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

setup: $(STAMP) ## Make .venv, and install pgbouncer and redis-server where this user may
	@$(BIN)/hotrow setup

setup-tests: $(STAMP)
	@$(BIN)/hotrow setup --tests

demo: setup ## Measure a flash sale in the report's configuration and in the kit's
	@$(BIN)/hotrow demo $(ARGS)

up: setup ## Start the local stack
	@$(BIN)/hotrow up $(ARGS)

down: $(STAMP) ## End the local stack
	@$(BIN)/hotrow down $(ARGS)

lint: $(STAMP) ## Check style, types, imports and SQL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(LINT_ENV) $(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hotrow migrations manifest --check
	$(BIN)/hotrow migrations lint sql --include prefer-text-field --fail-on warn

test: setup-tests ## Run the tests on real PostgreSQL, PgBouncer and Redis
	$(BIN)/python -m pytest $(ARGS)
	HOTROW_TEST_POOL_SIZE=1 $(BIN)/python -m pytest -q $(ONE_SERVER)

soak: setup-tests ## Run the long tests: histories for 10 minutes, 100,000 carts, every pair, faults, races again and again
	HOTROW_SOAK_S=600 $(BIN)/python -m pytest tests/integration $(ARGS)
	HOTROW_SOAK_S=60 HOTROW_TEST_POOL_SIZE=1 $(BIN)/python -m pytest tests/integration --ignore=tests/integration/test_faults.py $(ARGS)
	for round in 1 2 3 4 5 6 7 8 9 10; do $(BIN)/python -m pytest -q $(RACES) $(ARGS) || exit 1; done

check: lint test ## Everything that CI runs

bench: setup ## Measure the report's own scale: 1,000 users at 50/s for 60 s
	@$(BIN)/hotrow demo --users 1000 --spawn-rate 50 --seconds 60 $(ARGS)

bench-peers: $(STAMP) ## Install what the benchmarks compare with, in .venv-peers, and wrk where this user may
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r tuning/bench/peers/requirements.txt
	@$(BIN)/hotrow setup --bench

compose-test: $(STAMP) ## Start the deployment in containers and end each in turn; needs Docker, or root to install and start it
	@$(BIN)/hotrow setup --compose
	$(BIN)/python -m pytest -p no:randomly -v $(COMPOSE_CHECKS) $(ARGS)

secrets: ## Make the deployment's passwords and keys under ./secrets, each once
	@umask 077 && mkdir -p $(SECRETS) && chmod 700 $(SECRETS) && for name in $(SECRET_NAMES); do \
		test ! -e $(SECRETS)/$$name || continue; \
		{ case $$name in jwt_keys) printf 'k1:' ;; esac; head -c 48 /dev/urandom | base64 | tr '+/' '-_'; } \
			> $(SECRETS)/.$$name && chmod 444 $(SECRETS)/.$$name && mv $(SECRETS)/.$$name $(SECRETS)/$$name || exit 1; \
		echo "Made $(SECRETS)/$$name"; \
	done

lock: $(STAMP) ## Resolve the dependencies again and write the locks
	$(BIN)/uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 --generate-hashes \
		--fork-strategy fewest --no-header --no-annotate --upgrade --output-file requirements.lock
	@# What each image of the deployment installs is a part of it; the tools' is what hotrow itself depends on.
	for extra in service load tools; do \
		$(BIN)/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["optional-dependencies"].get(sys.argv[1], project["dependencies"]), sep="\n")' $$extra | \
		$(BIN)/uv pip compile - --quiet --universal --python-version 3.11 --generate-hashes --fork-strategy fewest \
			--no-header --no-annotate --constraint requirements.lock --output-file requirements-$$extra.lock || exit 1; \
	done
