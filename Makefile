# make run       a server with private databases and a demonstration account
# make test      unit and integration tests on real private databases
# make lint      ruff, mypy and the floors
# make interop   other people's programs against the server
# make soak      1,000 generated messages, memory, how soon changes are told, much at random
# make bench     this server beside WildDuck and Dovecot, in numbers
#
# All of them make .venv first (PYTHON chooses the interpreter, 3.10 or later).

PYTHON ?= python3
VENV ?= .venv
RUN_ARGS ?=
TEST_ARGS ?=
INTEROP_ARGS ?=
BENCH_ARGS ?=

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# Modules are compiled when they are first used, which most never are.
INSTALL = $(PIP) install --no-compile
# The default editable install hides Twisted's plugin folder; this kind does not.
EDITABLE = --config-settings editable_mode=compat --editable
# Twisted lists its plugins in a file beside them: here, or the first run would.
PLUGINS = @$(VENV)/bin/python -c 'from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))'

.PHONY: run test lint interop soak bench clean

run: $(VENV)/.for-run
	@exec $(VENV)/bin/python -m wildduck.command_line.demonstration $(RUN_ARGS)

test: $(VENV)/.for-test
	@mkdir -p build
ifeq ($(TEST_ARGS),)
	$(VENV)/bin/python -m test.run
else
	$(VENV)/bin/python -m twisted.trial --temp-directory build/trial $(TEST_ARGS)
endif

lint: $(VENV)/.for-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

interop: $(VENV)/.for-test
	$(VENV)/bin/python -m test.interop $(INTEROP_ARGS)

soak: $(VENV)/.for-test
	$(VENV)/bin/python -m test.soak

bench: $(VENV)/.for-test
	$(VENV)/bin/python -m bench $(BENCH_ARGS)

clean:
	rm -rf build dist .interop *.egg-info twisted/plugins/dropin.cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "wildduck needs Python 3.10 or later; choose one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.for-run: $(VENV)/bin/python setup.cfg setup.py pyproject.toml
	$(INSTALL) $(EDITABLE) '.[embedded]'
	$(PLUGINS)
	@touch $@

$(VENV)/.for-test: $(VENV)/bin/python setup.cfg setup.py pyproject.toml
	$(INSTALL) $(EDITABLE) '.[embedded,test]'
	$(PLUGINS)
	@touch $@ $(VENV)/.for-run
