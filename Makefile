# Each of these works as the first command on a fresh clone with git, make and Python >= 3.11, and nothing else.
.PHONY: setup demo test lint bench lock
.DEFAULT_GOAL := demo

RUN := .venv/bin/python
INSTALL := tools/bootstrap.py tools/python.sh pyproject.toml

setup: .venv/.dev        ## everything for working on dedup, in .venv

demo: .venv/.runtime     ## the main job on the invented data in data/samples
	@.venv/bin/dedup demo

test: .venv/.dev         ## the whole test suite, on every processor; ARGS="tests/rules -x" for a part
	@$(RUN) -m pytest -n auto $(ARGS)

lint: .venv/.dev         ## style, types, and who may import whom
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports

bench: .venv/.dev        ## judging against the bare self-join; ARGS="nights" for another benchmark
	@$(RUN) -m benchmarks $(ARGS)

lock: .venv/.dev         ## both lock files anew from pyproject.toml
	@$(LOCK) --group build --output-file requirements.lock >/dev/null
	@$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock >/dev/null

LOCK = .venv/bin/uv pip compile pyproject.toml --quiet --upgrade --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

.venv/.runtime: requirements.lock $(INSTALL)
	@tools/python.sh tools/bootstrap.py requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock requirements.lock $(INSTALL)
	@tools/python.sh tools/bootstrap.py requirements-dev.lock
	@touch .venv/.runtime $@
