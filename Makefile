# The contributor's commands; `make test` is the README's test command without the installation.

.PHONY: test lint bench format

test:     ## all tests
	python -m pytest

lint:     ## style, imports, types
	ruff check .
	ruff format --check .
	mypy

format:   ## let ruff put the code in order
	ruff check --fix .
	ruff format .

bench:    ## measurements: minutes, not part of CI
	python benchmarks/demo.py
