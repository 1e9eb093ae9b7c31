"""An independent second implementation of every feature: extended precision, whole windows at once, no state.

Nothing here shares code with the room. Windows are slices, averages are sums over slices, exponential averages are
`scipy.signal.lfilter` in 80-bit floats.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

Extended = np.longdouble
Array = NDArray[np.longdouble]
FLOOR = Extended(1e-8)


def lead(x: Array) -> int:
    """How many values at the start are undefined."""
    defined = ~np.isnan(x)
    return int(defined.argmax()) if defined.any() else len(x)


def lag(x: Array, bars: int = 1) -> Array:
    out = np.full(len(x), np.nan, Extended)
    out[bars:] = x[:-bars]
    return out


def decayed(x: Array, keep: Array) -> Array:
    """Exponential average with normalised weights, from the first defined value."""
    out = np.full(len(x), np.nan, Extended)
    start = lead(x)
    tail = x[start:]
    one, filter_ = np.ones(1, Extended), np.array([1, -keep], Extended)
    out[start:] = lfilter(one, filter_, tail) / lfilter(one, filter_, np.ones(len(tail), Extended))
    return out


def ewm(x: Array, span: int) -> Array:
    return decayed(x, 1 - Extended(2) / (span + 1))


def wilder(x: Array, period: int) -> Array:
    return decayed(x, 1 - Extended(1) / period)


def over(window: int, function: Callable[..., Array], *series: Array) -> Array:
    """A function of (rows, window) slices, at each window's last row."""
    out = np.full(len(series[0]), np.nan, Extended)
    out[window - 1 :] = function(*(sliding_window_view(one, window) for one in series))
    return out


def total(x: Array, window: int) -> Array:
    return over(window, lambda view: view.sum(axis=1), x)


def divide(x: Array, y: Array, neutral: float, nothing: float = 1e-100) -> Array:
    some = y > nothing
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.where(some, x / np.where(some, y, 1), neutral))


def log_ratio(x: Array, y: Array, factor: float) -> Array:
    """factor * log(x / y) with both counted as at least 1e-8 of the other, and 0 where neither is positive."""
    x, y = np.where(x > 1e-40, x, 0 * x), np.where(y > 1e-40, y, 0 * y)
    empty = (x == 0) & (y == 0)
    top, bottom = np.maximum(x, FLOOR * y), np.maximum(y, FLOOR * x)
    return np.where(empty, 0, factor * np.log(np.where(empty, 1, top) / np.where(empty, 1, bottom)))


def central(view: Array, power: int) -> Array:
    return ((view - view.mean(axis=1, keepdims=True)) ** power).mean(axis=1)


def dispersed(view: Array) -> Array:
    """Whether a window varies by more than a millionth of its mean."""
    return central(view, 2) > 1e-12 * view.mean(axis=1) ** 2


def z_score(x: Array, window: int) -> Array:
    def last(view: Array) -> Array:
        some = dispersed(view)
        return np.where(some, (view[:, -1] - view.mean(axis=1)) / np.sqrt(np.where(some, central(view, 2), 1)), 0)

    return over(window, last, x)


class Market:
    """The columns of some bars in extended precision, and what many features share."""

    def __init__(self, bars: NDArray[np.void]) -> None:
        self.bars = bars
        for field, name in zip(("open", "high", "low", "close", "volume"), "ohlcv", strict=True):
            setattr(self, name, bars[field].astype(Extended))
        self.taker = bars["taker_buy_volume"].astype(Extended)
        self.trades = bars["trade_count"].astype(Extended)
        self.log = np.log(self.c)
        self.r = self.log - lag(self.log)
        self.r[1:][bars["close"][1:] == bars["close"][:-1]] = 0
        self.before = lag(self.c)
        self.true_range = np.maximum(self.h, self.before) - np.minimum(self.l, self.before)
        self.variance = ewm(self.r**2, 96)

    def per_volatility(self, x: Array, bars: float) -> Array:
        some = self.variance > 1e-40
        scale = np.sqrt(np.where(some, self.variance, 1) * bars)
        return np.where(np.isnan(self.variance) | np.isnan(x), np.nan, np.where(some, x / scale, 0))

    def volatility(self, span: int) -> Array:
        variance = ewm(self.r**2, span)
        return np.where(variance <= 1e-40, 0, np.sqrt(variance))

    def distance(self, span: int) -> Array:
        return self.log - ewm(self.log, span)


def scaled_return(m: Market, bars: int) -> Array:
    return m.per_volatility(m.log - lag(m.log, bars), bars)


def return_ewma(m: Market, span: int) -> Array:
    scaled = m.per_volatility(m.r, 1)
    scaled[:96] = np.nan
    return ewm(scaled, span)


def momentum_t(m: Market, window: int) -> Array:
    def value(view: Array) -> Array:
        some = dispersed(view)
        return np.where(some, view.mean(axis=1) / np.sqrt(np.where(some, central(view, 2), 1) / window), 0)

    return over(window, value, m.r)


def efficiency(m: Market, window: int) -> Array:
    return divide(total(m.r, window), total(abs(m.r), window), 0)


def location(m: Market) -> Array:
    return divide((m.c - m.l) - (m.h - m.c), m.h - m.l, 0, 0)


def macd(m: Market, fast: int, slow: int) -> Array:
    return ewm(m.log, fast) - ewm(m.log, slow)


def macd_histogram(m: Market, fast: int, slow: int, signal: int) -> Array:
    line = macd(m, fast, slow)
    line[: slow - 1] = np.nan
    return m.per_volatility(line - ewm(line, signal), slow)


def movements(m: Market, period: int) -> tuple[Array, Array]:
    up, down = m.h - lag(m.h), lag(m.l) - m.l
    plus, minus = np.where((up > down) & (up > 0), up, 0 * up), np.where((down > up) & (down > 0), down, 0 * down)
    return wilder(plus, period), wilder(minus, period)


def directional_difference(m: Market, period: int) -> Array:
    plus, minus = movements(m, period)
    return divide(plus - minus, wilder(m.true_range, period), 0)


def adx(m: Market, period: int) -> Array:
    plus, minus = movements(m, period)
    index = divide(abs(plus - minus), plus + minus, 0)
    index[:period] = np.nan
    return wilder(index, period)


def aroon(x: Array, period: int) -> Array:
    return over(period + 1, lambda view: 1 - np.argmax(view[:, ::-1], axis=1) / Extended(period), x)


def correlation(m: Market, window: int) -> Array:
    time = np.arange(window, dtype=Extended) - Extended(window - 1) / 2

    def value(view: Array) -> Array:
        path = view - view.mean(axis=1, keepdims=True)
        flat = (view == view[:, :1]).all(axis=1)
        spread = np.sqrt((path**2).sum(axis=1) * (time**2).sum())
        return np.where(flat, 0, (path * time).sum(axis=1) / np.where(flat, 1, spread))

    return over(window, value, m.log)


def trend_t(m: Market, window: int) -> Array:
    rho = correlation(m, window)
    return rho * np.sqrt((window - 2) / np.maximum(1 - rho**2, 1e-4))


def price_z(m: Market, window: int) -> Array:
    def value(view: Array) -> Array:
        flat = (view == view[:, :1]).all(axis=1)
        return np.where(flat, 0, (view[:, -1] - view.mean(axis=1)) / np.sqrt(np.where(flat, 1, central(view, 2))))

    return over(window, value, m.log)


def trix(m: Market, span: int) -> Array:
    once = ewm(m.r, span)
    once[:span] = np.nan
    twice = ewm(once, span)
    twice[: 2 * span - 1] = np.nan
    return m.per_volatility(ewm(twice, span), 1)


def rsi(m: Market, period: int) -> Array:
    change = m.c - m.before
    return divide(wilder(np.maximum(change, 0 * change), period), wilder(abs(change), period), 0.5)


def range_position(m: Market, window: int) -> Array:
    low, high = over(window, lambda v: v.min(axis=1), m.l), over(window, lambda v: v.max(axis=1), m.h)
    return divide(m.c - low, high - low, 0.5, 0)


def stochastic_d(m: Market, window: int, smooth: int) -> Array:
    return total(range_position(m, window), smooth) / smooth


def cci(m: Market, window: int) -> Array:
    typical = (m.h + m.l + m.c) / 3

    def value(view: Array, close: Array) -> Array:
        mean = view.mean(axis=1, keepdims=True)
        deviation = abs(view - mean).mean(axis=1)
        some = deviation > 1e-12 * close[:, -1]
        return np.where(some, (view[:, -1] - mean[:, 0]) / (Extended(3) / 200 * np.where(some, deviation, 1)), 0)

    return over(window, value, typical, m.c)


def mfi(m: Market, window: int) -> Array:
    rounded = (m.bars["high"] + m.bars["low"] + m.bars["close"]) / 3.0
    change = np.concatenate([[np.nan], np.diff(rounded)])
    flow = (m.h + m.l + m.c) / 3 * m.v
    flow[0] = np.nan
    up, down = np.where(change > 0, flow, 0 * flow), np.where(change < 0, flow, 0 * flow)
    return divide(total(up, window), total(up, window) + total(down, window), 0.5)


def volatility_ratio(m: Market, fast: int, slow: int) -> Array:
    return log_ratio(ewm(m.r**2, fast), ewm(m.r**2, slow), 0.5)


def range_ratio(m: Market, window: int, kind: str) -> Array:
    spread, body = np.log(m.h / m.l), np.log(m.c / m.o)
    up, down = np.log(m.h / m.o), np.log(m.l / m.o)
    one = {
        "parkinson": spread**2 / (4 * np.log(Extended(2))),
        "garman_klass": spread**2 / 2 - (2 * np.log(Extended(2)) - 1) * body**2,
        "rogers_satchell": up * (up - body) + down * (down - body),
    }[kind]
    return log_ratio(total(one, window) / window, m.variance, 0.5)


def volatility_of_volatility(m: Market, span: int, window: int) -> Array:
    sigma = m.volatility(span)
    sigma[:span] = np.nan

    def value(view: Array) -> Array:
        some = dispersed(view)
        return np.where(some, np.sqrt(central(view, 2)) / np.where(some, view.mean(axis=1), 1), 0)

    return over(window, value, sigma)


def upside(m: Market, window: int) -> Array:
    return divide(total(np.where(m.r > 0, m.r**2, 0 * m.r), window), total(m.r**2, window), 0.5)


def standardised(m: Market, window: int, power: int) -> Array:
    def value(view: Array) -> Array:
        some = dispersed(view)
        return np.where(some, central(view, power) / np.where(some, central(view, 2), 1) ** (Extended(power) / 2), 0)

    return over(window, value, m.r)


def excess_kurtosis(m: Market, window: int) -> Array:
    some = over(window, lambda view: dispersed(view).astype(Extended), m.r)
    return np.where(some == 0, 0, standardised(m, window, 4) - 3)


def autocorrelation(m: Market, window: int) -> Array:
    def value(view: Array) -> Array:
        some = dispersed(view)
        d = view - view.mean(axis=1, keepdims=True)
        return np.where(some, (d[:, 1:] * d[:, :-1]).sum(axis=1) / np.where(some, (d**2).sum(axis=1), 1), 0)

    return over(window, value, m.r)


def roll_spread(m: Market, window: int) -> Array:
    rho = autocorrelation(m, window)
    return np.where(np.isnan(rho), np.nan, np.where(rho < -1e-10, 2 * np.sqrt(np.maximum(-rho, 0)), 0))


def variance_ratio(m: Market, bars: int, window: int) -> Array:
    long = m.log - lag(m.log, bars)
    return divide(total(long**2, window), total(total(m.r**2, bars), window), 1)


def excursion(m: Market, window: int, extreme: Callable[..., Array]) -> Array:
    return m.per_volatility(m.log - np.log(over(window, lambda view: extreme(view, axis=1), m.c)), window)


def volume_trend(m: Market, fast: int, slow: int) -> Array:
    return log_ratio(ewm(m.v, fast), ewm(m.v, slow), 1)


def obv_slope(m: Market, window: int) -> Array:
    sign = np.sign(m.c - m.before)
    return divide(total(sign * m.v, window), total(m.v, window), 0)


def vwap_deviation(m: Market, window: int) -> Array:
    mean = divide(total(m.v * (m.log - m.log[0]), window), total(m.v, window), np.nan)
    silent = total(m.v, window) <= 1e-100
    return m.per_volatility(np.where(silent, 0, m.log - m.log[0] - mean), window)


def chaikin(m: Market, window: int) -> Array:
    return divide(total(location(m) * m.v, window), total(m.v, window), 0)


def illiquidity(m: Market) -> Array:
    return np.where(np.isnan(m.r), np.nan, divide(abs(m.r), m.v * m.c, 0, 0))


def imbalance(m: Market) -> Array:
    return np.minimum(divide(2 * m.taker - m.v, m.v, 0, 0), 1)


def turn(m: Market, shift_days: int, days: int) -> Array:
    day = 86_400_000_000_000
    phase = (m.bars["end"] - shift_days * day) % (days * day)
    return 2 * np.arctan2(Extended(0), Extended(-1)) * phase.astype(Extended) / (days * day)


REFERENCE: dict[str, Callable[[Market], Array]] = {
    **{f"scaled_return_{k}": lambda m, k=k: scaled_return(m, k) for k in (1, 2, 4, 8, 16, 32, 96)},
    **{f"return_ewma_{k}": lambda m, k=k: return_ewma(m, k) for k in (4, 8, 16, 32)},
    **{f"momentum_t_{k}": lambda m, k=k: momentum_t(m, k) for k in (16, 48, 96)},
    **{f"ema_distance_{k}": lambda m, k=k: m.per_volatility(m.distance(k), k) for k in (8, 24, 96)},
    **{f"efficiency_{k}": lambda m, k=k: efficiency(m, k) for k in (24, 96)},
    "close_location": location,
    "body_share": lambda m: divide(m.c - m.o, m.h - m.l, 0, 0),
    "macd_12_26": lambda m: m.per_volatility(macd(m, 12, 26), 26),
    "macd_histogram_12_26_9": lambda m: macd_histogram(m, 12, 26, 9),
    "directional_difference_14": lambda m: directional_difference(m, 14),
    "adx_14": lambda m: adx(m, 14),
    "aroon_up_25": lambda m: aroon(m.h, 25),
    "aroon_down_25": lambda m: aroon(-m.l, 25),
    **{f"trend_t_{k}": lambda m, k=k: trend_t(m, k) for k in (24, 96)},
    **{f"trend_r2_{k}": lambda m, k=k: correlation(m, k) ** 2 for k in (24, 96)},
    **{f"price_z_{k}": lambda m, k=k: price_z(m, k) for k in (24, 96)},
    "trix_15": lambda m: trix(m, 15),
    **{f"rsi_{k}": lambda m, k=k: rsi(m, k) for k in (6, 14)},
    "stochastic_k_14": lambda m: range_position(m, 14),
    "stochastic_d_14_3": lambda m: stochastic_d(m, 14, 3),
    "williams_r_48": lambda m: range_position(m, 48) - 1,
    "cci_20": lambda m: cci(m, 20),
    "mfi_14": lambda m: mfi(m, 14),
    **{f"ewma_volatility_{k}": lambda m, k=k: m.volatility(k) for k in (24, 96)},
    "volatility_ratio_12_96": lambda m: volatility_ratio(m, 12, 96),
    "volatility_ratio_96_384": lambda m: volatility_ratio(m, 96, 384),
    **{
        f"{kind}_ratio_24": lambda m, kind=kind: range_ratio(m, 24, kind)
        for kind in ("parkinson", "garman_klass", "rogers_satchell")
    },
    "natr_14": lambda m: wilder(m.true_range, 14) / m.c,
    "volatility_of_volatility_16_96": lambda m: volatility_of_volatility(m, 16, 96),
    **{f"upside_variance_share_{k}": lambda m, k=k: upside(m, k) for k in (24, 96)},
    "skewness_96": lambda m: standardised(m, 96, 3),
    "excess_kurtosis_96": lambda m: excess_kurtosis(m, 96),
    "autocorrelation_1_96": lambda m: autocorrelation(m, 96),
    "roll_spread_96": lambda m: roll_spread(m, 96),
    **{f"variance_ratio_{k}_96": lambda m, k=k: variance_ratio(m, k, 96) for k in (4, 16)},
    **{f"drawdown_{k}": lambda m, k=k: excursion(m, k, np.max) for k in (96, 384)},
    **{f"runup_{k}": lambda m, k=k: excursion(m, k, np.min) for k in (96, 384)},
    **{f"volume_z_{k}": lambda m, k=k: z_score(m.v, k) for k in (24, 96)},
    "volume_trend_8_96": lambda m: volume_trend(m, 8, 96),
    **{f"obv_slope_{k}": lambda m, k=k: obv_slope(m, k) for k in (24, 96)},
    **{f"vwap_deviation_{k}": lambda m, k=k: vwap_deviation(m, k) for k in (24, 96)},
    "chaikin_20": lambda m: chaikin(m, 20),
    "illiquidity_z_96": lambda m: z_score(illiquidity(m), 96),
    "taker_imbalance": imbalance,
    **{f"taker_imbalance_ewma_{k}": lambda m, k=k: ewm(imbalance(m), k) for k in (4, 8, 16, 32, 64)},
    "taker_imbalance_24": lambda m: divide(total(imbalance(m) * m.v, 24), total(m.v, 24), 0),
    "trade_count_z_96": lambda m: z_score(m.trades, 96),
    "trade_size_z_96": lambda m: z_score(divide(m.v, m.trades, 0, 0), 96),
    "hour_sin": lambda m: np.sin(turn(m, 0, 1)),
    "hour_cos": lambda m: np.cos(turn(m, 0, 1)),
    "weekday_sin": lambda m: np.sin(turn(m, 4, 7)),
    "weekday_cos": lambda m: np.cos(turn(m, 4, 7)),
}


def worst_errors(
    names: tuple[str, ...],
    scales: dict[str, float],
    rows: NDArray[np.float64],
    bars: NDArray[np.void],
    first: dict[str, int],
    reference: dict[str, Callable[[Market], Array]] = REFERENCE,
) -> dict[str, float]:
    """Each feature's largest error in units of max(|exact|, scale), over the rows from ``first`` on."""
    with np.errstate(divide="ignore", invalid="ignore"):
        market = Market(bars)
        worst = {}
        for column, name in enumerate(names):
            exact = reference[name](market)[first[name] :]
            got = rows[first[name] :, column].astype(Extended)
            error = abs(got - exact) / np.maximum(abs(exact), scales[name])
            worst[name] = float(error.max()) if not np.isnan(error).any() else np.inf
        return worst
