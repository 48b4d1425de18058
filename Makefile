# Each command makes or reuses the environment in .venv first (.ci/env.py says how).
PYTHON ?= python3
STEP   ?=
BIN    := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help env demo test lab app paper docs package clean

help: ## show this list
	@echo "eagle-nb: where multimodal LLMs look and what they rely on"
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-13s %s\n", $$1, $$2}'
	@echo "Another Python: make demo PYTHON=python3.12 (3.10 or newer; now: $(PYTHON))"

env: ## make or refresh .venv, nothing else
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "No '$(PYTHON)' here: install Python 3.10 or newer, or add PYTHON=/path/to/python3 to the make command."; exit 1; }
	@$(PYTHON) .ci/env.py

demo: env ## explain one image: a table here, a figure and a page in figures/
	@$(BIN)/python -m eagle_nb.apps.demo

test: env ## all checks; one alone with STEP=export, notebooks, paper or tests; the short lane with STEP=quick
	@$(BIN)/python .ci/test.py $(STEP)

lab: env ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/nbs

app: env ## serve the apps by Voilà, without their code; one alone with APP=scene_editor
	@$(BIN)/voila $(if $(APP),nbs/apps/$(APP).ipynb,nbs/apps)

paper: env ## run every page of the paper, without a browser; only some with PAGES="teaser modality"
	@$(BIN)/python -m eagle_nb.apps.paper $(PAGES)

docs: env ## build the documentation site from the notebooks, to be read without a network: _docs/html/index.html
	@$(BIN)/python .ci/docs.py

package: env ## build wheel and sdist in dist/, and check what they hold
	@$(BIN)/python .ci/release.py package

clean: ## remove .venv, caches and build products
	rm -rf .venv .venv-release .vllm .docs build dist *.egg-info _docs _proc .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
