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
from scipy.special import ndtr

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
        self.quote = bars["quote_volume"].astype(Extended)
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


def related(view: Array) -> Array:
    """Whether a window varies by more than 1 % of its mean."""
    return central(view, 2) > 1e-4 * view.mean(axis=1) ** 2


def autocorrelation(x: Array, lag_: int, window: int) -> Array:
    def value(view: Array) -> Array:
        some = related(view)
        d = view - view.mean(axis=1, keepdims=True)
        return np.where(some, (d[:, lag_:] * d[:, :-lag_]).sum(axis=1) / np.where(some, (d**2).sum(axis=1), 1), 0)

    return over(window, value, x)


def correlated(x: Array, y: Array, window: int) -> Array:
    def value(left: Array, right: Array) -> Array:
        some = related(left) & related(right)
        d, e = left - left.mean(axis=1, keepdims=True), right - right.mean(axis=1, keepdims=True)
        scale = np.sqrt((d**2).sum(axis=1) * (e**2).sum(axis=1))
        return np.where(some, (d * e).sum(axis=1) / np.where(some, scale, 1), 0)

    return over(window, value, x, y)


def roll_spread(m: Market, window: int) -> Array:
    rho = autocorrelation(m.r, 1, window)
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


def shadow(m: Market, above: bool) -> Array:
    part = m.h - np.maximum(m.o, m.c) if above else np.minimum(m.o, m.c) - m.l
    return divide(part, m.h - m.l, 0, 0)


def known(x: Array, value: Array) -> Array:
    """A value where x is defined."""
    return np.where(np.isnan(x), np.nan, value)


def body_share(m: Market) -> Array:
    return divide(m.c - m.o, m.h - m.l, 0, 0)


def mean(x: Array, window: int) -> Array:
    return total(x, window) / window


def relative_macd(m: Market, fast: int, slow: int) -> Array:
    return m.per_volatility(macd(m, fast, slow), slow)


def side(m: Market, period: int, place: int) -> Array:
    return divide(movements(m, period)[place], wilder(m.true_range, period), 0)


def vortex(m: Market, window: int) -> Array:
    return divide(total(abs(m.h - lag(m.l)) - abs(m.l - lag(m.h)), window), total(m.true_range, window), 0)


def slope(m: Market, window: int) -> Array:
    time = np.arange(window, dtype=Extended) - Extended(window - 1) / 2
    return over(window, lambda view: ((view - view[:, -1:]) * time).sum(axis=1) / (time**2).sum(), m.log)


def residual(m: Market, window: int) -> Array:
    distance = over(window, lambda view: (view[:, -1:] - view).mean(axis=1), m.log)
    return m.per_volatility(distance - slope(m, window) * Extended(window - 1) / 2, window)


def scan(m: Market, what: int) -> Array:
    best, place = trend_t(m, 12), 0 * m.log
    for number, window in enumerate((24, 48, 96), start=1):
        value = trend_t(m, window)
        larger = abs(value) > abs(best) * (1 + Extended(1e-9))
        best, place = np.where(larger, value, best), np.where(larger, number, place)
    return known(value, (best, place)[what])


def bollinger_width(m: Market, window: int) -> Array:
    def value(view: Array) -> Array:
        return np.sqrt(central(view - view[:, -1:], 2))

    return m.per_volatility(over(window, value, m.log), window)


def after(x: Array, bars: int) -> Array:
    """The series with its first defined values left out."""
    out = x.copy()
    out[: lead(x) + bars - 1] = np.nan
    return out


def multiple_average(m: Market, span: int, third: bool) -> Array:
    """x - DEMA or x - TEMA; the averages of the distance start where it is defined."""
    distance = after(m.log - ewm(m.log, span), span)
    once = ewm(distance, span)
    if not third:
        return m.per_volatility(distance - once, span)
    once = after(once, span)
    return m.per_volatility(distance - 2 * once + ewm(once, span), span)


def weighted(x: Array, window: int) -> Array:
    weights = np.arange(1, window + 1, dtype=Extended)
    return over(window, lambda view: (view * weights).sum(axis=1) / weights.sum(), x)


def hull(m: Market, window: int, half: int, root: int) -> Array:
    log = m.log - m.log[0]
    return m.per_volatility(log - weighted(2 * weighted(log, half) - weighted(log, window), root), window)


def kama(m: Market, window: int, fast: int, slow: int) -> Array:
    share = divide(abs(total(m.r, window)), total(abs(m.r), window), 0)
    weight = (share * (Extended(2) / (fast + 1) - Extended(2) / (slow + 1)) + Extended(2) / (slow + 1)) ** 2
    out = np.full(len(m.r), np.nan, Extended)
    distance = Extended(0)
    for row in range(window, len(out)):
        distance = out[row] = (1 - weight[row]) * (distance + m.r[row])
    return m.per_volatility(out, slow)


def supertrend(m: Market, period: int, multiple: int) -> Array:
    """The published rules on price levels: bands ratchet, the trend flips when the close crosses the band it is on."""
    middle, width = (m.h + m.l) / 2, multiple * wilder(m.true_range, period)
    out = np.full(len(middle), np.nan, Extended)
    rising, upper, lower = True, Extended(0), Extended(0)
    for row in range(period, len(out)):
        top, bottom = middle[row] + width[row], middle[row] - width[row]
        if row > period:
            before = m.c[row - 1]
            top = top if top < upper or before > upper else upper
            bottom = bottom if bottom > lower or before < lower else lower
            rising = m.c[row] >= bottom if rising else m.c[row] > top
        upper, lower = top, bottom
        out[row] = (m.c[row] - (lower if rising else upper)) / m.c[row]
    return m.per_volatility(out, period)


def cusum_event(m: Market, multiple: int) -> Array:
    """By the running sum and its extremes since each side's last event, as the filter is drawn in the book."""
    level, run = m.volatility(96), np.cumsum(np.where(np.isnan(m.r), 0, m.r))
    out = np.full(len(m.r), np.nan, Extended)
    start = 96
    lowest = highest = run[start - 1]
    for row in range(start, len(out)):
        out[row] = 0
        if level[row] == 0:
            lowest = highest = run[row]
            continue
        lowest, highest = min(lowest, run[row]), max(highest, run[row])
        if highest - run[row] >= multiple * level[row]:
            out[row], highest = -1, run[row]
        elif run[row] - lowest >= multiple * level[row]:
            out[row], lowest = 1, run[row]
    return out


def middle(m: Market, window: int) -> Array:
    return (over(window, lambda v: v.max(axis=1), m.h) + over(window, lambda v: v.min(axis=1), m.l)) / 2


def cloud(m: Market, fast: int, base: int, slow: int) -> Array:
    one, other = lag((middle(m, fast) + middle(m, base)) / 2, base), lag(middle(m, slow), base)
    top, bottom = np.maximum(one, other), np.minimum(one, other)
    return m.per_volatility((np.maximum(m.c - top, 0) + np.minimum(m.c - bottom, 0)) / m.c, slow)


def stochastic_rsi(m: Market, period: int, window: int) -> Array:
    index = rsi(m, period)
    index[:period] = np.nan

    def value(view: Array) -> Array:
        low, high = view.min(axis=1), view.max(axis=1)
        some = high - low > 1e-6
        return np.where(some, (view[:, -1] - low) / np.where(some, high - low, 1), 0.5)

    return over(window, value, index)


def true_strength(m: Market, slow: int, fast: int) -> Array:
    net, gross = (ewm(after(ewm(x, slow), slow), fast) for x in (m.r, abs(m.r)))
    return divide(net, gross, 0)


def ultimate(m: Market) -> Array:
    pressure = m.c - np.minimum(m.l, m.before)
    short, mid, long = (divide(total(pressure, k), total(m.true_range, k), 0.5) for k in (7, 14, 28))
    return (4 * short + 2 * mid + long) / 7


def against(m: Market, variance: Array) -> Array:
    return log_ratio(variance, m.variance, 0.5)


def yang_zhang(m: Market, window: int) -> Array:
    def spread(x: Array) -> Array:
        return over(
            window, lambda v: np.where(dispersed(v), ((v - v.mean(axis=1, keepdims=True)) ** 2).sum(axis=1), 0), x
        )

    gap, body = np.log(m.o / m.before), np.log(m.c / m.o)
    up, down = np.log(m.h / m.o), np.log(m.l / m.o)
    k = Extended(34) / 100 / (Extended(134) / 100 + Extended(window + 1) / (window - 1))
    rogers_satchell = mean(up * (up - body) + down * (down - body), window)
    return against(m, (spread(gap) + k * spread(body)) / (window - 1) + (1 - k) * rogers_satchell)


PI = 2 * np.arctan2(Extended(1), Extended(0))


def bipower(m: Market, window: int) -> Array:
    return total(abs(m.r * lag(m.r)), window - 1) * PI / 2 / (window - 1)


def jump_share(m: Market, window: int) -> Array:
    variance = mean(m.r**2, window)
    share = divide(bipower(m, window), variance, 1, 1e-40 / window)
    return np.maximum(1 - share, 0)


def hurst(m: Market, window: int) -> Array:
    base, sums = total(m.r**2, window), []
    for bars in (2, 4, 8, 16):
        sums.append(log_ratio(total((m.log - lag(m.log, bars)) ** 2, window), bars * base, 1))
    points = np.stack([0 * base, *sums]) + np.log(Extended(2)) * np.arange(5)[:, None]
    time = np.arange(5, dtype=Extended)[:, None] - 2
    return (points * time).sum(axis=0) / 10 / np.log(Extended(2)) / 2


def drop(m: Market, window: int) -> Array:
    return m.log - np.log(over(window, lambda view: view.max(axis=1), m.c))


def ulcer(m: Market, window: int) -> Array:
    square = mean(drop(m, window) ** 2, window)
    return m.per_volatility(np.sqrt(np.where(square > 1e-40, square, 0 * square)), window)


def below(flow: Array, span: int) -> Array:
    """A cumulated flow minus its exponential average: every amount counts as far as the average has not yet taken it.

    The level itself would drown what is left of the flow after a long silence.
    """
    keep = 1 - Extended(2) / (span + 1)
    weights = keep ** np.arange(len(flow), dtype=Extended)
    normal = np.cumsum(weights)
    # The share of the amount of bar j that is still missing at bar t: keep^(t-j+1) normal[j-1] / normal[t].
    before = np.concatenate([[Extended(0)], normal[:-1]])
    out = lfilter(np.ones(1, Extended), np.array([1, -keep], Extended), flow * before) * keep / normal
    out[: span - 1] = np.nan
    return out


def accumulation(m: Market, fast: int, slow: int) -> Array:
    flow = location(m) * m.v
    return divide(below(flow, slow) - below(flow, fast), ewm(m.v, slow), 0)


def force(m: Market, span: int) -> Array:
    flow = ewm(m.r * m.v, span)
    volume = ewm(m.v, span)
    return m.per_volatility(divide(flow, volume, 0), 1)


def variation(x: Array, window: int) -> Array:
    def value(view: Array) -> Array:
        some = dispersed(view)
        return np.where(some, np.sqrt(central(view, 2)) / np.where(some, view.mean(axis=1), 1), 0)

    return over(window, value, x)


def vpin(m: Market, window: int) -> Array:
    return divide(total(abs(imbalance(m)) * m.v, window), total(m.v, window), 0)


def impact(m: Market, moves: Array, sizes: Array, window: int) -> Array:
    slope_ = divide(total(moves * sizes, window), total(sizes**2, window), 0)
    return m.per_volatility(slope_ * mean(abs(sizes), window), 1)


def quote_move(m: Market) -> Array:
    price = np.clip(divide(m.quote, m.v, 1, 0), m.l, m.h)
    return m.per_volatility(known(m.variance, np.where(m.v > 0, np.log(m.c / price), 0)), 1)


def high_low(m: Market, window: int) -> tuple[Array, Array]:
    """Corwin and Schultz's two equations as published, with beta and gamma of each pair of bars."""
    beta = np.log(m.h / m.l) ** 2 + lag(np.log(m.h / m.l)) ** 2
    gamma = np.log(np.maximum(m.h, lag(m.h)) / np.minimum(m.l, lag(m.l))) ** 2
    two = np.sqrt(Extended(2))
    alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / (3 - 2 * two) - np.sqrt(gamma / (3 - 2 * two))
    k2 = np.sqrt(8 / PI)
    sigma = (1 / two - 1) * np.sqrt(beta) / (k2 * (3 - 2 * two)) + np.sqrt(gamma / (k2**2 * (3 - 2 * two)))
    grown = np.exp(np.maximum(alpha, 0))
    return mean(2 * (grown - 1) / (1 + grown), window), mean(np.maximum(sigma, 0), window)


def abdi_ranaldo(m: Market, window: int) -> Array:
    middle_ = (np.log(m.h) + np.log(m.l)) / 2
    distance = m.log - middle_
    distance[(m.h == m.c) & (m.l == m.c)] = 0
    square = mean(4 * lag(distance) * (distance - m.r), window)
    return m.per_volatility(np.where(square > 1e-40, np.sqrt(np.maximum(square, 0)), 0 * square), 1)


def bulk(m: Market) -> Array:
    """2 Phi(z) - 1 in double precision, by another library; its error is far below the scale."""
    z = m.per_volatility(m.r, 1)
    z[:96] = np.nan
    return (2 * ndtr(z.astype(float)) - 1).astype(Extended) * m.v


def weekend(m: Market) -> Array:
    days = ((m.bars["end"] - 1) // 1_000_000_000).astype("datetime64[s]")
    return np.array([day.weekday() >= 5 for day in days.astype(object)]).astype(Extended)


REFERENCE: dict[str, Callable[[Market], Array]] = {
    **{f"scaled_return_{k}": lambda m, k=k: scaled_return(m, k) for k in (1, 2, 4, 8, 16, 32, 64, 96, 192)},
    **{f"return_ewma_{k}": lambda m, k=k: return_ewma(m, k) for k in (4, 8, 16, 32, 64)},
    **{f"momentum_t_{k}": lambda m, k=k: momentum_t(m, k) for k in (16, 48, 96, 192)},
    **{f"ema_distance_{k}": lambda m, k=k: m.per_volatility(m.distance(k), k) for k in (8, 24, 48, 96, 192)},
    **{f"efficiency_{k}": lambda m, k=k: efficiency(m, k) for k in (24, 48, 96)},
    "close_location": location,
    "body_share": body_share,
    **{f"macd_{k}_{n}": lambda m, k=k, n=n: relative_macd(m, k, n) for k, n in ((5, 35), (12, 26), (24, 52))},
    **{
        f"macd_histogram_{k}_{n}_{s}": lambda m, k=k, n=n, s=s: macd_histogram(m, k, n, s)
        for k, n, s in ((5, 35, 5), (12, 26, 9), (24, 52, 18))
    },
    **{f"directional_difference_{k}": lambda m, k=k: directional_difference(m, k) for k in (14, 48)},
    **{f"adx_{k}": lambda m, k=k: adx(m, k) for k in (14, 48)},
    "plus_di_14": lambda m: side(m, 14, 0),
    "minus_di_14": lambda m: side(m, 14, 1),
    "vortex_24": lambda m: vortex(m, 24),
    "aroon_oscillator_96": lambda m: aroon(m.h, 96) - aroon(-m.l, 96),
    "aroon_up_25": lambda m: aroon(m.h, 25),
    "aroon_down_25": lambda m: aroon(-m.l, 25),
    **{f"trend_t_{k}": lambda m, k=k: trend_t(m, k) for k in (24, 48, 96)},
    **{f"trend_r2_{k}": lambda m, k=k: correlation(m, k) ** 2 for k in (24, 48, 96)},
    **{f"price_z_{k}": lambda m, k=k: price_z(m, k) for k in (24, 48, 96)},
    **{f"trend_slope_{k}": lambda m, k=k: m.per_volatility(k * slope(m, k), k) for k in (24, 96)},
    **{f"trend_residual_{k}": lambda m, k=k: residual(m, k) for k in (24, 96)},
    "trend_scan_t": lambda m: scan(m, 0),
    "trend_scan_place": lambda m: scan(m, 1),
    "bollinger_width_24": lambda m: bollinger_width(m, 24),
    "dema_distance_24": lambda m: multiple_average(m, 24, third=False),
    "tema_distance_24": lambda m: multiple_average(m, 24, third=True),
    "hma_distance_25": lambda m: hull(m, 25, 12, 5),
    "kama_distance_10_2_30": lambda m: kama(m, 10, 2, 30),
    "supertrend_10_3": lambda m: supertrend(m, 10, 3),
    **{f"cusum_event_{k}": lambda m, k=k: cusum_event(m, k) for k in (2, 4, 8, 16)},
    "keltner_20_10": lambda m: divide(m.distance(20), wilder(m.true_range, 10) / m.c, 0, 1e-8),
    "ichimoku_conversion_9": lambda m: m.per_volatility((m.c - middle(m, 9)) / m.c, 9),
    "ichimoku_base_26": lambda m: m.per_volatility((m.c - middle(m, 26)) / m.c, 26),
    "ichimoku_span_b_52": lambda m: m.per_volatility((m.c - middle(m, 52)) / m.c, 52),
    "ichimoku_cross_9_26": lambda m: m.per_volatility((middle(m, 9) - middle(m, 26)) / m.c, 26),
    "ichimoku_cloud_9_26_52": lambda m: cloud(m, 9, 26, 52),
    "upper_shadow": lambda m: shadow(m, above=True),
    "lower_shadow": lambda m: shadow(m, above=False),
    "open_gap": lambda m: m.per_volatility(np.log(m.o / m.before), 1),
    "body_share_ewma_16": lambda m: ewm(body_share(m), 16),
    **{f"rising_share_{k}": lambda m, k=k: mean(known(m.r, m.r > 0), k) for k in (24, 96)},
    "largest_return_96": lambda m: m.per_volatility(over(96, lambda v: v.max(axis=1), m.r), 1),
    "smallest_return_96": lambda m: m.per_volatility(over(96, lambda v: v.min(axis=1), m.r), 1),
    "stochastic_rsi_14_14": lambda m: stochastic_rsi(m, 14, 14),
    "true_strength_25_13": lambda m: true_strength(m, 25, 13),
    **{f"donchian_{k}": lambda m, k=k: range_position(m, k) for k in (24, 96)},
    "ultimate_7_14_28": ultimate,
    **{
        f"close_to_close_ratio_{k}": lambda m, k=k: against(
            m, over(k, lambda v: np.where(dispersed(v), central(v, 2), 0), m.r)
        )
        for k in (24, 96)
    },
    **{f"yang_zhang_ratio_{k}": lambda m, k=k: yang_zhang(m, k) for k in (24, 96)},
    **{f"bipower_ratio_{k}": lambda m, k=k: against(m, bipower(m, k)) for k in (24, 96)},
    **{f"jump_share_{k}": lambda m, k=k: jump_share(m, k) for k in (24, 96)},
    "range_expansion_14": lambda m: log_ratio(m.true_range, wilder(m.true_range, 14), 1),
    "upside_ratio_96": lambda m: against(m, 2 * mean(np.maximum(m.r, 0 * m.r) ** 2, 96)),
    "downside_ratio_96": lambda m: against(m, 2 * mean(np.minimum(m.r, 0 * m.r) ** 2, 96)),
    "size_autocorrelation_96": lambda m: autocorrelation(abs(m.r), 1, 96),
    "hurst_96": lambda m: hurst(m, 96),
    "ulcer_24": lambda m: ulcer(m, 24),
    "deepest_drawdown_96": lambda m: m.per_volatility(over(96, lambda v: v.min(axis=1), drop(m, 96)), 96),
    "accumulation_oscillator_3_10": lambda m: accumulation(m, 3, 10),
    "force_13": lambda m: force(m, 13),
    "volume_variation_96": lambda m: variation(m.v, 96),
    "return_volume_correlation_96": lambda m: correlated(m.r, m.v, 96),
    "size_volume_correlation_96": lambda m: correlated(abs(m.r), m.v, 96),
    "volume_persistence_96": lambda m: autocorrelation(m.v, 1, 96),
    "taker_imbalance_z_96": lambda m: z_score(imbalance(m), 96),
    "taker_persistence_96": lambda m: autocorrelation(imbalance(m), 1, 96),
    "taker_return_correlation_96": lambda m: correlated(m.r, imbalance(m), 96),
    "taker_vpin_48": lambda m: vpin(m, 48),
    "taker_kyle_lambda_96": lambda m: impact(m, m.r, imbalance(m) * m.v, 96),
    "trade_count_trend_8_96": lambda m: log_ratio(ewm(m.trades, 8), ewm(m.trades, 96), 1),
    "trade_size_trend_8_96": lambda m: log_ratio(
        ewm(divide(m.v, m.trades, 0, 0), 8), ewm(divide(m.v, m.trades, 0, 0), 96), 1
    ),
    "quote_vwap_deviation": quote_move,
    "quote_vwap_deviation_ewma_16": lambda m: ewm(after(quote_move(m), 96), 16),
    "corwin_schultz_24": lambda m: m.per_volatility(high_low(m, 24)[0], 1),
    "bekker_parkinson_ratio_24": lambda m: against(m, high_low(m, 24)[1] ** 2),
    "abdi_ranaldo_96": lambda m: abdi_ranaldo(m, 96),
    "kyle_lambda_96": lambda m: impact(m, abs(m.r), m.v, 96),
    "hasbrouck_lambda_96": lambda m: impact(m, abs(m.r), np.sqrt(m.v * m.c), 96),
    "illiquidity_trend_8_96": lambda m: log_ratio(ewm(illiquidity(m), 8), ewm(illiquidity(m), 96), 1),
    "bulk_imbalance_48": lambda m: divide(total(bulk(m), 48), total(m.v, 48), 0),
    "bulk_vpin_48": lambda m: divide(total(abs(bulk(m)), 48), total(m.v, 48), 0),
    **{
        f"effective_range_{k}": lambda m, k=k: divide(
            over(k, lambda v: v.max(axis=1), m.h) - over(k, lambda v: v.min(axis=1), m.l), total(m.true_range, k), 0
        )
        for k in (24, 96)
    },
    "doji_share_96": lambda m: mean((10 * abs(m.c - m.o) <= m.h - m.l).astype(Extended), 96),
    "half_day_sin": lambda m: np.sin(2 * turn(m, 0, 1)),
    "half_day_cos": lambda m: np.cos(2 * turn(m, 0, 1)),
    "funding_time_sin": lambda m: np.sin(3 * turn(m, 0, 1)),
    "funding_time_cos": lambda m: np.cos(3 * turn(m, 0, 1)),
    "minute_sin": lambda m: np.sin(24 * turn(m, 0, 1)),
    "minute_cos": lambda m: np.cos(24 * turn(m, 0, 1)),
    "weekend": weekend,
    "trix_15": lambda m: trix(m, 15),
    **{f"rsi_{k}": lambda m, k=k: rsi(m, k) for k in (6, 14, 28)},
    "stochastic_k_14": lambda m: range_position(m, 14),
    "stochastic_d_14_3": lambda m: stochastic_d(m, 14, 3),
    "williams_r_48": lambda m: range_position(m, 48) - 1,
    "cci_20": lambda m: cci(m, 20),
    **{f"mfi_{k}": lambda m, k=k: mfi(m, k) for k in (14, 48)},
    **{f"ewma_volatility_{k}": lambda m, k=k: m.volatility(k) for k in (24, 96)},
    **{
        f"volatility_ratio_{k}_{n}": lambda m, k=k, n=n: volatility_ratio(m, k, n)
        for k, n in ((4, 24), (12, 96), (96, 384))
    },
    **{
        f"{kind}_ratio_{k}": lambda m, kind=kind, k=k: range_ratio(m, k, kind)
        for k in (24, 96)
        for kind in ("parkinson", "garman_klass", "rogers_satchell")
    },
    **{f"natr_{k}": lambda m, k=k: wilder(m.true_range, k) / m.c for k in (14, 48)},
    "volatility_of_volatility_16_96": lambda m: volatility_of_volatility(m, 16, 96),
    "volatility_of_volatility_48_192": lambda m: volatility_of_volatility(m, 48, 192),
    **{f"upside_variance_share_{k}": lambda m, k=k: upside(m, k) for k in (24, 96)},
    **{f"skewness_{k}": lambda m, k=k: standardised(m, k, 3) for k in (96, 384)},
    **{f"excess_kurtosis_{k}": lambda m, k=k: excess_kurtosis(m, k) for k in (96, 384)},
    **{f"autocorrelation_{k}_96": lambda m, k=k: autocorrelation(m.r, k, 96) for k in (1, 2, 4, 8, 24)},
    "roll_spread_96": lambda m: roll_spread(m, 96),
    **{f"variance_ratio_{k}_96": lambda m, k=k: variance_ratio(m, k, 96) for k in (2, 4, 8, 16)},
    **{f"drawdown_{k}": lambda m, k=k: excursion(m, k, np.max) for k in (24, 96, 384)},
    **{f"runup_{k}": lambda m, k=k: excursion(m, k, np.min) for k in (24, 96, 384)},
    **{f"volume_z_{k}": lambda m, k=k: z_score(m.v, k) for k in (24, 96)},
    **{f"volume_trend_{k}_{n}": lambda m, k=k, n=n: volume_trend(m, k, n) for k, n in ((4, 24), (8, 96), (96, 384))},
    **{f"obv_slope_{k}": lambda m, k=k: obv_slope(m, k) for k in (24, 96)},
    **{f"vwap_deviation_{k}": lambda m, k=k: vwap_deviation(m, k) for k in (24, 96)},
    "chaikin_20": lambda m: chaikin(m, 20),
    "illiquidity_z_96": lambda m: z_score(illiquidity(m), 96),
    "taker_imbalance": imbalance,
    **{f"taker_imbalance_ewma_{k}": lambda m, k=k: ewm(imbalance(m), k) for k in (4, 8, 16, 32, 64)},
    **{f"taker_imbalance_{k}": lambda m, k=k: divide(total(imbalance(m) * m.v, k), total(m.v, k), 0) for k in (24, 96)},
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
