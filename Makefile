# Everyday commands; `make` lists them. Everything installed goes to .venv, nothing else on the machine is touched
# (`make test` may install Chromium and Firefox where it is root, in continuous integration Slurm too).
.DEFAULT_GOAL := help
.PHONY: help atlas reproduce crate serve setup test bench lint format lock clean browser slurm

PYTHON ?= python3
PORT ?= 8000
# More arguments for the command that a target runs, as in `make atlas ARGS="--config layers=0-3"`
ARGS ?=
# What .venv is to hold beyond the default run: explain, crate, cluster, kubernetes. An endpoint that config.yaml or ARGS
# names asks for explain.
EXTRAS ?=
ENDPOINT = $(shell { cat config.yaml; echo '$(subst ',,$(ARGS))'; } | grep -E "^[^#]*base_url: *[\"']?https?://")
WANTED = $(sort $(EXTRAS) $(if $(ENDPOINT),explain))

# A stamp says that .venv holds exactly these pins, made by this Python, in this place.
stamp = .venv/$(1)-$(shell (pwd; $(PYTHON) --version; cd requirements && cat uv.in run.lock cuda.lock $(2)) 2>&1 \
    | sha256sum | cut -c1-16)
with_extra = $(call stamp,$(1),$(1).lock)
ENVIRONMENT := $(call stamp,run)
TEST_ENVIRONMENT := $(call stamp,test,$(addsuffix .lock,explain crate test cluster kubernetes))
WANTED_ENVIRONMENT = $(ENVIRONMENT) $(foreach extra,$(WANTED),$(call with_extra,$(extra)))
VENV := . .venv/bin/activate &&
INSTALL := .venv/bin/python requirements/install.py
# The run that ARGS names, as in `make serve ARGS="--config run=demo"`, or else config.yaml
CONFIGURED = $(shell PYTHONPATH=scripts .venv/bin/python -c 'from pathlib import Path; \
    from n2g.workflow.given import read_config_file as read; \
    print(read(Path("config.yaml")).get("run", "default"))' 2>/dev/null)
RUN_NAME = $(or $(patsubst run=%,%,$(filter run=%,$(subst ",,$(ARGS)))),$(CONFIGURED))

# As many jobs side by side as there are cores, and of those that run the model one for each GPU that PyTorch can use.
# Without one, at most 4: each holds the model.
CORES = $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
SIDE_BY_SIDE = $(shell PYTHONPATH=scripts .venv/bin/python -m n2g.workflow.machine $(CORES) $(ARGS))

help: ## List the commands
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile \
	    | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

atlas: $(WANTED_ENVIRONMENT) ## Run the workflow and build the site
	@set -- $(SIDE_BY_SIDE); [ $$# -gt 0 ] || exit 1; $(VENV) snakemake "$$@" $(ARGS)

reproduce: $(WANTED_ENVIRONMENT) ## Recompute a neuron and compare: make reproduce NEURON=L3.N42 (or SAMPLE=25)
	@[ -n "$(NEURON)$(SAMPLE)" ] || { echo "Name the neuron: make reproduce NEURON=L3.N42" >&2; exit 2; }
	@$(VENV) snakemake reproduce --config $(if $(NEURON),neuron=$(NEURON),sample=$(SAMPLE)) $(ARGS)

crate: $(call with_extra,crate) ## Describe the finished run as an RO-Crate, to publish it
	@$(VENV) snakemake crate $(ARGS)

serve: $(ENVIRONMENT) ## Show the built atlas on http://localhost:8000 (PORT=... for another port)
	@[ -f "results/$(RUN_NAME)/atlas/index.html" ] \
	    || { echo "There is no atlas yet; build it with: make atlas" >&2; exit 2; }
	@.venv/bin/python -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' "$(PORT)" 2>/dev/null \
	    || { echo "Port $(PORT) cannot be used, or is in use: name another one, as in 'make serve PORT=8001'." >&2; exit 2; }
	@echo "The atlas is at http://localhost:$(PORT) (Ctrl-C ends it)"
	@.venv/bin/python -m http.server $(PORT) --bind 127.0.0.1 --directory "results/$(RUN_NAME)/atlas"

setup: $(WANTED_ENVIRONMENT) ## Only set .venv up, with more packages if wanted: make setup EXTRAS="explain crate"
	@:

test: $(TEST_ENVIRONMENT) browser slurm ## Run every test
	@$(VENV) OMP_WAIT_POLICY=PASSIVE pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(ENVIRONMENT) ## Measure seconds and model tokens per neuron
	@$(VENV) python benchmarks/bench.py $(ARGS)

lint: $(TEST_ENVIRONMENT) ## Check the style of the workflow and of the Python code
	@$(VENV) snakefmt --check Snakefile rules && ruff check && ruff format --check && snakemake --lint \
	    && PYTHONPATH=scripts lint-imports --no-cache && ty check

format: $(TEST_ENVIRONMENT) ## Bring the code into that style
	@$(VENV) snakefmt Snakefile rules && ruff check --fix && ruff format

lock: $(ENVIRONMENT) ## Resolve requirements/*.in into the locks and envs/*.yaml (ARGS=--upgrade takes the newest)
	@.venv/bin/python requirements/lock.py $(ARGS)

clean: ## Remove all results; downloads stay
	rm -rf results

$(ENVIRONMENT):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not:" \
	        "name one, as in 'make atlas PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "Python's venv module is missing:" \
	        "install it, on Debian or Ubuntu with 'apt-get install python3-venv' as root." >&2; exit 1; }
	@echo "Setting up .venv (once; a minute where downloads are quick) ..."
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements/uv.in
	@$(INSTALL) run
	@touch $@

$(TEST_ENVIRONMENT): $(ENVIRONMENT)
	@$(INSTALL) explain crate test
	@for name in cluster kubernetes; do $(INSTALL) $$name --target .venv/$$name || exit; done
	@touch $@

# The stamp of an extra, such as .venv/explain-0123456789abcdef
.venv/%: $(ENVIRONMENT)
	@$(INSTALL) $(firstword $(subst -, ,$*))
	@touch $@

browser:
	@found() { for name; do command -v $$name >/dev/null && return; done; return 1; }; \
	missing=""; found chromium chromium-browser google-chrome || missing="chromium"; \
	found firefox-esr firefox || missing="$$missing firefox-esr"; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then echo "Installing browsers for the tests:" $$missing; \
	    { apt-get update -qq \
	        && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing \
	            fonts-liberation fonts-freefont-ttf; \
	    } >/dev/null || echo "They could not be installed, and the browser tests need them." >&2; \
	else echo "The browser tests need" $$missing "- install them, on Debian with 'apt-get install' as root." >&2; fi

# Daemons, so only on machines of continuous integration; elsewhere their test is skipped.
slurm:
	@if [ "$$CI" = true ] && [ "$$(id -u)" = 0 ] && ! command -v slurmctld >/dev/null; \
	then echo "Installing Slurm for the test of profiles/slurm ..."; \
	    { apt-get update -qq \
	        && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends slurm-wlm munge rsync; \
	    } >/dev/null || echo "Slurm could not be installed, and its test needs it." >&2; fi
