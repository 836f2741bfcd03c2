# Every task of the project, in one place. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

READY := .venv/.installed
PIP := .venv/bin/python -m pip --disable-pip-version-check -qq
DATA := $(strip $(if $(SOURCE),-S ingest.source=$(SOURCE)) $(if $(SPATH),-S ingest.path=$(SPATH)))
# Processes that share the tests.
WORKERS := 2
INDEX = $${PIP_INDEX_URL:-$$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
LOCK := uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUTF8 := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
unexport OMP_NUM_THREADS  # an empty value prints a warning at every start
# Byte code is kept whatever the caller set: without it every stage compiles thousands of files anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup cluster run repro serve report mlflow bench degraded ladder overload worlds ablation alone test fuzz tamper torture check lock clean

help: ## List these tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Build .venv from the locked requirements (runs by itself when they change)

cluster: $(READY) ## Add Dask and Spark to .venv, for data beyond one machine (half a gigabyte; Spark wants Java 17)
	$(PIP) install --require-hashes --no-build-isolation -r requirements/cluster.txt

run: repro ## Data, model, report, then the service on a few declarations (ONCE=1 ends after them, BY= names who publishes)
	python -m pipelines.publish --by "$${BY:-$$(git config user.name | grep . || id -un)}" --note "make run"
	lanes demo $(if $(ONCE),--once,--port $(or $(LANES_PORT),8080)) --language en

repro: $(READY) ## Bring every stage up to date (SOURCE=kcs SPATH=folder writes other data into params.yaml)
	dvc $(if $(DATA),exp run $(DATA),repro)

serve: $(READY) ## Serve the published bundle until Ctrl-C, which is no error
	lanes serve || [ $$? -eq 130 ]

report: $(READY) ## Bring the managers' report up to date and say where it is
	dvc repro report
	@echo "Report: $(CURDIR)/data/reports/report.html"

mlflow: $(READY) ## Look at the tracked runs in a browser, at the address that it says first; Ctrl-C ends it
	@port=5000; while (: < /dev/tcp/127.0.0.1/$$port) 2>/dev/null; do port=$$((port + 1)); done; \
	MLFLOW_TRACKING_URI= python -m pipelines.track --where http://127.0.0.1:$$port && \
	mlflow ui --host 127.0.0.1 --port $$port --workers 1 --backend-store-uri sqlite:///mlflow.db

bench: $(READY) ## Measure speed and latency
	python -m tests.benchmarks.serving_latency
	python -m tests.benchmarks.decision_path $(if $(wildcard models/artifacts/bundle),--bundle models/artifacts/bundle)
	python -m tests.benchmarks.log_chain
	python -m tests.benchmarks.log_places
	python -m tests.benchmarks.catch_up

degraded: $(READY) ## Decide on 100,000 declarations in every degraded state: lanes, what is caught, limits
	python -m tests.benchmarks.degraded_states --preset mid_n

overload: $(READY) ## Measure the service under three times its load, beside slow callers, and two on one log
	python -m tests.benchmarks.overload
	python -m tests.benchmarks.slow_callers
	python -m tests.benchmarks.several

ladder: $(READY) ## Measure the service between a naive one and the bare minimum (two minutes)
	python -m tests.benchmarks.ladder $(if $(wildcard models/artifacts/bundle),--bundle models/artifacts/bundle)

worlds: $(READY) ## Make every preset of the simulator and check its figures (half an hour with models)
	python -m tests.benchmarks.preset_figures
	python -m tests.benchmarks.preset_figures --models --declarations 40000
	python -m tests.benchmarks.world_scale

ablation: $(READY) ## Leave out each family of features once and say what it was worth (minutes)
	python -m pipelines.ablation

test: $(READY) ## Run every test (WORKERS=4 on a machine with more cores)
	pytest -q -n $(WORKERS) --dist worksteal --cov=selectivity --cov-report=term:skip-covered

alone: $(READY) ## Install what the service needs alone, start it there, measure start and memory
	uv venv --quiet --clear --python .venv/bin/python build/alone
	index=$(INDEX); uv pip install --quiet --system-certs --python build/alone/bin/python \
	  $${index:+--default-index "$$index"} --require-hashes -r requirements/serving.txt
	python -m tests.benchmarks.service_alone --python build/alone/bin/python

fuzz: $(READY) ## Make up requests from the API description and see that all are answered as it says (EXAMPLES=1000)
	pytest -q tests/service/test_description.py --examples $(or $(EXAMPLES),1000)

tamper: $(READY) ## Tamper with a decision log in 1,000 ways and count what the verifier finds
	python -m tests.tampering --count 1000

torture: $(READY) ## Break the service and its log under load, cut the power, and count what is lost
	python -m tests.torture --file
	python -m tests.torture
	python -m tests.power_cut

check: $(READY) ## Format, lint, types and import contracts; changes nothing
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-logo

lock: $(READY) ## Resolve pyproject.toml anew into requirements/ (UPGRADE=1 takes newer versions)
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra train --extra dev pyproject.toml -o requirements/all.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) -c requirements/all.txt pyproject.toml -o requirements/serving.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) -c requirements/all.txt requirements/build.in -o requirements/build.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) -c requirements/all.txt --extra cluster pyproject.toml -o requirements/cluster.txt

clean: ## Remove what tools left behind; keeps .venv, data, models and tracked runs
	rm -rf build *.egg-info .coverage .hypothesis .*_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# uv is quick and takes pip's index if one is set; where it cannot reach any, pip, which knows all
# of the user's settings, installs the same files, checked against the same hashes.
$(READY): pyproject.toml requirements/build.txt requirements/all.txt
	@PATH=$${PATH#*:}; python=$$(for name in python3.11 python3 python; do \
	  $$name -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    && echo $$name && break; done) || { \
	  echo 'Python 3.11 or newer with its venv module is needed and was not found.'; \
	  echo 'Install it (Debian: apt-get install python3 python3-venv), then run make again.'; exit 1; }; \
	.venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  $$python -m venv --clear .venv
	@echo "1/4 environment   .venv, $$(.venv/bin/python --version)"
	@echo '2/4 installer     requirements/build.txt'
	@$(PIP) install --require-hashes -r requirements/build.txt
	@echo '3/4 dependencies  requirements/all.txt, half a minute to five minutes'
	@index=$(INDEX); \
	uv pip install --quiet --system-certs --python .venv/bin/python $${index:+--default-index "$$index"} \
	  --require-hashes --no-build-isolation -r requirements/all.txt || { \
	  echo '    uv could not install them; pip tries with its own settings, which takes longer'; \
	  $(PIP) install --require-hashes --no-build-isolation -r requirements/all.txt; }
	@echo '4/4 this project  editable'
	@$(PIP) install --no-deps --no-build-isolation -e .
	@python -c 'import lightgbm' || { echo 'LightGBM needs the OpenMP runtime' \
	  '(Debian: apt-get install libgomp1; macOS: brew install libomp).'; exit 1; }
	@touch $@
