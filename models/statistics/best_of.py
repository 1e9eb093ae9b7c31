"""How lucky the best of several trials on the same decisions is: what choosing it adds to its score.

All trials are scored on the same rows, so their luck is shared in part. Blocks of time are drawn again for all of them
together, and each trial's mean is taken off it: what is left is what trials that are all equally good would show, with
the correlations they have (the recentred bootstrap of White 2000, "A Reality Check for Data Snooping").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]


def drawn_losses(cells: Floats, mass: Floats, counts: NDArray[np.int64]) -> Floats:
    """Each trial's mean loss in each draw, shape (draws, trials).

    Parameters
    ----------
    cells
        Sums of weighted losses by time cell, shape (trials, cells).
    mass
        Sums of weights, shape (cells,), the same for all trials.
    counts
        How often each cell was drawn, shape (draws, cells); see `models.statistics.bootstrap.time_blocks`.

    Raises
    ------
    ModelError
        If the shapes do not belong together.
    """
    if cells.ndim != 2 or not cells.shape[1] == len(mass) == counts.shape[1]:
        raise ModelError(f"losses of shape {cells.shape} do not belong to {len(mass)} cells drawn as {counts.shape}")
    found: Floats = (counts @ cells.T) / (counts @ mass)[:, None]
    return found


def expected_luck(cells: Floats, mass: Floats, counts: NDArray[np.int64]) -> float:
    """By how much the best of these trials would beat the truth on average if all were equally good, at least 0.

    Parameters and errors as `drawn_losses`.

    Examples
    --------
    >>> noise = np.random.default_rng(3).standard_normal((20, 400))
    >>> draws = np.random.default_rng(4).multinomial(400, np.full(400, 1 / 400), 500)
    >>> one, twenty = (expected_luck(noise[:count], np.ones(400), draws) for count in (1, 20))
    >>> one < 0.01, 0.07 < twenty < 0.11
    (True, True)
    """
    return max(0.0, -float(_centred(cells, mass, counts).min(axis=1).mean()))


def luck_probability(cells: Floats, base: Floats, mass: Floats, counts: NDArray[np.int64]) -> float:
    """White's p-value: how often the best of trials no better than the base would beat it by what was seen, or more.

    Parameters
    ----------
    base
        The base's sums of weighted losses by time cell, shape (cells,); the others as in `drawn_losses`.

    Examples
    --------
    >>> noise = np.random.default_rng(5).standard_normal((5, 400))
    >>> draws = np.random.default_rng(6).multinomial(400, np.full(400, 1 / 400), 500)
    >>> luck_probability(noise - 0.5, np.zeros(400), np.ones(400), draws)
    0.0
    """
    gain = base[None, :] - cells
    seen = float((gain.sum(axis=1) / mass.sum()).max())
    return float((_centred(gain, mass, counts).max(axis=1) >= seen).mean())


def _centred(cells: Floats, mass: Floats, counts: NDArray[np.int64]) -> Floats:
    drawn: Floats = drawn_losses(cells, mass, counts) - cells.sum(axis=1) / mass.sum()
    return drawn
