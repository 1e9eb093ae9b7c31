"""Every compiled statistic gives the same bytes with the compiler off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from models.statistics.entropy import match_lengths, symbols
from models.statistics.pbo import overfitting, split_scores
from models.statistics.resampling import stationary_indices
from models.statistics.stationarity import adf, sadf

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from tests.models.test_statistics_interpreted import everything
sys.stdout.buffer.write(everything())
"""


def everything() -> bytes:
    random = np.random.default_rng(1)
    returns, walk = random.normal(size=(60, 7)), random.normal(size=60).cumsum()
    returns[:, 6] = 0
    lengths = np.empty(20, np.int64)
    match_lengths(symbols(random.integers(0, 2, 40)), 1, 20, 0, lengths)
    judged = [overfitting(returns, 6, metric) for metric in ("sharpe", "mean")]
    found = [sadf(walk, 12, lags, trend) for lags in (0, 1, 2) for trend in (False, True)]
    found += [np.array(adf(walk)), stationary_indices(80, 5.0, 4, random), lengths, split_scores(returns, 6)]
    found += [part for one in judged for part in (one.chosen, one.in_sample, one.out_of_sample, one.rank)]
    return b"".join(one.tobytes() for one in found)


def test_the_interpreter_gives_the_same_bytes():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    said = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    assert len(said) > 1000
    assert said == everything()
