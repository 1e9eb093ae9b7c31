#!/usr/bin/env bash
# Branch coverage: the suite with the JIT on, then tests of every room that compiles something with it off, combined.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=.venv/bin
# With the JIT off a kernel is Python, hundreds of times slower: of the particle filter one test, of features those that
# need no long history. One test is about the cache of compiled code, which is not there then.
UNCOMPILED=(
  tests/market/test_event_checksums.py
  tests/market/test_jit.py
  tests/market/test_synthetic.py
  tests/market/test_synthetic_filter.py::test_an_impossible_branch_does_not_blind_the_filter
  tests/features/test_feature_catalogue.py
  tests/features/test_feature_door.py
  tests/features/test_feature_engine.py
  --deselect=tests/features/test_feature_engine.py::test_the_next_process_loads_from_the_cache
  tests/features/test_feature_regimes.py
  tests/features/test_feature_breaks.py
  tests/features/test_panel_engine.py
  --deselect=tests/features/test_panel_engine.py::test_exact_after_200_000_steps
  tests/market/test_cusum.py
  tests/models/test_label*.py
  tests/models/test_bet_sizing.py
  tests/models/test_weights.py
  tests/models/test_weight_kinds.py
  tests/models/test_sequential_bootstrap.py
  tests/models/test_pbo.py
  tests/market/test_book.py
  tests/trading
)
rm -f .coverage .coverage.*
$BIN/coverage run -m pytest
NUMBA_DISABLE_JIT=1 $BIN/coverage run -m pytest -n 0 -m "not long" "${UNCOMPILED[@]}"
$BIN/coverage combine
$BIN/coverage report
