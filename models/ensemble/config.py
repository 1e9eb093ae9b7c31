"""How members are combined: the part of a run's configuration."""

from __future__ import annotations

from typing import Literal

import msgspec

Method = Literal["stack", "mean", "weighted", "bma"]
CalibrationMethod = Literal["platt", "temperature", "isotonic", "none"]
METHODS: tuple[Method, ...] = ("stack", "mean", "weighted", "bma")
CALIBRATIONS: tuple[CalibrationMethod, ...] = ("platt", "temperature", "isotonic", "none")
MOST_ROWS = 1e9
"""Effective rows that a prior may be worth: more than any history has."""
MOST_BURN_IN = 100_000


class EnsembleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the members are combined.

    ``method``: ``stack`` (a logistic regression of the members' log odds), ``mean``, ``weighted`` (in proportion to
    what each gains over the base rate) or ``bma`` (Bayesian model averaging). ``calibration``: ``platt``,
    ``temperature``, ``isotonic`` (which needs enough effective rows), ``none``, or ``auto``: whichever had the lowest
    log loss out of fold until then. ``ridge``: how many effective rows the prior of stacker and calibration is worth,
    which is that the members' mean log odds are right as they are (the default is from markets whose edge is known, see
    ``docs/ensembles.md``). Probabilities are cut to [clip, 1 − clip]. ``burn_in``: rows that a recurrent member is
    burnt in. ``coverage``: how often a prediction set is to hold what happens. ``one_sided``: the ensemble trades only
    where the set holds exactly one side.
    """

    method: Method = "stack"
    calibration: CalibrationMethod | Literal["auto"] = "platt"
    ridge: float = 4000.0
    clip: float = 1e-4
    burn_in: int = 64
    coverage: float = 0.8
    one_sided: bool = False

    def __post_init__(self) -> None:
        if not 0.5 <= self.coverage < 1.0:
            raise ValueError(f"coverage is {self.coverage}; prediction sets hold the truth at least half of the times")
        if not 0.0 <= self.ridge <= MOST_ROWS:
            raise ValueError(
                f"ridge is {self.ridge}; it counts effective rows and must lie between 0 and {MOST_ROWS:g}"
            )
        if not 0.0 < self.clip < 0.5:
            raise ValueError(f"clip is {self.clip}; probabilities are cut to [clip, 1 - clip], so 0 < clip < 0.5")
        if not 0 <= self.burn_in <= MOST_BURN_IN:
            raise ValueError(
                f"burn_in is {self.burn_in}; it must be a number of rows from 0 (none) to {MOST_BURN_IN:,}"
            )
