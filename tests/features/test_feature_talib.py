"""Against TA-Lib, where it has the indicator; it seeds averages differently, so late rows are compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import talib

from benchmarks.features import TALIB_NAMES, columns, talib_all
from features.conformance import plain_bars, replayed

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

BARS = plain_bars(4_000, 21, 250.0)
OPEN, H, L, C, V = (np.ascontiguousarray(BARS[name]) for name in ("open", "high", "low", "close", "volume"))
LOG = np.log(C)
RETURNS = np.diff(LOG)
LATE = 2_500


def macd(part: int) -> np.ndarray:
    return talib.MACD(LOG, 12, 26, 9)[part]


def bands_z(window: int) -> np.ndarray:
    top, middle, _ = talib.BBANDS(LOG, window, 1.0, 1.0)
    return (LOG - middle) / (top - middle)


def triple(span: int) -> np.ndarray:
    once = talib.EMA(LOG, span)
    twice = talib.EMA(once[span - 1 :], span)
    thrice = talib.EMA(twice[span - 1 :], span)
    return np.diff(np.concatenate([np.full(2 * span - 1, np.nan), thrice]))


def hull(window: int, half: int, root: int) -> np.ndarray:
    ahead = 2 * talib.WMA(LOG, half) - talib.WMA(LOG, window)
    return LOG - np.concatenate([np.full(window - 1, np.nan), talib.WMA(ahead[window - 1 :], root)])


def volume_average(span: int) -> np.ndarray:
    return talib.EMA(V, span)


def sigma(feature: np.ndarray, bars: float, volatility: np.ndarray) -> np.ndarray:
    return feature * volatility * np.sqrt(bars)


# name -> TA-Lib's value, and how ours becomes it (given the volatility column)
CASES: dict[str, tuple[Callable[[], np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "rsi_14": (lambda: talib.RSI(C, 14), lambda x, v: 100 * x),
    "rsi_6": (lambda: talib.RSI(C, 6), lambda x, v: 100 * x),
    "stochastic_k_14": (lambda: talib.STOCHF(H, L, C, 14, 3)[0], lambda x, v: 100 * x),
    "stochastic_d_14_3": (lambda: talib.STOCHF(H, L, C, 14, 3)[1], lambda x, v: 100 * x),
    "williams_r_48": (lambda: talib.WILLR(H, L, C, 48), lambda x, v: 100 * x),
    "cci_20": (lambda: talib.CCI(H, L, C, 20), lambda x, v: x),
    "mfi_14": (lambda: talib.MFI(H, L, C, V, 14), lambda x, v: 100 * x),
    "adx_14": (lambda: talib.ADX(H, L, C, 14), lambda x, v: 100 * x),
    "directional_difference_14": (
        lambda: talib.PLUS_DI(H, L, C, 14) - talib.MINUS_DI(H, L, C, 14),
        lambda x, v: 100 * x,
    ),
    "aroon_up_25": (lambda: talib.AROON(H, L, 25)[1], lambda x, v: 100 * x),
    "aroon_down_25": (lambda: talib.AROON(H, L, 25)[0], lambda x, v: 100 * x),
    "natr_14": (lambda: talib.NATR(H, L, C, 14), lambda x, v: 100 * x),
    "macd_12_26": (lambda: macd(0), lambda x, v: sigma(x, 26, v)),
    "macd_histogram_12_26_9": (lambda: macd(2), lambda x, v: sigma(x, 26, v)),
    "ema_distance_24": (lambda: LOG - talib.EMA(LOG, 24), lambda x, v: sigma(x, 24, v)),
    "price_z_24": (lambda: bands_z(24), lambda x, v: x),
    "trix_15": (lambda: triple(15), lambda x, v: sigma(x, 1, v)),
    "body_share": (lambda: talib.BOP(OPEN, H, L, C), lambda x, v: x),
    "rsi_28": (lambda: talib.RSI(C, 28), lambda x, v: 100 * x),
    "stochastic_rsi_14_14": (lambda: talib.STOCHRSI(C, 14, 14, 1)[0], lambda x, v: 100 * x),
    "mfi_48": (lambda: talib.MFI(H, L, C, V, 48), lambda x, v: 100 * x),
    "ultimate_7_14_28": (lambda: talib.ULTOSC(H, L, C, 7, 14, 28), lambda x, v: 100 * x),
    "adx_48": (lambda: talib.ADX(H, L, C, 48), lambda x, v: 100 * x),
    "plus_di_14": (lambda: talib.PLUS_DI(H, L, C, 14), lambda x, v: 100 * x),
    "minus_di_14": (lambda: talib.MINUS_DI(H, L, C, 14), lambda x, v: 100 * x),
    "aroon_oscillator_96": (lambda: talib.AROONOSC(H, L, 96), lambda x, v: 100 * x),
    "natr_48": (lambda: talib.NATR(H, L, C, 48), lambda x, v: 100 * x),
    "range_expansion_14": (lambda: np.log(talib.TRANGE(H, L, C) / talib.ATR(H, L, C, 14)), lambda x, v: x),
    "macd_5_35": (lambda: talib.MACD(LOG, 5, 35, 5)[0], lambda x, v: sigma(x, 35, v)),
    "macd_histogram_24_52_18": (lambda: talib.MACD(LOG, 24, 52, 18)[2], lambda x, v: sigma(x, 52, v)),
    "dema_distance_24": (lambda: LOG - talib.DEMA(LOG, 24), lambda x, v: sigma(x, 24, v)),
    "tema_distance_24": (lambda: LOG - talib.TEMA(LOG, 24), lambda x, v: sigma(x, 24, v)),
    "hma_distance_25": (lambda: hull(25, 12, 5), lambda x, v: sigma(x, 25, v)),
    "kama_distance_10_2_30": (lambda: LOG - talib.KAMA(LOG, 10), lambda x, v: sigma(x, 30, v)),
    "trend_slope_24": (lambda: talib.LINEARREG_SLOPE(LOG, 24), lambda x, v: sigma(x, 24, v) / 24),
    "trend_residual_96": (lambda: LOG - talib.LINEARREG(LOG, 96), lambda x, v: sigma(x, 96, v)),
    "bollinger_width_24": (lambda: talib.STDDEV(LOG, 24), lambda x, v: sigma(x, 24, v)),
    "keltner_20_10": (lambda: (LOG - talib.EMA(LOG, 20)) / talib.NATR(H, L, C, 10) * 100, lambda x, v: x),
    "donchian_96": (lambda: talib.WILLR(H, L, C, 96), lambda x, v: 100 * x - 100),
    "ichimoku_base_26": (lambda: (C - talib.MIDPRICE(H, L, 26)) / C, lambda x, v: sigma(x, 26, v)),
    "accumulation_oscillator_3_10": (lambda: talib.ADOSC(H, L, C, V, 3, 10), lambda x, v: x * volume_average(10)),
    "return_volume_correlation_96": (lambda: talib.CORREL(RETURNS, V[1:], 96), lambda x, v: x),
    "largest_return_96": (lambda: talib.MAX(RETURNS, 96), lambda x, v: sigma(x, 1, v)),
    "effective_range_24": (
        lambda: (talib.MAX(H, 24) - talib.MIN(L, 24))[1:] / talib.SUM(talib.TRANGE(H, L, C)[1:], 24),
        lambda x, v: x,
    ),
    "scaled_return_8": (lambda: np.log(talib.ROCR(C, 8)), lambda x, v: sigma(x, 8, v)),
}
# TA-Lib's own error: variance as a difference of running sums of squares.
LOOSE = {"price_z_24": 1e-6, "cci_20": 1e-8}


@pytest.fixture(scope="module")
def rows(compiled):
    return dict(zip(compiled.feature_set.names, replayed(compiled, BARS).T, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_talib(rows, name):
    peer, scale = CASES[name]
    ours = scale(rows[name], rows["ewma_volatility_96"])[LATE:]
    theirs = peer()[-len(ours) :]
    assert np.isfinite(theirs).all()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=LOOSE.get(name, 1e-9) * np.abs(theirs).max())


def test_the_benchmark_has_talib_compute_as_many():
    assert len(talib_all(columns(BARS))) == len(TALIB_NAMES) == len(set(TALIB_NAMES))


@pytest.mark.parametrize(("name", "span"), [("ewma_volatility_96", 96), ("ewma_volatility_24", 24)])
def test_volatility_agrees_with_polars(rows, name, span):
    squares = pl.Series(np.diff(LOG) ** 2)
    theirs = squares.ewm_mean(span=span, adjust=True).sqrt().to_numpy()[span - 1 :]
    np.testing.assert_allclose(rows[name][span:], theirs, rtol=1e-11)


def test_regression_t_agrees_with_scipy(rows):
    from scipy.stats import linregress

    for row in (100, 1_234, 3_999):
        fit = linregress(np.arange(96), LOG[row - 95 : row + 1])
        assert rows["trend_t_96"][row] == pytest.approx(fit.slope / fit.stderr, rel=1e-9)
        assert rows["trend_r2_96"][row] == pytest.approx(fit.rvalue**2, rel=1e-9)


def test_shape_agrees_with_scipy(rows):
    from scipy.stats import kurtosis, skew

    returns = np.diff(LOG)
    for row in (100, 1_234, 3_999):
        assert rows["skewness_96"][row] == pytest.approx(skew(returns[row - 96 : row]), rel=1e-9)
        assert rows["excess_kurtosis_96"][row] == pytest.approx(kurtosis(returns[row - 96 : row]), rel=1e-9)
