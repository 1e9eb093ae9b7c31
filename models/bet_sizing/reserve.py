"""Size by how unusual the number of open bets is (López de Prado 2018, section 10.2, the second approach).

The net number of open bets, long less short, is modelled as a mixture of two Gaussians; the size is how much of the
distribution on its side of zero lies within it, so that full size is kept for what has hardly ever happened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.errors import ModelError


@dataclass(frozen=True, slots=True)
class Mixture:
    """Two Gaussians: the first one's weight in (0, 1), and each one's mean and standard deviation."""

    weight: float
    means: tuple[float, float]
    deviations: tuple[float, float]

    def __post_init__(self) -> None:
        if (
            not 0 < self.weight < 1
            or min(self.deviations) <= 0
            or not np.isfinite([*self.means, *self.deviations]).all()
        ):
            raise ModelError(f"{self} is no mixture: the weight must be in (0, 1), the deviations positive, all finite")

    def cumulative(self, values: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """The distribution function, shape of ``values``."""
        first, second = (
            ndtr((np.asarray(values, np.float64) - mean) / deviation)
            for mean, deviation in zip(self.means, self.deviations, strict=True)
        )
        found: NDArray[np.float64] = self.weight * first + (1 - self.weight) * second
        return found


def fit_mixture(net: NDArray[np.float64], seed: int) -> Mixture:
    """The mixture of two Gaussians that makes some net numbers of open bets likeliest, ordered by mean.

    Parameters
    ----------
    net
        Open long less open short bets at regular times, shape (n,).
    seed
        Of the starts of the search: the likeliest of ten (scikit-learn's expectation maximisation).

    Raises
    ------
    ModelError
        If there are not four different values: two Gaussians have five parameters.

    Notes
    -----
    The book proposes EF3M, which matches five moments; by maximum likelihood no fifth moment has to be estimated.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> net = np.concatenate([generator.normal(-3, 1, 4_000), generator.normal(2, 1.5, 6_000)])
    >>> found = fit_mixture(net, seed=0)
    >>> round(found.weight, 1), np.round(found.means).tolist()
    (0.4, [-3.0, 2.0])
    """
    from sklearn.mixture import GaussianMixture

    net = np.asarray(net, np.float64)
    if net.ndim != 1 or not np.isfinite(net).all() or len(np.unique(net)) < 4:
        raise ModelError(
            f"net bets of shape {net.shape} are too few, or not finite: give at least four different values"
        )
    fitted = GaussianMixture(2, n_init=10, tol=1e-8, max_iter=10_000, random_state=seed).fit(net[:, None])
    order = np.argsort(fitted.means_[:, 0])
    low, high = fitted.means_[order, 0]
    spread = np.sqrt(fitted.covariances_[order, 0, 0])
    return Mixture(float(fitted.weights_[order[0]]), (float(low), float(high)), (float(spread[0]), float(spread[1])))


def reserve_size(net: NDArray[np.float64], mixture: Mixture) -> NDArray[np.float64]:
    """The size for some net numbers of open bets, shape of ``net``, in (-1, 1).

    Parameters
    ----------
    net
        Open long less open short bets (`models.bet_sizing.budget.open_bets`).
    mixture
        Their distribution, from a stretch of time before.

    Returns
    -------
    numpy.ndarray
        ``(F(c) - F(0)) / (1 - F(0))`` for c at least 0, ``(F(c) - F(0)) / F(0)`` below.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.2.

    Examples
    --------
    >>> mixture = Mixture(0.5, (-2.0, 2.0), (1.0, 1.0))
    >>> reserve_size(np.array([-4.0, 0.0, 2.0]), mixture).round(3).tolist()
    [-0.977, 0.0, 0.5]
    """
    net = np.asarray(net, np.float64)
    zero = float(mixture.cumulative(0.0))
    above = mixture.cumulative(net) - zero
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(net >= 0, above / (1 - zero), above / zero)
    found: NDArray[np.float64] = np.where(net == 0, 0.0, size)
    return found
