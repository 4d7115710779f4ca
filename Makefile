PY ?= .venv/bin/python

.PHONY: check test e2e gen format
check:          ## style, types, layers: under a minute
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	.venv/bin/lint-imports --no-cache

test:           ## unit, contract and integration tests
	tests/run.sh unit
	tests/run.sh integration

e2e:            ## real etcd, containerd and kubectl; root
	tests/run.sh e2e

gen:            ## regenerate api/types, api/schema and proto/gen
	$(PY) -m tools.gen_types
	$(PY) -m tools.gen_proto

format:
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
