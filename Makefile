# Every target makes .venv itself; a second call finds it and starts at once.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test check install schema clean

run: $(INSTALLED)  ## train ResUNet on mask and depth, compare, save predictions
	$(BIN)/python tools/run_suite.py configs/joint_l1_l1.yaml

test: $(INSTALLED)  ## all tests, in two processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(INSTALLED)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

install: $(INSTALLED)

schema: $(INSTALLED)  ## what is generated from the code
	$(BIN)/python tools/config_schema.py
	$(BIN)/python tools/config_page.py
	$(BIN)/python tools/losses_table.py

clean:  ## everything that is made, results excepted
	rm -rf .venv *.egg-info .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
