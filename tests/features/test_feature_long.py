"""The long campaign: exact after millions of bars, and defined on every real series. A slice of it runs always."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from features.catalogue import default_features
from features.conformance import plain_bars
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import BAR, PRICE_FIELDS, empty_bars
from market.errors import SourceError
from market.readers import read_series
from market.time import DAY, MINUTE, parse_time
from tests.features.test_feature_reference import assert_exact

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

CHUNK = 100_000
KEPT, COMPARED = 12_000, 1_000
"""The slowest average forgets to below 1e-20 in 9,000 bars: so many bars hold all of history."""
MAX_GAP = 3
TRADED = (*PRICE_FIELDS, "quote_volume", "trade_count", "taker_buy_volume")


def check_long_run(engine: FeatureEngine, price: float, chunks: int) -> None:
    """After many bars, the last rows against the exact recomputation of the last bars.

    Every chunk has an outlier whose rounding error a running sum would keep for ever.
    """
    engine.reset()
    tail = np.empty(0, BAR)
    for number in range(chunks):
        bars = plain_bars(CHUNK, number, price, start=number * CHUNK * MINUTE)
        bars["volume"][CHUNK // 2] = 1e12
        bars["taker_buy_volume"][CHUNK // 2] = 5e11
        bars["quote_volume"][CHUNK // 2] = 1e12 * price
        rows = engine.replay(bars)
        tail = np.concatenate([tail, bars])[-KEPT:]
    assert engine.count == chunks * CHUNK
    first = KEPT - COMPARED
    rows = np.concatenate([np.full((first, rows.shape[1]), np.nan), rows[-COMPARED:]])
    assert_exact(engine.feature_set, rows, tail, first=first)


@pytest.mark.parametrize("price", [5e4, 1e-5])
def test_exact_after_300_000_bars(engine, price):
    check_long_run(engine, price, 3)


@pytest.mark.long
@pytest.mark.parametrize("price", [5e4, 1e-5])
def test_exact_after_five_million_bars(engine, price):
    check_long_run(engine, price, 50)


def filled(bars: np.ndarray) -> np.ndarray:
    """The bars with order flow where the source has none, so that one engine serves all: half of volume, one trade."""
    out = bars.copy()
    for name, value in (
        ("taker_buy_volume", 0.5 * out["volume"]),
        ("trade_count", np.ones(len(out))),
        ("quote_volume", out["volume"] * out["close"]),
    ):
        out[name] = np.where(np.isnan(out[name]), value, out[name])
    return out


def since_empty(bars: np.ndarray, interval: int) -> np.ndarray:
    """Bars since the state was last empty, by the gap rule: a hole of more than ``MAX_GAP`` missing bars empties it."""
    missing = np.diff(bars["start"], prepend=bars["start"][0] - interval) // interval - 1
    begins = np.maximum.accumulate(np.where(missing > MAX_GAP, np.arange(len(bars)), 0))
    return np.arange(len(bars)) - begins + 1


def check_defined(path: Path) -> int:
    """Every series of a file; how many bars they have."""
    return sum(
        check_series(series.bars, series.interval, f"{path.name} {series.symbol}") for series in read_series(path)
    )


def check_series(bars: np.ndarray, interval: int, name: str) -> int:
    """NaN exactly before warm-up, counted anew after each long hole, finite otherwise; how many bars there are."""
    bars = filled(bars)
    whole = bars["end"] - bars["start"] == interval
    bars = bars[whole & (bars["start"] % min(interval, DAY) == 0)]
    feature_set = FeatureSet(default_features(TRADED), interval, MAX_GAP)
    rows = FeatureEngine(feature_set).replay(bars)
    warmups = np.array([feature.warmup for feature in feature_set.features])
    early = since_empty(bars, interval)[:, None] < warmups
    np.testing.assert_array_equal(np.isnan(rows), early, err_msg=name)
    assert np.isfinite(rows[~early]).all()
    return len(rows)


def lean_bars(folder: Path) -> np.ndarray:
    """The minute trade bars of one symbol in LEAN's format: a zip a day, times in ms since its midnight."""
    days = []
    for path in sorted(folder.glob("*_trade.zip")):
        with ZipFile(path) as packed:
            text = packed.read(packed.namelist()[0]).decode()
        cells = np.array([line.split(",") for line in text.splitlines()], np.float64)
        bars = empty_bars(len(cells))
        midnight = parse_time(f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}")
        bars["start"] = midnight + cells[:, 0].astype(np.int64) * 1_000_000
        bars["end"] = bars["start"] + MINUTE
        for place, name in enumerate(("open", "high", "low", "close", "volume"), 1):
            bars[name] = cells[:, place]
        days.append(bars)
    return np.concatenate(days)


def kline_files(folder: Path) -> Iterator[Path]:
    """All files of bars but those in LEAN's own format, which `lean_bars` reads."""
    return (one for one in sorted((folder / "klines").rglob("*")) if one.is_file() and "lean" not in str(one))


@pytest.mark.real_data
@pytest.mark.parametrize(
    "file",
    ["spot-5m/ETHUSDT", "spot-1h/SOLUSDT", "spot-1d/", "um-futures-1m/FILUSDT-1m-2024-10", "bybit-linear-5m/XRP"],
)
def test_defined_on_gappy_and_silent_series(real_data, file):
    path = next(one for one in kline_files(real_data) if file in str(one))
    assert check_defined(path) > 20_000


@pytest.mark.real_data
@pytest.mark.parametrize("symbol", ["btcusd", "ethusd", "ltcusd", "btceur"])
def test_defined_on_series_with_hours_missing(real_data, symbol):
    bars = lean_bars(real_data / "klines" / "lean-coinbase-minute" / symbol)
    assert check_series(bars, MINUTE, symbol) > 1_000
    assert (np.diff(bars["start"]) // MINUTE - 1).sum() > 400, "minutes are missing"


@pytest.mark.long
@pytest.mark.real_data
def test_defined_on_every_real_series(real_data):
    read = []
    for path in kline_files(real_data):
        try:
            read.append(check_defined(path))
        except SourceError as error:
            pytest.fail(f"{path}: {error}")
    assert len(read) >= 65
    assert sum(read) > 2_000_000
