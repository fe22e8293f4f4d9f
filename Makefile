# `make up` runs everything, `make test` tests it; both set up what they need, once.
PYTHON ?= python3
VENV := .venv
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up venue stack test test-long test-bus check bench bench-quick bench-truth soak way fuzz browser screenshots generators foreign schemas client docs docs-serve constraints clean rabbitmq rabbitmq-or-docker postgresql promtool amqp10 page-tools chromium

# Set to be handed on only where the caller gave them; otherwise the settings have their own defaults.
ifdef PORT
export PERPS_DMA_PORT := $(PORT)
endif
ifdef STATE
export PERPS_DMA_STATE := $(STATE)
endif

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

up: $(VENV)/.run rabbitmq ## run broker, sandbox venues, worker and HTTP shim until Ctrl-C (PORT=8080 STATE=.perps-dma)
	@exec $(VENV)/bin/perps-dma up

stack: ## run everything in containers: deploy/compose.yaml, with its secrets and its image made first
	@deploy/stack.sh

test: $(VENV)/.dev rabbitmq-or-docker postgresql promtool amqp10 page-tools ## run every test (ARGS= for pytest)
	@$(VENV)/bin/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

test-long: $(VENV)/.dev rabbitmq-or-docker postgresql amqp10 ## run the tests that take longer than a few seconds each (ARGS= for pytest)
	@$(VENV)/bin/python -m pytest -m long $(ARGS)

# Of the bus: every promise that depends on the broker's version. CI runs them on RabbitMQ 4.3 as well.
BUS_TESTS := $(patsubst %,tests/integration/test_%.py,bus answers refused_channels rights dead_letters shard_takeover private_broker amqp10 deployed_broker) \
	$(patsubst %,tests/faults/test_%.py,given_back lost_answer)

test-bus: $(VENV)/.dev rabbitmq amqp10 ## run the tests of the bus alone, on whatever RabbitMQ is on the PATH
	@$(VENV)/bin/python -m pytest --numprocesses 3 --dist loadfile $(BUS_TESTS) $(ARGS)

generators: $(VENV)/.dev rabbitmq ## make clients of our API documents with the usual generators, and try each (ARGS= for pytest)
	@deploy/install-clients.sh $(PYTHON) generated $(VENV)/generators
	@PERPS_DMA_GENERATORS=$(VENV)/generators $(VENV)/bin/python -m pytest -m generated tests/generated $(ARGS)

foreign: $(VENV)/.dev rabbitmq ## run clients of the bus that are not ours: pika, kombu, FastStream, node's, rstream (ARGS= for pytest)
	@deploy/install-clients.sh $(PYTHON) foreign $(VENV)/foreign
	@PERPS_DMA_FOREIGN=$(VENV)/foreign $(VENV)/bin/python -m pytest -m foreign tests/foreign $(ARGS)

browser: $(VENV)/.dev rabbitmq chromium ## try the console in a real Chromium (ARGS= for pytest)
	@$(VENV)/bin/python -m pytest -m browser tests/browser $(ARGS)

screenshots: $(VENV)/.dev rabbitmq chromium ## take the pictures of the console in the documentation anew
	@$(VENV)/bin/python -m tests.browser.screenshots deploy/docs/images

check: $(VENV)/.dev ## check format, lint, types and architecture
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.dev rabbitmq-or-docker ## measure side by side with named references, in at most ten minutes (ARGS=--markdown)
	@$(VENV)/bin/python -m tests.benchmarks $(ARGS)

bench-quick: $(VENV)/.dev rabbitmq-or-docker ## the most of it in two minutes: fewer samples, no million of commands, no soak
	@$(VENV)/bin/python -m tests.benchmarks --quick $(ARGS)

bench-truth: $(VENV)/.dev ## drive ours, ccxt and the official clients through the same faults: who says what is not so (ARGS=--markdown)
	@$(VENV)/bin/python -W ignore -m tests.benchmarks.truth $(ARGS)

soak: $(VENV)/.dev rabbitmq postgresql ## break everything at random for ten minutes, and count (PERPS_DMA_SOAK_S, PERPS_DMA_SOAK_SEED)
	@$(VENV)/bin/python -m pytest tests/faults -m soak -s $(ARGS)

way: $(VENV)/.dev ## follow one set_leverage through our own functions, and count them
	@$(VENV)/bin/python -m tests.way

fuzz: $(VENV)/.dev rabbitmq-or-docker ## send what is made up at random for ten minutes (PERPS_DMA_FUZZ_TIMES, PERPS_DMA_FUZZ_SEED)
	@PERPS_DMA_FUZZ_TIMES=$${PERPS_DMA_FUZZ_TIMES:-20} $(VENV)/bin/python -m pytest tests/fuzz --timeout 1800 $(ARGS)

venue: $(VENV)/.dev ## make a new venue from the template, and register it (NAME=kraken; ARGS=--help explains)
	@$(VENV)/bin/python deploy/make_venue.py $(NAME) $(ARGS)

schemas: $(VENV)/.dev ## write what is generated anew: the documents of the API, the client's methods, the broker's definitions, the reference
	@$(VENV)/bin/perps-dma schemas --write
	@$(VENV)/bin/python deploy/client/make_calls.py
	@$(VENV)/bin/perps-dma definitions > deploy/rabbitmq/definitions.json
	@$(VENV)/bin/python deploy/write_reference.py

client: $(VENV)/.run ## build the typed client's wheel into dist/
	@deploy/client/build.sh $(VENV)/bin/python dist

docs: $(VENV)/.dev ## build the documentation as a site, strictly, into build/site
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict --clean --config-file deploy/mkdocs.yml
	@echo 'built build/site/index.html'

docs-serve: $(VENV)/.dev ## serve it on loopback, built anew with each change (ARGS="--dev-addr 127.0.0.1:8000")
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs serve --strict --config-file deploy/mkdocs.yml --dev-addr 127.0.0.1:8000 $(ARGS)

constraints: ## pin the current versions of all Python packages anew
	@deploy/pin-python-packages.sh $(PYTHON)

clean: ## remove the virtual environment, caches and the default state folder
	rm -rf $(VENV) .perps-dma build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find schemas worker tests -name __pycache__ -type d -prune -exec rm -rf {} +

rabbitmq:
	@deploy/install-rabbitmq.sh

postgresql:
	@deploy/install-postgresql.sh

promtool:
	@deploy/install-promtool.sh

page-tools:
	@deploy/install-page-tools.sh

chromium:
	@deploy/install-chromium.sh

amqp10:
	@deploy/install-amqp10-client.sh

rabbitmq-or-docker:
	@deploy/install-rabbitmq.sh || echo 'going on: where a Docker engine answers, the tests take their RabbitMQ from it'

$(VENV)/pyvenv.cfg:
	@deploy/make-venv.sh $(PYTHON) $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@deploy/install-python-packages.sh $(VENV)/bin/python
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@deploy/install-python-packages.sh $(VENV)/bin/python dev
	@touch $@ $(VENV)/.run
