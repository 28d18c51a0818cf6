# `make sweep` is the main job. Every target sets up what it needs first, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Options are what stands on make's command line. A variable of the same name that the shell has exported for something
# else (SEED, RUN, DATA ...) is none, and neither is a name that no target knows: a slip of the pen, most likely.
OPTIONS := EXPERIMENT DATA TARGET TRIALS WORKERS SEED STUDY STUDIES STORAGE RUN ROW PART BENCH ARGS PYTHON
$(foreach name,$(OPTIONS),$(if $(findstring environment,$(origin $(name))),$(eval override $(name) :=)))

takes_sweep := EXPERIMENT DATA TARGET TRIALS WORKERS SEED STUDY STORAGE
takes_train := EXPERIMENT DATA TARGET SEED
takes_reproduce := RUN STUDY
takes_resume := RUN
takes_predict := RUN DATA
takes_show := RUN STUDY
takes_compare := STUDIES
takes_table := STUDY STUDIES
takes_report := STUDY
takes_evidence := ROW
takes_workspace := EXPERIMENT
takes_bench := BENCH
takes_test := PART
takes_coverage := PART
without_ARGS := help setup check docs wheel

# RUN= or STUDY= of a target that works on one; a name may stand in ARGS too.
needed = $(if $(strip $(foreach name,$(1),$(value $(name)))$(ARGS)),,$(error make $@ needs $(firstword $(1))=name: make runs lists them))

# What has a blank, a quote or a dollar sign in it is one word for the shell all the same.
empty :=
blank := $(empty) $(empty)
quoted = '$(subst ','\'',$(value $(1)))'
option = $(if $(value $(2)),$(1) $(call quoted,$(2)))
each = $(foreach one,$(value $(1)),$(call quoted,one))

GOALS := $(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))
TAKEN := PYTHON $(foreach goal,$(GOALS),$(takes_$(goal))) $(if $(filter-out $(without_ARGS),$(GOALS)),ARGS)
# Names with an underscore (WANDB_MODE=offline), CC and SHELL go to the commands as variables of their environment.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
GIVEN := $(strip $(foreach name,$(filter-out CC SHELL MAKEFLAGS,$(GIVEN)),$(if $(findstring _,$(name)),,$(name))))
ifneq ($(filter-out $(TAKEN),$(GIVEN)),)
  $(error make $(GOALS) knows no option $(firstword $(filter-out $(TAKEN),$(GIVEN))): its options are $(addsuffix =,$(sort $(TAKEN))))
endif

override EXPERIMENT := $(or $(value EXPERIMENT),digits)

# Settings of Python and tqdm that are meant for other programs; one of them (PYTHONSAFEPATH) would hide the checkout.
$(foreach name,$(filter-out PYTHONHOME PYTHONPATH PYTHONUSERBASE PYTHONNOUSERSITE PYTHONPYCACHEPREFIX,$(filter \
  PYTHON% TQDM_% BASH_ENV CDPATH GREP_OPTIONS,$(.VARIABLES))),$(if $(findstring environment,$(origin $(name))),$(eval unexport $(name))))

# The active conda environment `rnnkit` is used where there is one, else .venv. Its path may have blanks in it.
CONDA := $(subst $(blank),?,$(value CONDA_PREFIX))
ifeq ($(notdir $(CONDA)),rnnkit)
  ENV := $(value CONDA_PREFIX)
else
  ENV := .venv
endif
PY := '$(subst ','\'',$(ENV))/bin/python'
STAMP := $(subst $(blank),\$(blank),$(ENV))/.rnnkit-installed

SWEEP_OPTIONS = $(call option,--trials,TRIALS) $(call option,--workers,WORKERS) $(call option,--seed,SEED) \
                $(call option,--study,STUDY) $(call option,--storage,STORAGE)
DATA_OPTIONS = $(strip $(call option,--data,DATA) $(call option,--target,TARGET))
# They are the experiment's, behind the -- that ARGS may have.
SWEEP_DATA = $(if $(DATA_OPTIONS),$(if $(filter --,$(ARGS)),,--) $(DATA_OPTIONS))

.PHONY: help setup sweep train reproduce resume predict runs show compare table dashboard report evidence sync workspace bench test coverage check docs gpu-check torture wheel

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## */\t/' | \
	  awk -F '\t' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo
	@echo "  options: EXPERIMENT=digits DATA=file TARGET=column TRIALS=24 WORKERS=2 SEED=0 STUDY=name STUDIES=\"a b\","
	@echo "  STORAGE=postgresql://...,"
	@echo "  and ARGS=\"...\" for flags of the command, as in:"
	@echo "    make train EXPERIMENT=digits ARGS=\"--hidden-size 32 --cell lstm\""

setup: $(STAMP)  ## install what is needed into .venv, or into the active conda environment rnnkit

sweep: $(STAMP)  ## sweep over hidden size and depth, then the rest: EXPERIMENT= DATA= TARGET= TRIALS= WORKERS= SEED= STUDY= STORAGE=
	@$(PY) -m sweeps.run $(call quoted,EXPERIMENT) $(SWEEP_OPTIONS) $(ARGS) $(SWEEP_DATA)

train: $(STAMP)  ## one run: EXPERIMENT= DATA= TARGET= SEED= ARGS="--hidden-size 32"
	@$(PY) -m experiments $(call quoted,EXPERIMENT) $(DATA_OPTIONS) $(call option,--seed,SEED) $(ARGS)

reproduce: $(STAMP)  ## train a run or sweep a study again, and compare every bit: RUN= or STUDY=
	@$(call needed,RUN STUDY)$(PY) -m $(if $(value STUDY),sweeps.reproduce $(call quoted,STUDY),experiments.reproduce $(if $(value RUN),$(call quoted,RUN))) $(ARGS)

resume: $(STAMP)  ## let a run that was stopped or killed go on: RUN=
	@$(call needed,RUN)$(PY) -m experiments.resume $(if $(value RUN),$(call quoted,RUN)) $(ARGS)

predict: $(STAMP)  ## what a trained net says of a file, or of standard input: RUN= DATA=
	@$(call needed,RUN)$(PY) -m experiments.predict $(if $(value RUN),$(call quoted,RUN)) $(if $(value DATA),$(call quoted,DATA)) $(ARGS)

runs: $(STAMP)  ## list studies and runs: ARGS="--state running"
	@$(PY) -m sweeps.runs $(ARGS)

show: $(STAMP)  ## show one run or study, with curves and flags: RUN=
	@$(call needed,RUN STUDY)$(PY) -m sweeps.show $(if $(value RUN),$(call quoted,RUN),$(if $(value STUDY),$(call quoted,STUDY))) $(ARGS)

compare: $(STAMP)  ## compare studies or groups of runs on the test part, over seeds: STUDIES="a b", ARGS="--by depth"
	@$(call needed,STUDIES)$(PY) -m sweeps.compare $(call each,STUDIES) $(ARGS)

table: $(STAMP)  ## print a table for a paper: STUDY=, or STUDIES="a b", ARGS="--format latex|markdown|csv"
	@$(call needed,STUDY STUDIES)$(PY) -m sweeps.table $(call each,STUDY) $(call each,STUDIES) $(ARGS)

dashboard: $(STAMP)  ## look at runs and studies in a browser, on this machine alone: ARGS="--port 8642"
	@$(PY) -m sweeps.dashboard $(ARGS)

report: $(STAMP)  ## one page about a study to send or print, with figures as PNG and SVG: STUDY=
	@$(call needed,STUDY)$(PY) -m sweeps.report $(if $(value STUDY),$(call quoted,STUDY)) $(ARGS)

evidence: $(STAMP)  ## measure what docs/evidence.md still lacks, or one row: ROW=, ARGS="--jobs 2"
	@$(PY) -m sweeps.evidence $(call option,--row,ROW) $(ARGS)

sync: $(STAMP)  ## send runs that were recorded offline to Weights & Biases
	@$(PY) -m sweeps.sync $(ARGS)

workspace: $(STAMP)  ## make or renew the saved view at Weights & Biases: EXPERIMENT=
	@$(PY) -m sweeps.workspace $(call quoted,EXPERIMENT) $(ARGS)

bench: $(STAMP)  ## time the layers beside torch.nn's, what looking inside costs, sweeps, own data, or the dashboard: BENCH=layers|cells|observing|steps|sweep|own|dashboard, and others in tests/bench
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

torture: $(STAMP)  ## kill, damage, replay, and compare every bit (an hour or more), or some parts: ARGS="kills damage"
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

# What others may import, and each cell's equations; -W error makes what pdoc cannot resolve an error.
NOT_PUBLIC := mirror starting nn.kernels
PUBLIC := rnnkit rnnkit.training.estimators $(subst /,.,$(basename $(wildcard rnnkit/nn/cells/[a-z]*.py)))

docs: $(STAMP)  ## make a reference from the docstrings: build/docs/index.html
	@$(PY) -W error -m pdoc -o build/docs -t docs/api $(PUBLIC) $(NOT_PUBLIC:%='!rnnkit.%')
	@echo build/docs/index.html

KERNEL := $(wildcard setup.py build_kernel.py rnnkit/nn/kernels/native/*.[ch])  # what the installation compiles

# compat puts the checkout on Python's path; else its folder, called rnnkit, would hide the package from scripts above it.
$(STAMP): pyproject.toml constraints.txt $(KERNEL)
ifeq ($(ENV),.venv)
	@python=; for p in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "rnnkit needs Python 3.11 or newer, and found none$(if $(PYTHON), at $(PYTHON)): install it, or name it with PYTHON=/path/to/python" >&2; exit 1; fi; \
	echo "Setting up .venv with $$("$$python" -V) (about a minute, once) ..."; \
	said=$$("$$python" -m venv .venv 2>&1) || { \
	  echo "This Python cannot make a virtual environment: $$(echo "$$said" | grep . | tail -n 1) (where its venv module is missing, install it; Debian: apt-get install python3-venv)" >&2; exit 1; }
endif
	@$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e '.[dev]'
	@touch '$(subst ','\'',$(ENV))/.rnnkit-installed'
