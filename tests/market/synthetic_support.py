"""What a trader would compute from synthetic bars: volatility, features, labels, a Kalman filter; in plain NumPy."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from market.synthetic import SyntheticConfig
from market.synthetic_bars import observed_flow
from market.synthetic_optimum import optimum

HORIZON, BARRIER, WARM_UP = 6, 1.5, 200
SPANS = (4, 8, 16, 32)


def ewma(values, span):
    share = 2.0 / (span + 1.0)
    return lfilter([share], [1.0, share - 1.0], values)


def log_returns(bars):
    return np.log(bars["close"] / bars["open"])


def volatility(bars, span=96):
    values = np.sqrt(ewma(log_returns(bars) ** 2, span))
    values[:span] = np.nan
    return values


def labels(bars, scale, rows, horizon=HORIZON, barrier=BARRIER):
    """Direction at the first close beyond a barrier around the next open, or at the horizon."""
    moves = np.log(bars["close"][rows[:, None] + np.arange(1, horizon + 1)] / bars["open"][rows + 1][:, None])
    touched = np.abs(moves) >= (barrier * scale[rows] * np.sqrt(horizon))[:, None]
    exits = np.where(touched.any(axis=1), touched.argmax(axis=1), horizon - 1)
    return (moves[np.arange(len(rows)), exits] > 0).astype(np.int64)


def features(bars, scale):
    """Eight that anybody would think of: averages of taker imbalance and of volatility-scaled returns."""
    imbalance = 2.0 * bars["taker_buy_volume"] / bars["volume"] - 1.0
    scaled = np.nan_to_num(log_returns(bars) / np.concatenate([[np.nan], scale[:-1]]))
    return np.stack([ewma(series, span) for series in (imbalance, scaled) for span in SPANS], axis=1)


class Problem:
    """All instruments' decisions from ``first`` to ``last`` (fractions of the bars), and everything about them."""

    def __init__(self, market, first=0.0, last=1.0, step=1):
        self.market = market
        self.volatility = [volatility(bars) for bars in market.bars.values()]
        count = market.config.bars
        rows = np.arange(max(int(first * count), WARM_UP), int(last * count) - HORIZON, step)
        self.instrument = np.repeat(np.arange(len(market.symbols)), len(rows))
        self.row = np.tile(rows, len(market.symbols))
        parts = list(zip(market.bars.values(), self.volatility, strict=True))
        self.label = np.concatenate([labels(bars, scale, rows) for bars, scale in parts])
        self.features = np.concatenate([features(bars, scale)[rows] for bars, scale in parts])

    def optimum(self, **options):
        return optimum(
            self.market, self.volatility, self.instrument, self.row, horizon=HORIZON, barrier=BARRIER, **options
        )


# One volatility and no jumps: the market of the textbook filter.
PLAIN = SyntheticConfig(
    instruments=1, bars=3000, volatility=(0.003, 0.003), arch=(0.0, 0.0), garch=(0.0, 0.0), jump_rate=0.0
)


def kalman(config, returns, flow, sigma):
    """Mean and variance of the drift after each bar, by conditioning the joint Gaussian of (drift, return, flow)."""
    phi, mean, variance = config.persistence, 0.0, 1.0
    rows = np.array([sigma * config.edge, config.flow_drift])
    noise = np.array([[sigma**2, config.flow_return * sigma], [config.flow_return * sigma, 1 - config.flow_drift**2]])
    out = []
    for seen in np.stack([returns, flow], axis=1):
        mean, variance = phi * mean, phi**2 * variance + 1 - phi**2
        gain = np.linalg.solve(variance * np.outer(rows, rows) + noise, variance * rows)
        mean, variance = mean + gain @ (seen - rows * mean), variance - gain @ rows * variance
        out.append((mean, variance))
    return np.array(out)


def observed(config, bars):
    return np.log(bars["close"] / bars["open"]), observed_flow(config, bars)
