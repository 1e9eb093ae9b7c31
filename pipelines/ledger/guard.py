"""Count a verdict's trials from the ledger; the ledger's chain is checked in the same breath.

The effective number of trials: distinct ones whose returns are known on common days are reduced by ``effective`` (a
function of the returns' matrix); all that never trade are one trial together; every trial without returns to compare
counts whole, so that what is unknown makes the verdict stricter, never milder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.statistics.sharpe import sharpe_ratio, varies
from pipelines.ledger.chain import Head, verify_rows
from pipelines.ledger.count import By, aligned, distinct, overlapping
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.store import Ledger, as_entries
from pipelines.ledger.summary import TrialSummary
from pipelines.ledger.trial import SHARPE, Entry, Stretch

Floats = NDArray[np.float64]
Effective = Callable[[Floats], float]
"""Returns of shape (days, trials), none of them constant, to an effective number of trials."""
SHOWN = 100
FEWEST_DAYS = 10
"""Correlations over fewer common days say nothing."""


def average_correlation(returns: Floats) -> float:
    """N̂ = ρ̄ + (1 − ρ̄) N, with ρ̄ the average correlation between trials (Bailey and López de Prado 2014, appendix 3).

    A negative ρ̄ counts as zero.

    Parameters
    ----------
    returns
        Shape (days, trials), none of them constant.

    Examples
    --------
    >>> one = np.array([0.01, -0.02, 0.03, 0.0])
    >>> round(average_correlation(np.column_stack([one, one, one])), 6)
    1.0
    """
    count = int(returns.shape[1])
    if count < 2:
        return float(count)
    centred = returns - returns.mean(axis=0)
    together = (centred / np.sqrt((centred**2).sum(axis=0))).sum(axis=1)
    # The sum over the correlation matrix, without the matrix.
    average = (float(together @ together) - count) / (count * (count - 1))
    average = max(0.0, average)
    return average + (1.0 - average) * count


def summarise(
    ledger: Ledger,
    trial: str,
    judged: Sequence[Stretch] = (),
    *,
    by: By = "instrument",
    effective: Effective = average_correlation,
    known: Iterable[Head] = (),
) -> TrialSummary:
    """Count the trials that touched the data of a trial's verdict.

    Parameters
    ----------
    trial
        The id of the trial that is judged; it is in the ledger, or there is no verdict.
    judged
        The data the verdict is about, such as the stretch of the backtest; default: all that the trial touched.
    effective
        How correlated trials are reduced to independent ones.
    known
        Heads that earlier counts carried.

    Raises
    ------
    LedgerError
        If the trial is not in the ledger, or did not touch the judged data.
    """
    rows = ledger.rows()
    entries = as_entries(rows)
    own = next((one for one in entries if one.trial.id == trial), None)
    if own is None:
        raise LedgerError(f"trial {trial!r} is not in the ledger {ledger.label}: nothing unregistered is judged")
    stretch = tuple(judged) or own.trial.touched
    touching = overlapping(entries, stretch, by)
    if all(one.trial.id != trial for one in touching):
        raise LedgerError(f"trial {trial} never touched the data it is judged on ({stretch[0].symbol}, …)")
    trials = distinct(touching)
    number, compared, days = effective_number(trials, stretch, effective)
    sharpes = daily_sharpes(trials)
    check = verify_rows(rows, known)
    missing = ledger.missing_triggers()
    unguarded = f"its triggers are missing: {', '.join(missing)}" if missing else ""
    return TrialSummary(
        judged=stretch,
        by=by,
        records=len(touching),
        distinct=len(trials),
        effective=number,
        method=getattr(effective, "__name__", type(effective).__name__),
        sharpe_variance=float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else None,
        sharpes=len(sharpes),
        common_days=days,
        compared=compared,
        unfinished=sum(one.outcome is None for one in trials),
        shown=tuple(one.trial.id for one in trials[: -SHOWN - 1 : -1]),
        ledger=ledger.label,
        head=check.head,
        problem=check.reason or unguarded,
    )


def effective_number(
    trials: Sequence[Entry], judged: Sequence[Stretch], effective: Effective
) -> tuple[float, int, int]:
    """How many independent trials some distinct ones amount to; and trials and days that were compared."""
    moving = [one for one in trials if not never_traded(one)]
    found = aligned(moving, judged)
    chosen = [column for column in found.returns.T if varies(column)] if len(found.days) >= FEWEST_DAYS else []
    independent = float(len(chosen))
    if len(chosen) > 1:
        independent = min(max(float(effective(np.column_stack(chosen))), 1.0), independent)
    number = independent + len(moving) - len(chosen) + (len(moving) < len(trials))
    return number, len(chosen), len(found.days) if chosen else 0


def never_traded(trial: Entry) -> bool:
    """Whether every return is zero; without returns nothing is known about it."""
    return trial.returns is not None and len(trial.returns.values) > 0 and not any(trial.returns.values)


def daily_sharpes(trials: Iterable[Entry]) -> list[float]:
    """Each trial's Sharpe ratio per day, from its own returns where they are known, else as it was reported.

    Trials that never traded have none. Shorter histories scatter more, which widens the spread: stricter, again.
    """
    found = []
    for one in trials:
        value = one.metric(SHARPE) if one.returns is None else sharpe_ratio(np.array(one.returns.values))
        if value is not None and np.isfinite(value):
            found.append(float(value))
    return found
