# Everything here also works without make: see 'Without make' in README.md.
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Two test workers share two cores, so each computes on one thread.
TEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONUTF8=1 $(PY) -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all endurance check audit contract lock benchmark-quality benchmark-speed benchmark-training benchmark-transparent benchmark-service clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

$(STAMP): requirements/dev.txt pyproject.toml scripts/install.py
	@python3 scripts/install.py

install: $(STAMP) ## make .venv with the riskmodel command

demo: $(STAMP) ## from nothing to a running service on demo data
	@$(PY) -m riskmodel demo

test: $(STAMP) ## the quick tests
	@$(PY) scripts/find_browser.py
	@$(TEST) -m "not slow and not endurance"

test-all: $(STAMP) ## the quick tests and the long ones
	@$(PY) scripts/find_browser.py
	@$(PY) scripts/install.py --spark
	@HYPOTHESIS_PROFILE=usual $(TEST) -m "not endurance"

endurance: $(STAMP) ## many seeds and long runs
	@$(PY) scripts/endurance.py

check: $(STAMP) ## style, types and the rules on imports
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

audit: $(STAMP) ## hold the pinned dependencies against published advisories, where those can be had
	@$(PY) scripts/audit.py

contract: $(STAMP) ## write docs/openapi.json anew
	@$(PY) scripts/openapi.py

lock: $(STAMP) ## pin the dependencies anew
	@$(PY) scripts/lock.py

benchmark-quality: $(STAMP) ## what the models are worth on real data
	@$(PY) benchmarks/quality.py

benchmark-speed: $(STAMP) ## how long it takes at national size
	@$(PY) benchmarks/speed.py

benchmark-training: $(STAMP) ## how long training takes, and how that grows
	@$(PY) benchmarks/training_speed.py
	@$(PY) benchmarks/training_speed.py --growth

benchmark-transparent: $(STAMP) ## how near the models come to a known truth
	@$(PY) benchmarks/transparent.py

benchmark-service: $(STAMP) ## how fast the scoring service answers, beside its goals
	@$(PY) benchmarks/service.py

clean: ## remove what the commands above made
	@rm -rf $(VENV) demo workspace .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
