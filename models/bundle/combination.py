"""How a bundle's members become one probability: plain numbers, which the graph holds and the manifest states.

`models.ensemble` finds them, `models.graph.compose` writes them.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A pool of opinions (Genest and Zidek 1986), one weight a member: of log odds, or of probabilities if ``linear``.

    Of log odds: ``logit = weights · logit(clip(p, clip, 1 − clip)) + intercept``.
    Of probabilities (Stone 1961), whose weights are not negative and sum to one:
    ``logit = logit(clip(weights · p, clip, 1 − clip))``, without intercept.
    """

    weights: tuple[float, ...]
    intercept: float
    clip: float
    linear: bool = False


class Platt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="platt"):
    """``p = clip(logistic(slope · logit + intercept), clip, 1 − clip)`` (Platt 1999)."""

    slope: float
    intercept: float
    clip: float


class Isotonic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="isotonic"):
    """A line through points that never falls: ``p = clip(interpolated(logit), clip, 1 − clip)``, level outside them.

    ``knots`` rise; ``values`` are the probabilities there. At least two.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]
    clip: float


class Conformal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True):
    """A side is in the set if its probability is at least ``least``; sets hold what happens ``coverage`` of the times.

    Both sides in it: the model does not know. One: it does, as sure as that. None: neither is probable enough.
    ``one_sided``: decisions are made only where one side is in the set (`acted_on`), instead of everywhere.
    """

    coverage: float
    least: float
    one_sided: bool = False

    def acted_on(self, sets: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether a decision is made by sets of shape (…, 2), falls and rises: shape (…). Research and live ask here.

        Examples
        --------
        >>> sets = np.array([[False, False], [True, False], [False, True], [True, True]])
        >>> Conformal(0.8, 0.6, one_sided=True).acted_on(sets).tolist()
        [False, True, True, False]
        >>> Conformal(0.8, 0.6).acted_on(sets).tolist()
        [True, True, True, True]
        """
        found: NDArray[np.bool_] = np.logical_or(not self.one_sided, sets[..., 0] != sets[..., 1])
        return found


class Meta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The second stage: ``P(the ensemble's side is right) = logistic(weights · clip(x, low, high) + intercept)``.

    ``x`` has a value for each of ``inputs``: the ensemble's confidence |log odds|; each member's log odds, cut at
    ``clip``, times the side; the spread of the members' log odds; whether the prediction set is one side; and the
    features at ``columns`` of the row. It is cut to what was seen where it was fitted. ``base``: how often the side was
    right there. ``sizing``: whether it sizes the bet, and the graph's probability is then its own.
    """

    inputs: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    columns: tuple[int, ...]
    clip: float
    base: float
    sizing: bool = False


Calibration = Platt | Isotonic
