"""Bars for the tests of the market room, random but possible, and the files that hold them."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from market.bars import empty_bars
from market.readers.tables import BINANCE
from market.time import MINUTE, parse_time

START = parse_time("2024-12-30")
UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


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


def archive_lines(bars, unit="ms"):
    """Bars as the lines of a Binance kline archive."""
    scale = UNITS[unit]
    return [
        ",".join(
            [
                str(bar["start"] // scale),
                *(repr(float(bar[name])) for name in ("open", "high", "low", "close", "volume")),
                str(bar["end"] // scale - 1),
                repr(float(bar["quote_volume"])),
                str(int(bar["trade_count"])),
                repr(float(bar["taker_buy_volume"])),
                "1.5",
                "0",
            ]
        )
        for bar in bars
    ]


def text(lines, header=False, ending="\n"):
    return ending.join([*([",".join(BINANCE)] if header else []), *lines]) + ending


def zipped(content, *names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("inside.csv",):
            archive.writestr(name, content)
    return buffer.getvalue()


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
