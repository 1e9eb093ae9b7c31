"""Against TA-Lib, where it has the indicator; it seeds averages differently, so late rows are compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import talib

from features.conformance import plain_bars, replayed

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

BARS = plain_bars(4_000, 21, 250.0)
OPEN, H, L, C, V = (np.ascontiguousarray(BARS[name]) for name in ("open", "high", "low", "close", "volume"))
LOG = np.log(C)
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
