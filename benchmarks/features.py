"""Features: the fused step over 200,000 bars beside the same indicators by TA-Lib (C) and polars (Rust), in batch.

Four things are priced: the indicators that TA-Lib has too, replayed; some features beside polars expressions; all cheap
features of traded bars, replayed at once and in pieces that fit the processor's cache; and one live `update` from
Python (the median over bars) beside re-running TA-Lib over a window, which is what a batch library must do live. The
bars to hold are printed under the rows: 8 ns a value of all cheap features, 3 µs an `update` from Python; the
indicators that TA-Lib has too are to be no slower than its calls, a ratio of one.
Before they are timed, the expressions' values are compared with ours; TA-Lib's are in the tests.
First both are timed in processes of their own, with the system's memory as it comes; then TA-Lib's arrays are in memory
that was used before (`benchmarks.memory`), like the table that a replay writes into; a replay that makes its own table
pays for fresh memory.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from benchmarks.harness import Result, compare, median_of
from benchmarks.memory import keep_memory
from features.catalogue import default_features
from features.conformance import plain_bars
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import PRICE_FIELDS
from market.time import MINUTE

COUNT = 200_000
WINDOW = 500
TALIB_NAMES = (
    "rsi_6",
    "rsi_14",
    "rsi_28",
    "stochastic_rsi_14_14",
    "stochastic_k_14",
    "stochastic_d_14_3",
    "williams_r_48",
    "donchian_24",
    "donchian_96",
    "cci_20",
    "mfi_14",
    "mfi_48",
    "ultimate_7_14_28",
    "adx_14",
    "adx_48",
    "plus_di_14",
    "minus_di_14",
    "aroon_up_25",
    "aroon_down_25",
    "aroon_oscillator_96",
    "natr_14",
    "natr_48",
    "macd_5_35",
    "macd_histogram_5_35_5",
    "macd_12_26",
    "macd_histogram_12_26_9",
    "macd_24_52",
    "macd_histogram_24_52_18",
    "ema_distance_24",
    "dema_distance_24",
    "tema_distance_24",
    "hma_distance_25",
    "kama_distance_10_2_30",
    "trend_slope_24",
    "trend_residual_96",
    "price_z_24",
    "bollinger_width_24",
    "ichimoku_base_26",
    "accumulation_oscillator_3_10",
    "return_volume_correlation_96",
    "body_share",
)
TRADED = default_features((*PRICE_FIELDS, "quote_volume", "trade_count", "taker_buy_volume"))
PIECE = 2_000
VALUE, UPDATE = 8e-9, 3e-6
"""The bars to hold: seconds a value of the cheap ones replayed, and seconds an update from Python."""
POLARS_NAMES = ("ewma_volatility_96", "scaled_return_8", "momentum_t_48", "ema_distance_24", "volume_z_96")


def columns(bars: NDArray[np.void]) -> dict[str, NDArray[np.float64]]:
    """Contiguous arrays, as TA-Lib wants them."""
    return {name: np.ascontiguousarray(bars[name]) for name in ("open", "high", "low", "close", "volume")}


def talib_all(c: dict[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """The indicators of ``TALIB_NAMES`` in as few TA-Lib calls as it takes, unscaled."""
    high, low, close, volume = c["high"], c["low"], c["close"], c["volume"]
    return [
        *(talib.RSI(close, period) for period in (6, 14, 28)),
        talib.STOCHRSI(close, 14, 14, 1)[0],
        *talib.STOCHF(high, low, close, 14, 3),
        *(talib.WILLR(high, low, close, window) for window in (48, 24, 96)),
        talib.CCI(high, low, close, 20),
        *(talib.MFI(high, low, close, volume, window) for window in (14, 48)),
        talib.ULTOSC(high, low, close, 7, 14, 28),
        *(talib.ADX(high, low, close, period) for period in (14, 48)),
        talib.PLUS_DI(high, low, close, 14),
        talib.MINUS_DI(high, low, close, 14),
        *talib.AROON(high, low, 25),
        talib.AROONOSC(high, low, 96),
        *(talib.NATR(high, low, close, period) for period in (14, 48)),
        *talib.MACD(close, 5, 35, 5)[::2],
        *talib.MACD(close, 12, 26, 9)[::2],
        *talib.MACD(close, 24, 52, 18)[::2],
        close - talib.EMA(close, 24),
        close - talib.DEMA(close, 24),
        close - talib.TEMA(close, 24),
        close[24:] - talib.WMA(2.0 * talib.WMA(close, 12)[24:] - talib.WMA(close, 25)[24:], 5),
        close - talib.KAMA(close, 10),
        talib.LINEARREG_SLOPE(close, 24),
        close - talib.LINEARREG(close, 96),
        *bands(close, 24),
        close - talib.MIDPRICE(high, low, 26),
        talib.ADOSC(high, low, close, volume, 3, 10),
        talib.CORREL(close, volume, 96),
        talib.BOP(c["open"], high, low, close),
    ]


def talib_table(c: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The same as one table with a row a bar, which is what a model is fed and what a replay gives."""
    every = talib_all(c)
    table = np.full((len(c["close"]), len(every)), np.nan)
    for column, values in enumerate(every):
        table[len(table) - len(values) :, column] = values
    return table


def bands(close: NDArray[np.float64], window: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the close lies in Bollinger's bands, and their width."""
    top, middle, _ = talib.BBANDS(close, window, 1.0, 1.0)
    width = top - middle
    return (close - middle) / width, width


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


def demand_equal(engine: FeatureEngine, bars: NDArray[np.void], table: pl.DataFrame) -> None:
    """Our values and the expressions', where both are defined; polars' running sums drift, ours do not.

    Raises
    ------
    AssertionError
        Naming how far they are apart.
    """
    rows, theirs = replayed(engine, bars), polars_all(table).to_numpy()
    np.testing.assert_allclose(rows[WINDOW:], theirs[WINDOW:], rtol=1e-6, atol=1e-6)


def replayed(
    engine: FeatureEngine, bars: NDArray[np.void], out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """All rows from an empty state."""
    engine.reset()
    return engine.replay(bars, out)


def replayed_in_pieces(engine: FeatureEngine, bars: NDArray[np.void]) -> None:
    """The same rows, a piece at a time."""
    engine.reset()
    for begin in range(0, len(bars), PIECE):
        engine.replay(bars[begin : begin + PIECE])


def update_time(engine: FeatureEngine, bars: NDArray[np.void]) -> float:
    """Seconds that one update takes, the median over distinct bars, after warm-up."""
    engine.reset()
    engine.replay(bars[:1_000])
    times = []
    for bar in bars[1_000:]:
        begin = time.perf_counter()
        engine.update(bar)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def alone(what: str) -> float:
    """Seconds a value in a process of its own, which has done nothing else: as a script finds the machine."""
    command = [sys.executable, "-m", "benchmarks.features", what]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(what: str) -> None:
    """Print the median seconds a value of ``replay`` or ``talib``."""
    bars = plain_bars(COUNT, 1)
    engine, arrays = FeatureEngine(FeatureSet(TALIB_NAMES, MINUTE, 3)).build(), columns(bars)
    call = {"replay": lambda: replayed(engine, bars), "talib": lambda: talib_all(arrays)}[what]
    call()
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    print(statistics.median(times) / (COUNT * len(TALIB_NAMES)))


def batch_live(bars: NDArray[np.void], steps: int) -> None:
    """What a batch library does live: all indicators over the last bars, for every bar."""
    for end in range(WINDOW, WINDOW + steps):
        talib_all(columns(bars[end - WINDOW : end]))


def live(engine: FeatureEngine, bars: NDArray[np.void], peer: float) -> Result:
    """What one bar costs live."""
    count = len(engine.feature_set.names)
    ours = median_of(3, lambda: update_time(engine, bars[:20_000]))
    return Result(f"update from Python, {count} features, p50", "bar", ours, f"TA-Lib, {WINDOW} bars", peer, bar=UPDATE)


def run() -> list[Result]:
    """All comparisons."""
    keep_memory()
    bars = plain_bars(COUNT, 1)
    table = pl.DataFrame(columns(bars))
    shared, few, whole = (
        FeatureEngine(FeatureSet(names, MINUTE, 3)).build() for names in (TALIB_NAMES, POLARS_NAMES, TRADED)
    )
    demand_equal(few, bars, table)
    arrays = columns(bars)
    values, all_values, few_values = (COUNT * len(names) for names in (TALIB_NAMES, TRADED, POLARS_NAMES))
    peer = f"TA-Lib batch, its {len(TALIB_NAMES)}"
    name = f"replay, {len(TALIB_NAMES)} that TA-Lib has"
    again = np.empty((COUNT, len(TALIB_NAMES)))
    batch = [
        Result(f"{name}, each its process", "value", alone("replay"), peer, alone("talib"), values),
        compare(
            f"{name}, into a table",
            "value",
            lambda: replayed(shared, bars, again),
            peer,
            lambda: talib_all(arrays),
            values,
        ),
        compare(
            f"{name}, a new table",
            "value",
            lambda: replayed(shared, bars),
            f"{peer}, stacked",
            lambda: talib_table(arrays),
            values,
        ),
        compare(
            f"replay, {len(POLARS_NAMES)} as polars expressions",
            "value",
            lambda: replayed(few, bars),
            "polars batch",
            lambda: polars_all(table),
            few_values,
        ),
        compare(
            f"replay, all {len(TRADED)} cheap ones, at once",
            "value",
            lambda: replayed(whole, bars),
            peer,
            lambda: talib_all(arrays),
            all_values,
            peer_work=values,
            bar=VALUE * all_values,
        ),
        compare(
            f"replay, all {len(TRADED)}, in pieces of {PIECE} bars",
            "value",
            lambda: replayed_in_pieces(whole, bars),
            peer,
            lambda: talib_all(arrays),
            all_values,
            peer_work=values,
            bar=VALUE * all_values,
        ),
    ]
    begin = time.perf_counter()
    batch_live(bars, 200)
    window = (time.perf_counter() - begin) / 200
    return [*batch, live(whole, bars, window), live(shared, bars, window)]


if __name__ == "__main__":
    main(sys.argv[1])
