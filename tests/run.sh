#!/bin/sh
# Installs what is missing and runs the tests.
# Usage: tests/run.sh [check|unit|integration|e2e|all|nightly] [pytest arguments]
#   check         style, types, layers (make check)
#   unit          pure tests and the contract suites; no network beyond loopback
#   integration   the real API server, scheduler, controllers and agents in process
#   e2e           real etcd, containerd and kubectl; root
#   all           everything above, in this order (the default)
#   nightly       random clusters that no run has seen before: columns against rules, advice against all changes (minutes)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
what=${1:-all}
[ $# -eq 0 ] || shift
case $what in check|unit|integration|e2e|all|nightly) ;; *) sed -n 2,9p "$0" >&2; exit 2 ;; esac

deploy/install.sh dev
pytest="$root/.venv/bin/python -m pytest -q"

suite() {
  name=$1
  shift
  echo "== $name"
  case $name in
    check) make check ;;
    unit) $pytest tests/unit tests/contract tests/sim "$@" ;;
    integration) $pytest tests/integration "$@" ;;
    nightly) PELAMIS_FRESH=1 $pytest tests/unit/scheduler/test_against_reference.py tests/unit/scheduler/explain "$@" ;;
    e2e)
      [ "$(id -u)" = 0 ] || { echo "e2e tests start containers and need root" >&2; exit 1; }
      # Clients race with a real machine here: a test that fails runs once more, and the summary counts it as a rerun.
      $pytest tests/e2e --reruns 1 "$@"
      ;;
  esac
}

if [ "$what" = all ]; then
  for name in check unit integration e2e; do suite $name "$@"; done
else
  suite "$what" "$@"
fi
