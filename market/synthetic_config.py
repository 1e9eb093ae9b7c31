"""The parameters of the synthetic market, their units and defaults; `market.synthetic` has the equations."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.errors import MarketError
from market.time import parse_interval, parse_time

MOST_JUMPS: Final = 3
"""Jumps in one bar: the few bars that would draw more have this many (in simulation and in the optimum alike)."""

DYNAMICS: Final = np.dtype(
    [
        ("persistence", "<f8"),
        ("edge", "<f8"),
        ("flow_drift", "<f8"),
        ("flow_return", "<f8"),
        ("jump_variance", "<f8"),
        ("omega", "<f8", (2,)),
        ("arch", "<f8", (2,)),
        ("garch", "<f8", (2,)),
        ("stay", "<f8", (2,)),
        ("jumps_at_most", "<f8", (MOST_JUMPS + 1,)),
    ]
)
"""What the compiled recursions read: one record; ``jumps_at_most[n]`` is the probability of n jumps or fewer."""


class SyntheticConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A synthetic market. Every default was chosen so that linear features nearly span the best predictor.

    Attributes
    ----------
    instruments, bars, interval, start
        How many instruments (named ``SYN0USD``, …), bars of each, their length, the first bar's start.
    edge
        Standard deviation of a bar's drift in units of its volatility. Zero is the null: nothing says anything
        about the direction of future returns.
    half_life
        Bars after which the drift's autocorrelation is one half.
    common_drift
        Share of the drift's variance that all instruments have in common.
    flow_drift, flow_return
        Correlation of the order-flow score with the drift and with the same bar's diffusive shock.
    flow_scale
        Standard deviation of the order-flow score before ``tanh`` makes it an imbalance in (-1, 1).
    volatility
        Per-bar standard deviation of log returns in the calm and the turbulent regime, without jumps' contribution.
    arch, garch
        Weights of the last squared return and of the last variance, per regime.
    regime_bars
        Mean length of a stay in each regime, in bars.
    jump_rate, jump_size
        Jumps per bar (at most 0.2), and the standard deviation of one as a log return.
    price, tick, lot
        First price (quote per base), and the steps of price and quantity, as decimal text.
    volume, volume_elasticity, volume_noise
        Median volume of a bar in the calm regime (base), exponent of volatility in it, log standard deviation.
    trade_size
        Mean base quantity of one trade.
    substeps
        Points of the path inside a bar, from which high, low and vwap are taken.
    taker_fee, maker_fee
        Of the instruments, as decimal text.

    Raises
    ------
    MarketError
        If a value lies outside its range, or the variance would not be stationary.

    Examples
    --------
    >>> round(SyntheticConfig(half_life=8.0).persistence ** 8, 12)
    0.5
    >>> SyntheticConfig(edge=-0.1)
    Traceback (most recent call last):
        ...
    market.errors.MarketError: synthetic market: edge is -0.1; it must lie in [0, 2]
    """

    instruments: int = 3
    bars: int = 30_000
    interval: str = "15m"
    start: str = "2020-01-01"
    edge: float = 0.4
    half_life: float = 10.0
    common_drift: float = 0.0
    flow_drift: float = 0.4
    flow_return: float = 0.3
    flow_scale: float = 0.25
    volatility: tuple[float, float] = (0.0015, 0.005)
    arch: tuple[float, float] = (0.03, 0.06)
    garch: tuple[float, float] = (0.90, 0.88)
    regime_bars: tuple[float, float] = (400.0, 150.0)
    jump_rate: float = 0.01
    jump_size: float = 0.008
    price: str = "20000"
    tick: str = "0.01"
    lot: str = "0.001"
    volume: float = 500.0
    volume_elasticity: float = 1.0
    volume_noise: float = 0.5
    trade_size: float = 0.25
    substeps: int = 8
    taker_fee: str = "0.0005"
    maker_fee: str = "0.0002"

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_flow()
        self._check_stationary()
        for name in ("price", "tick", "lot", "taker_fee", "maker_fee"):
            self._check_decimal(name)

    @property
    def interval_ns(self) -> int:
        """The length of a bar in nanoseconds."""
        return parse_interval(self.interval)

    @property
    def start_ns(self) -> int:
        """The first bar's start, nanoseconds UTC."""
        return parse_time(self.start)

    @property
    def persistence(self) -> float:
        """The drift's autocorrelation from one bar to the next."""
        return float(0.5 ** (1.0 / self.half_life))

    @property
    def stationary_regimes(self) -> tuple[float, float]:
        """The long-run share of bars in each regime."""
        calm, turbulent = self.regime_bars
        return calm / (calm + turbulent), turbulent / (calm + turbulent)

    def dynamics(self) -> NDArray[np.void]:
        """The parameters of the recursions as a `DYNAMICS` record, shape (1,)."""
        record = np.zeros(1, DYNAMICS)
        for name in ("persistence", "edge", "flow_drift", "flow_return", "arch", "garch"):
            record[name] = getattr(self, name)
        record["jump_variance"] = self.jump_size**2
        level, arch, garch = (np.array(values) for values in (self.volatility, self.arch, self.garch))
        record["omega"] = level**2 * (1.0 - arch - garch)
        record["stay"] = 1.0 - 1.0 / np.array(self.regime_bars)
        record["jumps_at_most"] = _jumps_at_most(self.jump_rate)
        return record

    def first_variances(self) -> NDArray[np.float64]:
        """Both regimes' variances of the first bar, shape (2,): the long-run means, but for the drift's clustering."""
        regimes = np.array(self.stationary_regimes)
        omega = self.dynamics()[0]["omega"] + np.array(self.arch) * self.jump_rate * self.jump_size**2
        source = np.kron(regimes, omega)
        means = np.linalg.solve(np.eye(4) - self._variance_growth(), source).reshape(2, 2)
        return np.asarray(means.sum(axis=0), np.float64)

    def _variance_growth(self) -> NDArray[np.float64]:
        """How E[variance k, in regime s] feeds itself, shape (4, 4) over (s, k); Haas et al. (2004), section 2."""
        stay = 1.0 - 1.0 / np.array(self.regime_bars)
        moves = np.array([[stay[0], 1.0 - stay[0]], [1.0 - stay[1], stay[1]]])
        gain = np.array(self.arch) * (1.0 + self.edge**2)
        fed = [np.outer(gain, np.eye(2)[regime]) + np.diag(self.garch) for regime in range(2)]
        return np.block([[moves[old, new] * fed[old] for old in range(2)] for new in range(2)])

    def _check_ranges(self) -> None:
        for name, low, high in RANGES:
            for value in np.atleast_1d(getattr(self, name)):
                if not low <= value <= high:
                    raise MarketError(
                        f"synthetic market: {name} is {getattr(self, name)}; it must lie in [{low:g}, {high:g}]"
                    )
        if self.interval_ns <= 0 or self.start_ns % self.interval_ns:
            raise MarketError(f"synthetic market: start {self.start} is not on the grid of {self.interval}")

    def _check_flow(self) -> None:
        if self.flow_drift**2 + self.flow_return**2 >= 1.0:
            raise MarketError(
                f"synthetic market: flow_drift {self.flow_drift} and flow_return {self.flow_return} are correlations"
                " with independent things: their squares must sum to less than 1"
            )

    def _check_stationary(self) -> None:
        growth = float(np.abs(np.linalg.eigvals(self._variance_growth())).max())
        if growth >= 1.0:
            raise MarketError(
                f"synthetic market: the variance grows by {growth:.4f} a bar (arch {self.arch}, garch {self.garch},"
                f" edge {self.edge}); it is stationary only below 1: lower arch or garch"
            )

    def _check_decimal(self, name: str) -> None:
        text = getattr(self, name)
        try:
            positive = Decimal(text).is_finite() and (Decimal(text) > 0 or name.endswith("fee"))
        except InvalidOperation:
            positive = False
        if not positive:
            raise MarketError(f"synthetic market: {name} is {text!r}; it must be a decimal number above zero, as text")


RANGES: Final = (
    ("instruments", 1, 1000),
    ("bars", 2, 100_000_000),
    ("edge", 0, 2),
    ("half_life", 0.1, 1e6),
    ("common_drift", 0, 1),
    ("flow_drift", 0, 0.999),
    ("flow_return", 0, 0.999),
    ("flow_scale", 1e-6, 1),
    ("volatility", 1e-6, 0.2),
    ("arch", 0, 0.99),
    ("garch", 0, 0.999),
    ("regime_bars", 1, 1e9),
    ("jump_rate", 0, 0.2),
    ("jump_size", 0, 0.5),
    ("volume", 1e-9, 1e9),
    ("volume_elasticity", 0, 3),
    ("volume_noise", 0.01, 3),
    ("trade_size", 1e-9, 1e9),
    ("substeps", 1, 1000),
)


def _jumps_at_most(rate: float) -> list[float]:
    """P(N <= n) of a Poisson number of jumps, cut at `MOST_JUMPS`."""
    terms = [float(np.exp(-rate))]
    for number in range(1, MOST_JUMPS):
        terms.append(terms[-1] * rate / number)
    return [float(total) for total in np.cumsum(terms)] + [1.0]
