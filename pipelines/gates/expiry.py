"""The gate of expiry: a model that was trained too long ago describes a market that may be gone."""

from __future__ import annotations

from market.time import DAY
from models.bundle.manifest import Training
from models.bundle.store import Verdict
from pipelines.gates.config import GateConfig
from pipelines.verdict import day, number, percent


def expiry_gate(training: Training, now: int, config: GateConfig) -> Verdict:
    """The model's data end no longer ago than a share of its training window lasts.

    Parameters
    ----------
    now
        The time of the promotion, ns UTC.
    """
    window, age = training.trained_through - training.start, now - training.trained_through
    limit = config.expiry * window
    measured = f"trained through {day(training.trained_through)}, {number(age / DAY, 1)} days ago"
    share = percent(config.expiry, 0)
    needed = f"at most {number(limit / DAY, 1)} days, {share} of its window of {number(window / DAY, 0)} days"
    return Verdict("expiry", age <= limit, measured, needed)
