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

bench:    ## measurements: an hour and more, not part of CI
	python benchmarks/demo.py
	python benchmarks/coverage.py
	python benchmarks/coverage_combined.py
	python benchmarks/rare_events.py
	python benchmarks/classes.py
	python benchmarks/duplication_law.py
	python benchmarks/fuzz_decoding.py
	@echo "With data of your own: near_duplicates.py, approximate.py and checking.py CIFAR10_TRAIN.parquet;"
	@echo "robustness.py and verdicts.py CIFAR10_TRAIN.parquet PHOTOS.parquet; indexing.py and cliques.py PHOTOS.parquet;"
	@echo "prompt_advice.py FOLDER. Rivals are libraries of their own: faiss-cpu, pdqhash, ImageHash, simplejpeg."
