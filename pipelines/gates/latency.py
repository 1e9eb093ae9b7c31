"""The gate of latency: how long one decision of the graph takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.bundle.bundle import Bundle
from models.bundle.store import Verdict
from pipelines.gates.config import GateConfig
from pipelines.verdict import number

DECISIONS = 2_000
"""How many decisions are timed, and at least every golden row once."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Median and 99th percentile of one decision in microseconds, over so many decisions on distinct rows."""

    p50: float
    p99: float
    decisions: int
    rows: int


def measure_latency(bundle: Bundle, clock: Callable[[], int] = time.perf_counter_ns) -> Latency:
    """Time the graph, one row at a time, over the bundle's golden rows: real ones, each other than the last.

    A benchmark that repeats one row flatters trees threefold: the processor learns its branches by heart.

    Parameters
    ----------
    clock
        Nanoseconds.
    """
    rows, runner = bundle.golden().features, bundle.runner()
    rows = rows[np.isfinite(rows).all(axis=1)]
    runner.run_rows(rows)
    passes = -(-DECISIONS // len(rows))
    took = []
    for _ in range(passes):
        for row in rows:
            begun = clock()
            runner.step(row)
            took.append(clock() - begun)
    p50, p99 = np.quantile(np.array(took) / 1000.0, [0.5, 0.99])
    return Latency(float(p50), float(p99), len(took), len(rows))


def latency_gate(found: Latency, config: GateConfig) -> Verdict:
    """Median and 99th percentile are within the budget."""
    measured = (
        f"p50 {number(found.p50, 0)} µs, p99 {number(found.p99, 0)} µs over {found.decisions:,} decisions on "
        f"{found.rows:,} distinct rows"
    )
    needed = f"p50 at most {number(config.latency_p50_us, 0)} µs, p99 at most {number(config.latency_p99_us, 0)} µs"
    passed = found.p50 <= config.latency_p50_us and found.p99 <= config.latency_p99_us
    return Verdict("latency", passed, measured, needed)
