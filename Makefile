# make demo: the default study, its report, and a check of its results; make demo SEED=7: with another seed, in
# seeds/7. make seeds: the replication of the default study with ten seeds, and a table of its leads.
# make export: the networks of the default study in the forms of other programs. make test: the test
# suite. make test-slurm: tests on a Slurm that they start on this machine, where Debian's is installed.
# Needs Python 3.11 or 3.12 (PYTHON=/path/to/python names another than the one found).

PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c "" 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: install install-gpu demo report seeds reproduce export test test-runs test-docs test-fuzz test-faults test-browser \
    test-envs test-slurm test-exports test-mutants coverage gpu-check lint config-table docs lock

install: .venv/installed

# Byte-compiled: importing csbdeep and TensorFlow takes far longer otherwise, in every job. The environment remembers its
# lock, so that an update keeps the CUDA libraries where they are.
LOCK := $(shell cat .venv/installed 2>/dev/null || echo envs/lock.txt)
WANTED := import sys, tarfile; (3, 11) <= sys.version_info[:2] <= (3, 12) and hasattr(tarfile, "data_filter") or \
    sys.exit("Python 3.11 (from 3.11.4) or 3.12 is needed, found %s: make PYTHON=/path/to/python3.12" % sys.version)

define make-venv
$(PYTHON) -c '$(WANTED)'
$(PYTHON) -m venv --clear .venv
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --compile -r $(1)
echo $(1) > .venv/installed
endef

.venv/installed: $(LOCK)
	$(call make-venv,$(LOCK))

# The same versions, and the CUDA libraries that TensorFlow wants beside it
install-gpu:
	$(call make-venv,envs/lock-gpu.txt)

# A study of another seed has a folder of its own, the one in which `make seeds` runs its replication
RESULTS := $(if $(SEED),seeds/$(SEED)/)results
THIS := $(if $(SEED),--config seed=$(SEED) --directory seeds/$(SEED))
demo: .venv/installed
	$(BIN)/snakemake --cores all --resources gpu=1 $(THIS)
	$(MAKE) report
	$(BIN)/python tests/check_results.py $(RESULTS)

# All figures and tables in one file
report: .venv/installed
	$(BIN)/snakemake --report $(abspath $(RESULTS))/report.html $(THIS)

# Takes hours on two cores. A run that was interrupted continues.
seeds: .venv/installed
	$(BIN)/python tests/seeds.py seeds

# The study in results/ once more, from the config recorded there, in another folder: make reproduce IN=folder
reproduce: .venv/installed
	$(BIN)/python tests/reproduce.py $(RESULTS) $(or $(IN),reproduced)

# In an environment of its own: bioimage.io's programs want another pydantic
EXPORT := .venv-export/bin
.venv-export/installed: envs/lock-export.txt
	$(PYTHON) -c '$(WANTED)'
	$(PYTHON) -m venv --clear .venv-export
	$(EXPORT)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --compile -r $<
	touch $@

export: .venv-export/installed
	$(EXPORT)/snakemake exported --cores all --resources gpu=1

# Tests of the library run on a CPU, on a machine with a GPU too
test coverage test-mutants: export CUDA_VISIBLE_DEVICES :=

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Other runs of real studies: stopped and started again, on own images, with networks made elsewhere, after edits
test-runs: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/workflow/runs

# The share of the library's lines that its tests run, in processes of their own too
coverage: .venv/installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/unit
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# The library is changed in one place at a time, and its tests must notice. What they miss stays in mutants/
test-mutants: .venv/installed
	$(BIN)/python tests/mutants.py

# The commands of all pages; those on own images on real images, which is skipped where those are missing
test-docs: .venv/installed
	$(BIN)/python -m pytest tests/docs

# Files and configs from strangers, damaged or made to do harm
test-fuzz: .venv/installed
	$(BIN)/python -m pytest tests/fuzz

# A study that suffers faults: jobs that die, damaged files, full disks, wrong images and clocks. Some want root
FAULTS ?= tests/faults
test-faults: .venv/installed
	$(BIN)/python -m pytest $(FAULTS) -n 2 --dist worksteal

# Pages in Debian's chromium: of the miniature study, or with STUDY_RESULTS=results of a finished one. Screenshots stay
# in screenshots/
test-browser: .venv/installed
	$(BIN)/python -m pytest tests/browser

# Each rule in the conda environment that it names, made by pip from the same pins
test-envs: .venv/installed
	$(BIN)/python -m pytest tests/envs

# On a machine with a GPU: the tests that need one, the benchmarks, and a summary to send back. ON=cpu shows without a
# GPU that the tests run.
gpu-check: .venv/installed
	$(BIN)/python tests/gpu/check.py $(if $(filter cpu,$(ON)),--device cpu --quick)

# Networks in the forms of other programs, read by those
test-exports: .venv-export/installed
	$(EXPORT)/python -m pytest tests/exports

# A Slurm of three nodes on this machine, started and stopped by the tests; wants root
test-slurm: .venv/installed
	$(BIN)/python -m pytest tests/slurm

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

# The table of keys in config/README.md; run after editing workflow/schemas/config.schema.yaml
config-table: .venv/installed
	$(BIN)/python docs/config_table.py

# The default study's picture, tables and numbers in README and docs, from the results of `make demo`
docs: .venv/installed
	$(BIN)/python docs/demo.py results

# Resolve the table of versions anew; run after editing envs/versions.txt
LOCK_UP := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url -
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	sed '/^# clouds/,$$d' envs/versions.txt | $(LOCK_UP) --output-file envs/lock.txt
	sed '/^# clouds/,$$d; s/^tensorflow==/tensorflow[and-cuda]==/' envs/versions.txt | $(LOCK_UP) --constraint envs/lock.txt \
	    --output-file envs/lock-gpu.txt
	cp envs/lock.txt envs/lock-export.txt
	sed '/^# clouds/,/^$$/d' envs/versions.txt | $(LOCK_UP) --output-file envs/lock-export.txt
	sed -n '/^# workflow/,/^$$/p; /^# clouds/,/^$$/p' envs/versions.txt | $(LOCK_UP) --output-file envs/lock-kubernetes.txt
	rm -r .venv-lock
