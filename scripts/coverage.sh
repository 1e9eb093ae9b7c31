#!/usr/bin/env bash
# Branch coverage: the suite with the JIT on, then the compiled rooms' own tests again with it off, combined.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=.venv/bin
rm -f .coverage .coverage.*
$BIN/coverage run -m pytest -n 0 -m "not long"
NUMBA_DISABLE_JIT=1 $BIN/coverage run -m pytest -n 0 -m "not long" \
  tests/trading tests/market/test_event_checksums.py tests/market/test_jit.py tests/features/test_feature_door.py tests/models/test_labels.py
$BIN/coverage combine
$BIN/coverage report
