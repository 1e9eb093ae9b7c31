"""What counts against a trial on a stretch of data: the ledger's count, and the returns of the others there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.statistics.trials import effective_trials
from pipelines.ledger.chain import Head
from pipelines.ledger.count import aligned, distinct, overlapping
from pipelines.ledger.guard import summarise
from pipelines.ledger.store import Ledger
from pipelines.ledger.summary import TrialSummary
from pipelines.ledger.trial import Stretch

Floats = NDArray[np.float64]


def clustered(returns: Floats) -> float:
    """The effective number of trials: clusters of correlated ones, or by their average correlation if that is more."""
    found = effective_trials(returns, np.random.default_rng(0))
    return max(float(found.count), found.by_correlation)


def count_against(
    ledger: Ledger, trial: str, judged: Sequence[Stretch], known: Iterable[Head] = ()
) -> tuple[TrialSummary, Floats]:
    """The ledger's count for some data, and the daily returns of its distinct trials there (days, trials).

    Parameters
    ----------
    trial
        The id of the trial that is judged; errors as `pipelines.ledger.guard.summarise`.
    known
        Heads that earlier counts carried: a ledger that lost one is not whole.
    """
    summary = summarise(ledger, trial, judged, effective=clustered, known=known)
    return summary, aligned(distinct(overlapping(ledger.entries(), judged)), judged).returns
