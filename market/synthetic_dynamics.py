"""The recursions of the synthetic market, compiled: simulation, filter and future paths all step through these."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

FEWEST_TICKS: Final = 1_000.0
"""Below this a tick is no longer small against a return, and the optimum's equations would be wrong."""
MOST_TICKS: Final = 2.0**50
"""Prices above this are beyond the exact grid of `market.instruments`."""


@kernel
def next_variance(dynamics: NDArray[np.void], regime: int, variance: float, square: float) -> float:
    """A regime's variance after a bar whose log return has the given square."""
    omega, arch, garch = dynamics[0]["omega"], dynamics[0]["arch"], dynamics[0]["garch"]
    return omega[regime] + arch[regime] * square + garch[regime] * variance  # type: ignore[no-any-return]


@kernel
def next_regime(dynamics: NDArray[np.void], regime: int, uniform: float) -> int:
    """The regime of the next bar: this one with probability ``stay[regime]``."""
    return regime if uniform < dynamics[0]["stay"][regime] else 1 - regime


@kernel
def jump_count(dynamics: NDArray[np.void], uniform: float) -> int:
    """The number of jumps in a bar, by inversion of their distribution."""
    at_most = dynamics[0]["jumps_at_most"]
    count = 0
    while uniform >= at_most[count] and count < len(at_most) - 1:
        count += 1
    return count


@kernel
def regime_variances(
    dynamics: NDArray[np.void], first: NDArray[np.float64], returns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Both regimes' variances of every bar and of the one after the last, shape (n + 1, 2), from earlier returns."""
    out = np.empty((len(returns) + 1, 2))
    out[0] = first
    for row in range(len(returns)):
        square = returns[row] * returns[row]
        for regime in range(2):
            out[row + 1, regime] = next_variance(dynamics, regime, out[row, regime], square)
    return out


@kernel
def simulate_returns(
    dynamics: NDArray[np.void],
    first_variance: NDArray[np.float64],
    first_regime: int,
    first_ticks: int,
    drift: NDArray[np.float64],
    shock: NDArray[np.float64],
    jump_normal: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    ticks: NDArray[np.int64],
    returns: NDArray[np.float64],
    regimes: NDArray[np.int64],
    variances: NDArray[np.float64],
    jumps: NDArray[np.float64],
) -> int:
    """Fill the last five arrays, shape (n,), variances (n, 2); return the first row out of the price range, or -1.

    ``uniforms`` has shape (n, 2): regime, number of jumps. The return that feeds the variance is that of the
    rounded prices, so that whoever sees the prices knows both variances exactly.
    """
    edge, jump_size = dynamics[0]["edge"], math.sqrt(dynamics[0]["jump_variance"])
    variance = first_variance.copy()
    regime, price = first_regime, first_ticks
    for row in range(len(drift)):
        regime = next_regime(dynamics, regime, uniforms[row, 0])
        jump = jump_size * math.sqrt(float(jump_count(dynamics, uniforms[row, 1]))) * jump_normal[row]
        move = math.sqrt(variance[regime]) * (edge * drift[row] + shock[row]) + jump
        after = price * math.exp(move)
        if not FEWEST_TICKS <= after <= MOST_TICKS:
            return row
        ticks[row] = math.floor(after + 0.5)
        returns[row] = math.log(ticks[row] / price)
        regimes[row], jumps[row] = regime, jump
        square = returns[row] * returns[row]
        for number in range(2):
            variances[row, number] = variance[number]
            variance[number] = next_variance(dynamics, number, variance[number], square)
        price = ticks[row]
    return -1


@kernel
def autoregression(persistence: float, first: float, innovations: NDArray[np.float64]) -> NDArray[np.float64]:
    """A stationary unit-variance AR(1) driven by standard normal innovations, shape (n,)."""
    scale = math.sqrt(1.0 - persistence * persistence)
    out = np.empty(len(innovations))
    state = first
    for row in range(len(innovations)):
        state = persistence * state + scale * innovations[row]
        out[row] = state
    return out
