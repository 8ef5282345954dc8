# Every target does the set-up that it needs: a virtual environment here in the checkout, and on Debian and Ubuntu
# the packages that the machine lacks (tools/setup.sh). Done once, it costs nothing.

PYTHON ?= python3
VENV ?= .venv
SUITES ?= suites
SECONDS ?= 60

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
SYSTEM := $(VENV)/.system
EDITORS := $(VENV)/editors/.installed
FUZZER := $(VENV)/.fuzzer

# Loading BPF programs takes root. Under sudo no bytecode and no caches are written, so that nothing here becomes root's.
ifneq ($(shell id -u),0)
SUDO := sudo --preserve-env=CI,CLANG,GITHUB_ACTIONS,GITHUB_STEP_SUMMARY,GITHUB_WORKSPACE,FORCE_COLOR,NO_COLOR
endif
AS_ROOT := $(SUDO) $(PY) -B -m

.DEFAULT_GOAL := help
.PHONY: help setup run test check lint docs format editors bench fuzz clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) $(SYSTEM) ## all that the other targets need

run: $(INSTALLED) $(SYSTEM) ## run every suite of suites/ on this machine's kernel (SUITES=... for others)
	@$(AS_ROOT) bpftest run $(SUITES)

test: check ## check, then the tests that need a kernel, then every suite; JUnit XML in build/
	$(AS_ROOT) pytest -m "kernel and not alone" -n auto --dist loadfile -p no:cacheprovider --junit-xml=build/kernel.xml
	$(AS_ROOT) pytest -m "kernel and alone" -p no:cacheprovider --junit-xml=build/alone.xml
	$(AS_ROOT) bpftest run suites --junit-xml build/suites.xml

check: lint docs $(SYSTEM) $(if $(CI),$(EDITORS)) ## all that runs without root: lint, docs, and the tests that load no BPF program
	@mkdir -p build
	$(PY) -m pytest -n auto -m "not kernel" --junit-xml=build/pure.xml

lint: $(INSTALLED) ## ruff and mypy
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

docs: $(INSTALLED) ## the documentation, in build/docs; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

format: $(INSTALLED) ## rewrite the code as ruff wants it
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

editors: $(EDITORS) ## the language server of editors, which some tests ask; in CI it is always there

bench: $(INSTALLED) $(SYSTEM) ## measure beside other ways, into docs/benchmarks.md
	$(AS_ROOT) benchmarks

fuzz: $(FUZZER) $(SYSTEM) ## look for inputs that bpftest stumbles over (TARGETS=..., each for SECONDS=60); findings in build/fuzz
	$(PY) -m fuzz $(TARGETS) --seconds $(SECONDS)

clean: ## remove all that these targets made
	rm -rf $(VENV) build dist .bpftest .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml tools/setup.sh
	@tools/setup.sh $(PYTHON) venv
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(SYSTEM): tools/setup.sh | $(INSTALLED)
	@tools/setup.sh $(PYTHON) clang libbpf headers bpftool $(if $(CI),browser)
	@touch $@

$(FUZZER): | $(INSTALLED)
	$(PY) -m pip install -qq --disable-pip-version-check --editable '.[fuzz]'
	@touch $@

$(EDITORS): tests/editors/package-lock.json | $(INSTALLED)
	$(PY) -m pip install -qq --disable-pip-version-check --editable '.[editors]'
	@mkdir -p $(@D)
	cp tests/editors/package.json tests/editors/package-lock.json tests/editors/.npmrc $(@D)
	PATH="$(abspath $(VENV)/bin):$$PATH" npm ci --silent --ignore-scripts --prefix $(@D)
	@touch $@
