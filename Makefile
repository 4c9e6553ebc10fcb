# make demo: the default study, and a check of its results. make test: the test suite.
# Needs Python 3.11 or 3.12 (PYTHON=/path/to/python names another than the one found).

PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c "" 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install install-gpu demo test lint lock

install: .venv/installed

# Byte-compiled: importing csbdeep and TensorFlow takes far longer otherwise, in every job
define make-venv
$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 12) or sys.exit(f"Python 3.11 or 3.12 is needed, found %d.%d: make PYTHON=/path/to/python3.12" % v)'
$(PYTHON) -m venv --clear .venv
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --compile -r $(1)
$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null || true
touch .venv/installed
endef

.venv/installed: envs/lock.txt
	$(call make-venv,envs/lock.txt)

# The same versions, and the CUDA libraries that TensorFlow wants beside it
install-gpu: envs/lock-gpu.txt
	$(call make-venv,envs/lock-gpu.txt)

demo: .venv/installed
	snakemake --cores all --resources gpu=1
	python tests/check_results.py results

test: .venv/installed
	python -m pytest

lint: .venv/installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

# Resolve the table of versions anew; run after editing envs/versions.txt
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url envs/versions.txt --output-file envs/lock.txt
	sed 's/^tensorflow==/tensorflow[and-cuda]==/' envs/versions.txt | .venv-lock/bin/uv pip compile --quiet --universal \
	    --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --constraint envs/lock.txt \
	    - --output-file envs/lock-gpu.txt
	rm -r .venv-lock
