# `make` lists what can be done. Needs Python 3.11 or newer with venv; everything else goes into .venv.

PYTHON ?= python3
# Which inference runtime `make demo` and `make test` install: cpu or cuda, never both in one .venv.
RUNTIME ?= cpu
# For pip, such as an index that has PyTorch's CPU builds.
PIP_ARGS ?=
PYTEST_ARGS ?=
CLIP ?= assets/bigbuckbunny.mp4
# For `make models`; docs/models.md says what to give.
DATA ?=
STYLE ?=
FEATURES ?=
TRAIN_ARGS ?=
MODELS_OUT ?= runs/models

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)
MADE := $(VENV)/.made
SERVING := $(VENV)/.installed-$(RUNTIME)
DEVELOPING := $(VENV)/.installed-$(RUNTIME)-dev
MEASURING := $(VENV)/.installed-$(RUNTIME)-bench
PYTEST := $(PY) -m pytest -ra -n auto --dist loadfile
PROTOC := $(PY) -m grpc_tools.protoc -Iprotos
PROTOS := $(wildcard protos/reelwire/v1/*.proto)
BUF_VERSION := 1.75.0
BUF_FOLDER := .cache/buf
BUF := $(BUF_FOLDER)/node_modules/.bin/buf

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test quick protos models models-verify bench clean checks protos-unchanged buf

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(SERVING) ## run a real clip through the four services; leaves out/demo.mp4 and out/demo.png
	$(VENV)/bin/reelwire demo --clip $(CLIP) --out out

test: checks buf ## everything CI runs: format, lint, types, protos, all tests
	$(PYTEST) $(PYTEST_ARGS)

quick: checks ## the same without slow tests and buf
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

protos: $(DEVELOPING) ## regenerate the stubs in reelwire/v1
	$(PROTOC) --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

models: $(DEVELOPING) ## retrain restyle: DATA=folder STYLE=picture FEATURES=squeezenet11.onnx
	@if [ -z "$(DATA)" ] || [ -z "$(STYLE)" ] || [ -z "$(FEATURES)" ]; then \
	  echo "say what to learn from: make models DATA=folder STYLE=picture FEATURES=squeezenet11.onnx" >&2; \
	  echo "docs/models.md says where to get them and how long it takes" >&2; exit 2; fi
	$(PY) -m training.train restyle --data "$(DATA)" --style "$(STYLE)" --features "$(FEATURES)" \
	  --out runs/restyle $(TRAIN_ARGS)
	$(PY) -m exporters onnx runs/restyle/checkpoint.pt --out "$(MODELS_OUT)" --name restyle --version 1

models-verify: $(DEVELOPING) ## check every model that ships in every precision; the table goes into docs/models.md
	$(PY) -m exporters verify --write docs/models.md

bench: $(MEASURING) ## measure: hops, chains, many streams, overload, the pipeline, health calls, engines, a start
	@missed=; for run in hop chain streams "overload --minutes 1" pipeline responsiveness engines startup; do \
	  echo "== python -m bench.$$run"; $(PY) -m bench.$$run || missed="$$missed $${run%% *}"; done; \
	  [ -z "$$missed" ] || { echo "not within their limits:$$missed" >&2; exit 1; }

clean: ## remove what was built and made; keeps .venv and runs
	rm -rf out build dist .cache .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

checks: $(DEVELOPING)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	@$(MAKE) --no-print-directory protos-unchanged

protos-unchanged: $(DEVELOPING)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(PROTOC) --python_out="$$fresh" --pyi_out="$$fresh" --grpc_python_out="$$fresh" $(PROTOS) && \
	if diff -r -u --exclude=__init__.py --exclude=__pycache__ reelwire/v1 "$$fresh/reelwire/v1"; \
	then echo "protos: the stubs are up to date"; \
	else echo "reelwire/v1 is not what the protos give: run make protos and commit it" >&2; exit 1; fi

# Every field must read old messages: compared with the newest release, or with the first protos there were.
buf:
	@mkdir -p $(BUF_FOLDER) && echo '*' > .cache/.gitignore; \
	if ! command -v npm > /dev/null; then echo "SKIPPED buf lint and breaking: npm is not installed"; \
	elif ! [ -x $(BUF) ] && ! npm install --prefix $(BUF_FOLDER) --no-save --no-audit --no-fund \
	  --fetch-timeout=20000 --fetch-retries=1 @bufbuild/buf@$(BUF_VERSION) > $(BUF_FOLDER)/install.log 2>&1; \
	then echo "SKIPPED buf lint and breaking: npm could not install buf; see $(BUF_FOLDER)/install.log"; \
	elif ! $(BUF) --version > /dev/null 2>&1; \
	then echo "SKIPPED buf lint and breaking: buf does not run on this machine"; \
	else set -e; $(BUF) lint protos; echo "buf lint: passed"; \
	  if ! [ -d .git ]; then echo "SKIPPED buf breaking: not a git clone, nothing to compare with"; \
	  else against=$$(git describe --tags --abbrev=0 2> /dev/null || \
	    git log --diff-filter=A --format=%H -- protos/buf.yaml | tail -n 1); \
	    $(BUF) breaking protos --against ".git#ref=$$against,subdir=protos"; \
	    echo "buf breaking: passed against $$against"; fi; fi

$(MADE):
	@command -v $(PYTHON) > /dev/null || { \
	  echo "$(PYTHON) not found: install Python 3.11 or newer, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); 3.11 or newer is needed: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(SERVING): $(MADE) pyproject.toml
	@echo "installing reelwire[$(RUNTIME)] into $(VENV) (a minute or two the first time)"
	@$(PIP) -e ".[$(RUNTIME)]"
	@touch $@

# What is measured beside ours may have no wheel here: then its rows are "not measured".
$(MEASURING): $(MADE) pyproject.toml
	@echo "installing reelwire[$(RUNTIME),bench] into $(VENV)"
	@$(PIP) -e ".[$(RUNTIME),bench]" || { \
	  echo "not all of the extra bench can be installed; measuring without" >&2; $(PIP) -e ".[$(RUNTIME)]" psutil; }
	@touch $(SERVING) $@

$(DEVELOPING): $(MADE) pyproject.toml
	@echo "installing reelwire[$(RUNTIME),train,dev] into $(VENV) (PyTorch is large: some minutes the first time)"
	@$(PIP) -e ".[$(RUNTIME),train,dev]"
	@touch $(SERVING) $@
