"""Core and simulated exchange: the compiled loop beside the same code uncompiled, and beside one call per event."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, median_of
from market.bar_events import bar_events
from market.bars import empty_bars
from market.instruments import Instrument
from trading.backtest import run as run_backtest
from trading.config import ExchangeConfig, RiskConfig, TradingConfig
from trading.header import SessionHeader
from trading.paper import PaperSession
from trading.signals import control_event, signal_events

INTERVAL, HORIZON = 900_000_000_000, 24
CONFIG = TradingConfig(risk=RiskConfig(drawdown=1.0))
PROGRAM = "from benchmarks.core import rate; print(rate(1_000, 3))"


def instrument() -> Instrument:
    one = Decimal(1)
    return Instrument(
        "AAAUSDT", "bench", "perpetual", "AAA", "USDT", Decimal("0.01"), Decimal("0.001"), Decimal("0.001"),
        Decimal(9000), 5 * one, Decimal("0.0002"), Decimal("0.0005"),
    )  # fmt: skip


def tape(count: int) -> np.ndarray:
    random = np.random.default_rng(5)
    bars = empty_bars(count)
    bars["start"] = 1_600_000_200 * 10**9 + INTERVAL * np.arange(count)
    bars["end"] = bars["start"] + INTERVAL
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.003, count))), 2)
    bars["close"], bars["open"] = close, np.r_[100.0, close[:-1]]
    bars["high"] = np.maximum(bars["open"], bars["close"]) + 0.05
    bars["low"] = np.minimum(bars["open"], bars["close"]) - 0.05
    bars["volume"] = random.exponential(5e4, count)
    volatility = np.full(count, 0.003)
    said = random.uniform(0.2, 0.8, count)
    numbers = np.arange(count)
    signals = signal_events(bars["end"], 0, said, volatility * 4, volatility * 7, volatility, numbers, INTERVAL, 1)
    events = np.concatenate([bar_events(bars, instrument(), 0), signals])
    events = events[np.lexsort((events["kind"], events["ts_event"]))]
    return np.concatenate([control_event(2, int(events["ts_recv"][0])), events])


def rate(bars: int, repeats: int) -> float:
    """Seconds per journal record, the median of some runs."""
    events = tape(bars)
    run_backtest([instrument()], CONFIG, ExchangeConfig(), events[:50], INTERVAL, HORIZON)

    def once() -> float:
        begin = time.perf_counter()
        outcome = run_backtest([instrument()], CONFIG, ExchangeConfig(), events, INTERVAL, HORIZON)
        return (time.perf_counter() - begin) / len(outcome.journal)

    return median_of(repeats, once)


def live(events: np.ndarray) -> float:
    """Seconds per event, fed one by one and journalled (buffered)."""
    header = SessionHeader.of("bench", "", [instrument()], CONFIG, ExchangeConfig(), INTERVAL, HORIZON)
    with tempfile.TemporaryDirectory() as folder:
        session = PaperSession.create(Path(folder) / "journal", header, "buffered")
        begin = time.perf_counter()
        for row in range(len(events)):
            session.feed(events[row : row + 1])
        spent = time.perf_counter() - begin
        session.close()
    return spent / len(events)


def run() -> list[Result]:
    compiled = rate(200_000, 5)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    events = tape(20_000)
    one_by_one = median_of(5, lambda: live(events))
    return [
        Result("core and exchange, backtest loop", "record", compiled, "uncompiled", float(done.stdout)),
        Result("core, exchange and journal, one by one", "event", one_by_one, "backtest loop", compiled),
    ]
