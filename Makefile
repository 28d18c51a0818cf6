# `make sweep` is the main job. Every target sets up what it needs first, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help

EXPERIMENT ?= digits
ARGS ?=

# The active conda environment `rnnkit` is used where there is one, else .venv.
ifeq ($(notdir $(CONDA_PREFIX)),rnnkit)
  ENV := $(CONDA_PREFIX)
else
  ENV := .venv
endif
PY := $(ENV)/bin/python
STAMP := $(ENV)/.rnnkit-installed

# PYTHON=/path/to/python chooses the interpreter that .venv is made from.
PYTHON ?=

SWEEP_OPTIONS := $(if $(TRIALS),--trials $(TRIALS)) $(if $(WORKERS),--workers $(WORKERS)) \
                 $(if $(SEED),--seed $(SEED)) $(if $(STUDY),--study $(STUDY)) $(if $(STORAGE),--storage $(STORAGE))

.PHONY: help setup sweep train reproduce resume runs show dashboard report evidence sync workspace bench test coverage check gpu-check torture wheel

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## */\t/' | \
	  awk -F '\t' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo
	@echo "  options: EXPERIMENT=digits TRIALS=24 WORKERS=2 SEED=0 STUDY=name STORAGE=postgresql://...,"
	@echo "  and ARGS=\"...\" for flags of the command, as in:"
	@echo "    make train EXPERIMENT=digits ARGS=\"--hidden-size 32 --cell lstm\""

setup: $(STAMP)  ## install what is needed into .venv, or into the active conda environment rnnkit

sweep: $(STAMP)  ## sweep over hidden size and depth, then the rest: EXPERIMENT= TRIALS= WORKERS= SEED= STUDY= STORAGE=
	@$(PY) -m sweeps.run $(EXPERIMENT) $(SWEEP_OPTIONS) $(ARGS)

train: $(STAMP)  ## one run: EXPERIMENT= SEED= ARGS="--hidden-size 32"
	@$(PY) -m experiments $(EXPERIMENT) $(if $(SEED),--seed $(SEED)) $(ARGS)

reproduce: $(STAMP)  ## train a run again and compare every bit: RUN=
	@$(PY) -m experiments.reproduce $(or $(RUN),--help) $(ARGS)

resume: $(STAMP)  ## let a run that was stopped or killed go on: RUN=
	@$(PY) -m experiments.resume $(or $(RUN),--help) $(ARGS)

runs: $(STAMP)  ## list studies and runs: ARGS="--state running"
	@$(PY) -m sweeps.runs $(ARGS)

show: $(STAMP)  ## show one run or study, with curves and flags: RUN=
	@$(PY) -m sweeps.show $(or $(RUN),$(STUDY),--help) $(ARGS)

dashboard: $(STAMP)  ## look at runs and studies in a browser, on this machine alone: ARGS="--port 8642"
	@$(PY) -m sweeps.dashboard $(ARGS)

report: $(STAMP)  ## one page about a study to send or print, with figures as PNG and SVG: STUDY=
	@$(PY) -m sweeps.report $(or $(STUDY),--help) $(ARGS)

evidence: $(STAMP)  ## measure what docs/evidence.md still lacks, or one row: ROW=, ARGS="--jobs 2"
	@$(PY) -m sweeps.evidence $(if $(ROW),--row $(ROW)) $(ARGS)

sync: $(STAMP)  ## send runs that were recorded offline to Weights & Biases
	@$(PY) -m sweeps.sync $(ARGS)

workspace: $(STAMP)  ## make or renew the saved view at Weights & Biases: EXPERIMENT=
	@$(PY) -m sweeps.workspace $(EXPERIMENT) $(ARGS)

bench: $(STAMP)  ## time the layers beside torch.nn's, what looking inside costs, or sweeps: BENCH=layers|observing|sweep
	@$(PY) -m tests.bench.$(or $(BENCH),layers) $(ARGS)

# A part is a package of rnnkit, an experiment, or a folder of tests/; in one process, as starting more takes longer.
TESTED = $(firstword $(wildcard tests/rnnkit/$(PART) tests/$(PART) tests/experiments/test_$(PART).py))
PARTS = $(sort $(patsubst tests/rnnkit/%/__init__.py,%,$(wildcard tests/rnnkit/*/__init__.py))) \
        $(sort $(patsubst tests/%/__init__.py,%,$(wildcard tests/*/__init__.py tests/sweeps/*/__init__.py)))

test: $(STAMP)  ## run the tests, or those of one part: PART=sequences, PART=sweeps/web
ifndef PART
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)
else
	@$(if $(TESTED),,echo 'there are no tests of $(PART): choose one of $(filter-out bench rnnkit,$(PARTS))' >&2; exit 2)
	@$(PY) -m pytest $(if $(filter-out experiments rnnkit sweeps,$(PART)),,-n auto --maxprocesses 4 --dist loadfile) $(TESTED) $(ARGS)
endif

coverage: $(STAMP)  ## run the tests, and print the lines that none reaches (those of child processes count): PART=
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term-missing:skip-covered $(if $(PART),$(TESTED)) $(ARGS)

torture: $(STAMP)  ## kill, damage, replay, and compare every bit (an hour), or some parts: ARGS="kills damage"
	@$(PY) -m tests.torture $(ARGS)

# The library needs no newer C library than manylinux_2_17 has: memcpy and memset are all that it calls.
wheel: $(STAMP)  ## make a wheel with the kernel, which needs no compiler where it is installed: dist/
	@$(PY) -m pip wheel -q --disable-pip-version-check --no-deps -w dist \
	  --config-settings=--build-option=--plat-name=manylinux_2_17_$(shell uname -m) .
	@ls dist

gpu-check: $(STAMP)  ## train, look inside, resume, replay and time layers on a GPU, where there is one: ARGS="--device cpu"
	@$(PY) -m tests.gpu $(ARGS)

check: $(STAMP)  ## lint, and check the formatting and the types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(PY) -m pyright --pythonpath $(PY)

KERNEL := $(wildcard setup.py build_kernel.py rnnkit/nn/kernels/native/*.[ch])  # what the installation compiles

$(STAMP): pyproject.toml constraints.txt $(KERNEL)
ifeq ($(ENV),.venv)
	@python=; for p in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "rnnkit needs Python 3.11 or newer, and found none$(if $(PYTHON), at $(PYTHON)): install it, or name it with PYTHON=/path/to/python" >&2; exit 1; fi; \
	echo "Setting up .venv with $$("$$python" -V) (about a minute, once) ..."; \
	"$$python" -m venv .venv >/dev/null 2>&1 || { \
	  echo "This Python cannot make a virtual environment: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
endif
	@$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
