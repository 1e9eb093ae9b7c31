"""Labels, weights and sizes have the same bits with the compiler off.

The program is this file: run as a script it prints a digest of every compiled routine's output, one a line.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np

from market.bars import empty_bars
from models.bet_sizing import average_active
from models.labels import BarrierConfig, LabelConfig, Labels, barrier_labels, trend_scan, triple_barrier
from models.weights import average_uniqueness, concurrency, sequential_bootstrap

MINUTE = 60_000_000_000


def outputs():
    """Every compiled routine's output over the same random market."""
    random = np.random.default_rng(11)
    bars = empty_bars(400)
    bars["start"] = MINUTE * (1_000_000 + np.arange(400) + np.cumsum(random.random(400) < 0.02))
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 400)))
    bars["open"] = np.r_[100, bars["close"][:-1]] * np.exp(random.normal(0, 0.005, 400))
    bars["high"] = np.maximum(bars["open"], bars["close"]) * np.exp(random.exponential(0.006, 400))
    bars["low"] = np.minimum(bars["open"], bars["close"]) * np.exp(-random.exponential(0.006, 400))
    target, side = random.uniform(0.01, 0.05, 400), random.choice([-1.0, 1.0], 400)
    default = triple_barrier(bars, target, LabelConfig(horizon=6, barrier=0.4), MINUTE)
    for name in Labels.__slots__:
        yield f"default {name}", getattr(default, name)
    for number, config in enumerate(
        (
            BarrierConfig(take_profit=1.0, stop_loss=0.6, horizon=9),
            BarrierConfig(take_profit=0.5, stop_loss=0.6, horizon=None, holding=7 * MINUTE, both="stop_first"),
            BarrierConfig(take_profit=0.5, stop_loss=None, horizon=9, gaps="open", max_gap=0),
        )
    ):
        found = barrier_labels(bars, target, config, interval=MINUTE, side=side)
        for name in Labels.__slots__:
            yield f"barriers {number} {name}", getattr(found, name)
    for name, values in zip(("t_value", "span"), trend_scan(np.log(bars["close"]), 4, 20), strict=True):
        yield f"trends {name}", values
    first = random.integers(0, 300, 200)
    last = first + random.integers(0, 40, 200)
    yield "uniqueness", average_uniqueness(first, last + 1)
    for name, values in zip(("times", "count"), concurrency(first, last + 1), strict=True):
        yield f"concurrency {name}", values
    yield "bootstrap", sequential_bootstrap(first, last, random.random(300))
    for name, values in zip(("times", "mean"), average_active(first, last + 1, random.normal(size=200)), strict=True):
        yield f"active {name}", values


def digests():
    return [
        f"{name} {hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()}" for name, values in outputs()
    ]


def test_the_bits_are_the_same_with_the_compiler_off():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True, env=environment)
    plain = done.stdout.splitlines()
    assert len(plain) == 32
    assert plain == digests()


if __name__ == "__main__":
    print("\n".join(digests()))
