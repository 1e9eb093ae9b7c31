"""What the system before this one claimed without data, beside what this run measured."""

from __future__ import annotations

import msgspec

from pipelines.estimate import Estimate

CLAIMED_ACCURACY = 0.85
CLAIMED_FALSE_POSITIVES = 0.05
CLAIMED_IMPROVEMENT = 0.35
"""No data stood behind them. They are here to be compared with, and nothing is computed from them."""


class AtCoverage(msgspec.Struct, frozen=True):
    """How often the called side happened among the surest share of decisions."""

    coverage: float
    precision: Estimate


class Claims(msgspec.Struct, frozen=True):
    """The ensemble's measured counterparts, on the comparison rows.

    ``false_positives``: how often up was called of what went down. ``improvement``: its accuracy over that of the most
    accurate member, ``best_member``, less one; that one was chosen on the same rows, which favours it a little.
    """

    accuracy: Estimate
    false_positives: Estimate
    improvement: Estimate
    best_member: str
    precision: tuple[AtCoverage, ...]
