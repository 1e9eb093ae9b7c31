"""P(label = 1) from a filter's particles, by simulating the market's own equations forward.

The label of a decision at bar t is the direction of the first *close* at or beyond one of two symmetric barriers
around the entry price, or of the close ``horizon`` bars later if none is touched: 1 if the log return from entry to
exit is above zero. The entry price is the next bar's open, which in this market is the close of bar t.

Paths come in antithetic pairs: the second of a pair flips the sign of everything random that has a direction (the
deviation of the drift from the particle's mean, its innovations, shocks and jumps) and keeps regimes and jump counts.
Where nothing is known of the drift one goes up and the other down, and their mean is 1/2 without noise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from market.synthetic_config import SyntheticConfig
from market.synthetic_dynamics import jump_count, next_regime, next_variance
from market.synthetic_filter import Particles

Floats = NDArray[np.float64]
DRAWS_AT_ONCE = 4_000_000


def label_probabilities(
    config: SyntheticConfig,
    particles: Particles,
    width: Floats,
    horizon: int,
    pairs: int,
    normals: np.random.Generator,
    uniforms: np.random.Generator,
) -> tuple[Floats, Floats]:
    """P(label = 1) and the mean number of bars to the exit, each of shape (rows,).

    Parameters
    ----------
    config
        The parameters believed in.
    particles
        Of every row; pair j of a row starts from particle ``j * count // pairs`` (all alike likely).
    width
        Distance of the barriers from the entry price, log return, shape (rows,).
    horizon
        Bars to the vertical barrier.
    pairs
        Antithetic pairs of paths from every row.
    normals, uniforms
        Two generators, so that the draws do not depend on how many rows are done at once.
    """
    rows = len(width)
    probability, duration = np.empty(rows), np.empty(rows)
    step = max(1, DRAWS_AT_ONCE // (pairs * (4 * horizon + 1)))
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        count = part.stop - start
        run_paths(
            config.dynamics(), particles.drift_mean[part], particles.drift_variance[part], particles.regime[part],
            particles.variances[part], width[part], horizon,
            normals.standard_normal((count, pairs, 2 * horizon + 1)), uniforms.random((count, pairs, 2 * horizon)),
            probability[part], duration[part],
        )  # fmt: skip
    return probability, duration


@kernel
def run_paths(
    dynamics: NDArray[np.void],
    drift_mean: Floats,
    drift_variance: Floats,
    regime: NDArray[np.int8],
    variances: Floats,
    width: Floats,
    horizon: int,
    normals: Floats,
    uniforms: Floats,
    probability: Floats,
    duration: Floats,
) -> None:
    """Fill the last two arrays, shape (rows,); the draws have shape (rows, pairs, draws of a path)."""
    rows, pairs = normals.shape[0], normals.shape[1]
    particles = drift_mean.shape[1]
    for row in range(rows):
        ups, bars = 0, 0
        for pair in range(pairs):
            number = pair * particles // pairs
            m, spread = drift_mean[row, number], math.sqrt(drift_variance[row, number])
            for sign in (1.0, -1.0):
                drift = m + sign * spread * normals[row, pair, 0]
                up, taken = one_path(
                    dynamics, drift, regime[row, number], variances[row, 0], variances[row, 1], width[row], horizon,
                    sign, normals, uniforms, row, pair,
                )  # fmt: skip
                ups += up
                bars += taken
        probability[row], duration[row] = ups / (2 * pairs), bars / (2 * pairs)


@kernel
def one_path(
    dynamics: NDArray[np.void],
    drift: float,
    regime: int,
    calm: float,
    turbulent: float,
    width: float,
    horizon: int,
    sign: float,
    normals: Floats,
    uniforms: Floats,
    row: int,
    pair: int,
) -> tuple[int, int]:
    """The label of one path and the bars to its exit."""
    persistence, edge, jump_variance = dynamics[0]["persistence"], dynamics[0]["edge"], dynamics[0]["jump_variance"]
    innovation = sign * math.sqrt(1.0 - persistence * persistence)
    total, taken, state = 0.0, 0, int(regime)
    while taken < horizon and abs(total) < width:
        state = next_regime(dynamics, state, uniforms[row, pair, 2 * taken])
        jumps = jump_count(dynamics, uniforms[row, pair, 2 * taken + 1])
        drift = persistence * drift + innovation * normals[row, pair, 2 * taken + 1]
        ruling = turbulent if state == 1 else calm
        # Shock and jumps are one normal: nothing on the way needs to tell them apart.
        noise = sign * math.sqrt(ruling + jumps * jump_variance) * normals[row, pair, 2 * taken + 2]
        move = math.sqrt(ruling) * edge * drift + noise
        calm = next_variance(dynamics, 0, calm, move * move)
        turbulent = next_variance(dynamics, 1, turbulent, move * move)
        total += move
        taken += 1
    return (1 if total > 0.0 else 0), taken
