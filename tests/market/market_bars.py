"""Bars for the tests of the market room: random, but possible."""

from __future__ import annotations

import numpy as np

from market.bars import empty_bars
from market.time import MINUTE, parse_time

START = parse_time("2024-12-30")


def random_bars(count, seed=0, *, interval=15 * MINUTE, start=START, full=True):
    """Consistent bars on a grid of 0.01 and 0.001; ``full`` adds what Binance adds to OHLCV."""
    rng = np.random.default_rng(seed)
    bars = empty_bars(count)
    bars["start"] = start + interval * np.arange(count)
    bars["end"] = bars["start"] + interval
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.002, count))), 2)
    opens = np.concatenate([[100.0], close[:-1]])[:count]
    bars["open"], bars["close"] = opens, close
    bars["high"] = np.round(np.maximum(opens, close) + rng.integers(0, 30, count) / 100, 2)
    bars["low"] = np.round(np.minimum(opens, close) - rng.integers(0, 30, count) / 100, 2)
    bars["volume"] = rng.integers(1, 10**6, count) / 1000
    if full:
        bars["vwap"] = (bars["high"] + bars["low"]) / 2
        bars["quote_volume"] = np.round(bars["volume"] * bars["vwap"], 8)
        bars["vwap"] = bars["quote_volume"] / bars["volume"]
        bars["trade_count"] = rng.integers(1, 5000, count)
        bars["taker_buy_volume"] = np.round(bars["volume"] * rng.random(count), 3)
    return bars


def tree(folder):
    """Every file under a folder and its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
