"""Features: the fused step over 200,000 bars beside the same indicators by TA-Lib (C) and polars (Rust), in batch.

Three things are priced: the indicators that TA-Lib has too, replayed; the whole catalogue, replayed, beside polars
expressions of some of its members per value; and one live `update` from Python beside re-running TA-Lib over a window,
which is what a batch library must do live.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from benchmarks.harness import Result, compare
from features.catalogue import default_features
from features.conformance import plain_bars
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import FIELDS
from market.time import MINUTE

COUNT = 200_000
WINDOW = 500
TALIB_NAMES = (
    "rsi_6",
    "rsi_14",
    "stochastic_k_14",
    "stochastic_d_14_3",
    "williams_r_48",
    "cci_20",
    "mfi_14",
    "adx_14",
    "directional_difference_14",
    "aroon_up_25",
    "aroon_down_25",
    "natr_14",
    "macd_12_26",
    "macd_histogram_12_26_9",
    "price_z_24",
    "body_share",
)
DEFAULT = default_features(FIELDS)
POLARS_NAMES = ("ewma_volatility_96", "scaled_return_8", "momentum_t_48", "ema_distance_24", "volume_z_96")


def columns(bars: NDArray[np.void]) -> dict[str, NDArray[np.float64]]:
    """Contiguous arrays, as TA-Lib wants them."""
    return {name: np.ascontiguousarray(bars[name]) for name in ("open", "high", "low", "close", "volume")}


def talib_all(c: dict[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """The indicators of ``TALIB_NAMES`` in as few TA-Lib calls as it takes, unscaled."""
    high, low, close, volume = c["high"], c["low"], c["close"], c["volume"]
    line, _, histogram = talib.MACD(close, 12, 26, 9)
    top, middle, _ = talib.BBANDS(close, 24, 1.0, 1.0)
    return [
        talib.RSI(close, 6),
        talib.RSI(close, 14),
        *talib.STOCHF(high, low, close, 14, 3),
        talib.WILLR(high, low, close, 48),
        talib.CCI(high, low, close, 20),
        talib.MFI(high, low, close, volume, 14),
        talib.ADX(high, low, close, 14),
        talib.PLUS_DI(high, low, close, 14) - talib.MINUS_DI(high, low, close, 14),
        *talib.AROON(high, low, 25),
        talib.NATR(high, low, close, 14),
        line,
        histogram,
        (close - middle) / (top - middle),
        talib.BOP(c["open"], high, low, close),
    ]


def polars_all(table: pl.DataFrame) -> pl.DataFrame:
    """The features of ``POLARS_NAMES`` as polars expressions."""
    change = pl.col("close").log().diff()
    sigma = (change * change).ewm_mean(span=96, adjust=True).sqrt()
    log, volume = pl.col("close").log(), pl.col("volume")
    return table.select(
        sigma.alias("sigma"),
        (change.rolling_sum(8) / sigma / 8**0.5).alias("scaled_return"),
        (change.rolling_mean(48) / change.rolling_std(48, ddof=0) * 48**0.5).alias("momentum"),
        ((log - log.ewm_mean(span=24, adjust=True)) / sigma / 24**0.5).alias("distance"),
        ((volume - volume.rolling_mean(96)) / volume.rolling_std(96, ddof=0)).alias("volume_z"),
    )


def replayed(engine: FeatureEngine, bars: NDArray[np.void]) -> NDArray[np.float64]:
    """All rows from an empty state."""
    engine.reset()
    return engine.replay(bars)


def live(engine: FeatureEngine, bars: NDArray[np.void]) -> None:
    """One update a bar, each with a distinct bar."""
    engine.reset()
    for bar in bars:
        engine.update(bar)


def batch_live(bars: NDArray[np.void], steps: int) -> None:
    """What a batch library does live: all indicators over the last bars, for every bar."""
    for end in range(WINDOW, WINDOW + steps):
        talib_all(columns(bars[end - WINDOW : end]))


def run() -> list[Result]:
    """All comparisons."""
    bars = plain_bars(COUNT, 1)
    table = pl.DataFrame(columns(bars))
    shared, few, whole = (
        FeatureEngine(FeatureSet(names, MINUTE, 3)).build() for names in (TALIB_NAMES, POLARS_NAMES, DEFAULT)
    )
    arrays = columns(bars)
    values, all_values, few_values = (COUNT * len(names) for names in (TALIB_NAMES, DEFAULT, POLARS_NAMES))
    return [
        compare(
            f"replay, {len(TALIB_NAMES)} indicators that TA-Lib has",
            "value",
            lambda: replayed(shared, bars),
            "TA-Lib batch",
            lambda: talib_all(arrays),
            values,
        ),
        compare(
            f"replay, {len(POLARS_NAMES)} features as polars expressions",
            "value",
            lambda: replayed(few, bars),
            "polars batch",
            lambda: polars_all(table),
            few_values,
        ),
        compare(
            f"replay, whole catalogue of {len(DEFAULT)}",
            "value",
            lambda: replayed(whole, bars),
            f"TA-Lib batch, its {len(TALIB_NAMES)}",
            lambda: talib_all(arrays),
            all_values,
            peer_work=values,
        ),
        compare(
            f"update from Python, {len(DEFAULT)} features",
            "bar",
            lambda: live(whole, bars[:20_000]),
            f"TA-Lib over {WINDOW} bars, {len(TALIB_NAMES)}",
            lambda: batch_live(bars, 200),
            20_000,
            peer_work=200,
        ),
        compare(
            f"update from Python, {len(TALIB_NAMES)} features",
            "bar",
            lambda: live(shared, bars[:20_000]),
            f"TA-Lib over {WINDOW} bars, {len(TALIB_NAMES)}",
            lambda: batch_live(bars, 200),
            20_000,
            peer_work=200,
        ),
    ]
