r"""The hidden state of `market.synthetic` given the bars so far: a Rao-Blackwellised particle filter.

Given the path of regimes and the number of jumps in each bar, drift, return and flow score are linear and Gaussian,
so the drift has an exact Kalman filter; both variances are known from past returns. What is left to sample is
discrete: (regime, jumps), eight values a bar. Every particle carries a regime and the drift's Gaussian (mean,
variance); every bar, each particle branches into all eight successors, each is weighted by the exact likelihood of
the bar's return, flow score and volume, and systematic resampling brings the branches back to the number of
particles. There is no proposal to choose: the branches *are* the posterior of the particles (Doucet, de Freitas,
Murphy and Russell 2000, "Rao-Blackwellised particle filtering for dynamic Bayesian networks"; resampling as in
Kitagawa 1996).

With drift :math:`x \sim N(m, P)` before the bar, return and flow score are Gaussian with means :math:`Hm` and
covariance

.. math:: S = P H H' + \begin{pmatrix} \sigma^2 + n j^2 & c\sigma \\ c\sigma & 1 - a^2 \end{pmatrix},
          \qquad H = (\sigma\kappa,\; a)'

for regime volatility :math:`\sigma` and n jumps of variance :math:`j^2`. With one regime and no jumps all particles
are equal and the filter is the Kalman filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from market.synthetic_bars import observed_flow, volume_centres
from market.synthetic_config import MOST_JUMPS, SyntheticConfig
from market.synthetic_dynamics import regime_variances

Floats = NDArray[np.float64]
BRANCHES = 2 * (MOST_JUMPS + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Particles:
    """Equally weighted draws from the state's distribution after some rows' bars; arrays of shape (rows, particles).

    ``drift_mean`` and ``drift_variance`` are the Gaussian of each particle's drift, ``regime`` its regime;
    ``variances``, shape (rows, 2), are the regimes' variances of the *next* bar.
    """

    drift_mean: Floats
    drift_variance: Floats
    regime: NDArray[np.int8]
    variances: Floats


def filter_bars(
    config: SyntheticConfig,
    bars: NDArray[np.void],
    rows: NDArray[np.int64],
    particles: int,
    generator: np.random.Generator,
) -> Particles:
    """Filter one instrument's bars with the given parameters, keeping the particles after some of them.

    Parameters
    ----------
    config
        The parameters believed in; the optimum believes in the market's own.
    bars
        Shape (n,), from the simulation's first bar on.
    rows
        The bars after which particles are kept, ascending and without repetition.
    particles
        How many; the error falls with their number, the time grows with it.
    generator
        For resampling alone.
    """
    returns = np.log(bars["close"] / bars["open"])
    variances = regime_variances(config.dynamics(), config.first_variances(), returns)
    volume_score = (np.log(bars["volume"])[:, None] - volume_centres(config, variances[:-1])) / config.volume_noise
    first = (np.arange(particles) + 0.5) / particles >= config.stationary_regimes[0]
    kept = Particles(
        np.empty((len(rows), particles)),
        np.empty((len(rows), particles)),
        np.empty((len(rows), particles), np.int8),
        variances[rows + 1],
    )
    run_filter(
        config.dynamics(), returns, observed_flow(config, bars), variances, volume_score, first.astype(np.int8),
        generator.random(len(bars)), rows, kept.drift_mean, kept.drift_variance, kept.regime,
    )  # fmt: skip
    return kept


@kernel
def run_filter(
    dynamics: NDArray[np.void],
    returns: Floats,
    flow: Floats,
    variances: Floats,
    volume_score: Floats,
    first_regime: NDArray[np.int8],
    uniforms: Floats,
    rows: NDArray[np.int64],
    kept_mean: Floats,
    kept_variance: Floats,
    kept_regime: NDArray[np.int8],
) -> None:
    """Fill the ``kept`` arrays; see `filter_bars`. ``uniforms``, one a bar, place the resampling comb."""
    count = len(first_regime)
    mean, variance, regime = np.zeros(count), np.ones(count), first_regime.copy()
    branch_mean, branch_variance = np.empty(count * BRANCHES), np.empty(count * BRANCHES)
    prior, distance = np.empty(count * BRANCHES), np.empty(count * BRANCHES)
    kept = 0
    for row in range(len(returns)):
        if kept == len(rows):
            break
        branch(
            dynamics, returns[row], flow[row], variances[row], volume_score[row], mean, variance, regime,
            branch_mean, branch_variance, prior, distance,
        )  # fmt: skip
        nearest = distance.min()
        for number in range(count * BRANCHES):
            prior[number] *= math.exp(0.5 * (nearest - distance[number]))
        resample(prior, uniforms[row], branch_mean, branch_variance, mean, variance, regime)
        if rows[kept] == row:
            kept_mean[kept], kept_variance[kept], kept_regime[kept] = mean, variance, regime
            kept += 1


@kernel
def branch(
    dynamics: NDArray[np.void],
    move: float,
    flow: float,
    variances: Floats,
    volume_score: Floats,
    mean: Floats,
    variance: Floats,
    regime: NDArray[np.int8],
    branch_mean: Floats,
    branch_variance: Floats,
    prior: Floats,
    distance: Floats,
) -> None:
    """All successors of all particles: their drift, their prior probability over the root of det S, and d' S^-1 d.

    Successor (next regime, jumps, particle) stands at ``(regime * (MOST_JUMPS + 1) + jumps) * count + particle``.
    The order matters: particles are often alike, and a comb over weights that repeat every eight places would draw
    from one place of the eight alone. Kind by kind, each kind gets its share to within one tooth.
    """
    persistence, edge = dynamics[0]["persistence"], dynamics[0]["edge"]
    a, c = dynamics[0]["flow_drift"], dynamics[0]["flow_return"]
    jump_variance, at_most, stay = dynamics[0]["jump_variance"], dynamics[0]["jumps_at_most"], dynamics[0]["stay"]
    count = len(mean)
    for particle in range(count):
        m = persistence * mean[particle]
        p = persistence * persistence * variance[particle] + 1.0 - persistence * persistence
        for after in range(2):
            sigma = math.sqrt(variances[after])
            h1, h2 = sigma * edge, a
            d1, d2 = move - h1 * m, flow - h2 * m
            s12, s22 = p * h1 * h2 + c * sigma, p * h2 * h2 + 1.0 - a * a
            chance = stay[after] if after == regime[particle] else 1.0 - stay[1 - after]
            for jumps in range(MOST_JUMPS + 1):
                s11 = p * h1 * h1 + variances[after] + jumps * jump_variance
                determinant = s11 * s22 - s12 * s12
                k1, k2 = p * (h1 * s22 - h2 * s12) / determinant, p * (h2 * s11 - h1 * s12) / determinant
                place = (after * (MOST_JUMPS + 1) + jumps) * count + particle
                branch_mean[place] = m + k1 * d1 + k2 * d2
                branch_variance[place] = p - (k1 * h1 + k2 * h2) * p
                count_chance = at_most[jumps] - (at_most[jumps - 1] if jumps > 0 else 0.0)
                prior[place] = chance * count_chance / math.sqrt(determinant)
                quadratic = (s22 * d1 * d1 - 2.0 * s12 * d1 * d2 + s11 * d2 * d2) / determinant
                # A branch that cannot happen must not set the scale of those that can.
                possible = prior[place] > 0.0
                distance[place] = quadratic + volume_score[after] * volume_score[after] if possible else np.inf


@kernel
def resample(
    weight: Floats,
    uniform: float,
    branch_mean: Floats,
    branch_variance: Floats,
    mean: Floats,
    variance: Floats,
    regime: NDArray[np.int8],
) -> None:
    """Systematic resampling of the branches into the particles: a comb of equal teeth over the summed weights."""
    count, drawn, total, passed = len(mean), 0, 0.0, 0.0
    for number in range(len(weight)):  # not ``sum``, which adds in another order without the JIT
        total += weight[number]
    for number in range(len(weight)):
        passed += weight[number]
        while drawn < count and (drawn + uniform) * total < passed * count:
            mean[drawn], variance[drawn] = branch_mean[number], branch_variance[number]
            regime[drawn] = number // (count * (MOST_JUMPS + 1))
            drawn += 1
    while drawn < count:  # the sum was rounded below the total; the last branch with weight takes the rest
        mean[drawn], variance[drawn], regime[drawn] = mean[drawn - 1], variance[drawn - 1], regime[drawn - 1]
        drawn += 1
