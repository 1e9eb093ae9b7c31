"""Gates over everything that was tried: the ledger is whole, and a profit is left when all trials are counted *now*.

A result carries the count of the day it was made. Whoever tries a hundred things more on the same data and then comes
back to the first has chosen among all of them, so the count is taken again on the day of the promotion.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.store import Verdict
from pipelines.laboratory import Laboratory
from pipelines.ledger.against import count_against
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.store import Ledger
from pipelines.ledger.summary import TrialSummary
from pipelines.results import ENSEMBLE, RunResult
from pipelines.stages.judgement import TRIALS, deflated, judged_overfitting, unlike
from pipelines.verdict import COIN, CONFIDENT, laboratory_deflated, number, overfitted, percent

BLOCKS = 16
"""Blocks of CSCV where a result's configuration does not say how many."""
NO_LABORATORY = "the run has no laboratory: nothing was traded that could be judged"


def as_of_now(result: RunResult, ledger: Ledger) -> RunResult:
    """A result with its trials, deflated Sharpe ratio and overfitting as the ledger has it now.

    Raises
    ------
    LedgerError
        If the run is not in the ledger.
    """
    trial = next((one.trial.id for one in ledger.entries() if one.trial.run == result.run_id), None)
    if trial is None:
        raise LedgerError(f"run {result.run_id} is not in the ledger {ledger.label}: nothing unregistered is judged")
    trials, others = count_against(ledger, trial, result.trials.judged, known=(result.trials.head,))
    found = result.laboratory
    if found is not None:
        found = judged_again(found, trials, others, result.config.get("laboratory", {}).get("blocks", BLOCKS))
    return msgspec.structs.replace(result, trials=trials, laboratory=found)


def judged_again(laboratory: Laboratory, trials: TrialSummary, others: NDArray[np.float64], blocks: int) -> Laboratory:
    """A laboratory with the parts that depend on the ledger's trials judged anew.

    Parameters
    ----------
    trials, others
        From `pipelines.ledger.against.count_against`.
    blocks
        Of CSCV.
    """
    ensemble = next((one.returns for one in laboratory.strategies if one.name == ENSEMBLE), np.empty(0))
    again = judged_overfitting(TRIALS, unlike(others), blocks)
    kept = tuple(one for one in laboratory.overfitting if one.among != TRIALS)
    return msgspec.structs.replace(
        laboratory,
        deflated=deflated(ensemble, trials),
        overfitting=kept if again is None else (*kept, again),
    )


def trials_gate(now: RunResult, then: TrialSummary) -> Verdict:
    """The ledger is whole; how far it has grown since the training is said."""
    grown = now.trials.distinct - then.distinct
    found = f"{now.trials.sentence}; {grown:,} more than when it was trained" if grown > 0 else now.trials.sentence
    return Verdict("trials", now.trials.verified, found, "a whole ledger that knows the run")


def deflated_gate(now: RunResult) -> Verdict:
    """The Sharpe ratio is above what the best of all trials would reach by luck, at 95 %."""
    found, needed = laboratory_deflated(now), f"probability {percent(CONFIDENT, 0)}"
    if found.deflated is None:
        why = "the strategy has no Sharpe ratio" if now.laboratory else NO_LABORATORY
        return Verdict("deflated Sharpe", False, why, needed, judged=False)
    luck = number(found.luck, 2, signed=True)
    reason = f"above the luck of everything tried, {luck} a year, with probability "
    return Verdict("deflated Sharpe", found.deflated >= CONFIDENT, reason + percent(found.deflated), needed)


def overfitting_gate(now: RunResult) -> Verdict:
    """Choosing by past performance, among the run's predictors or the ledger's trials, is no worse than a coin."""
    needed = f"at most {percent(COIN, 0)}"
    found = [one for one in now.laboratory.overfitting if one.probability is not None] if now.laboratory else []
    if not found:
        why = (
            "too few days or strategies to judge how the best of the past goes on" if now.laboratory else NO_LABORATORY
        )
        return Verdict("overfitting", False, why, needed, judged=False)
    texts = "; ".join(f"{percent(one.probability)} among {one.among}" for one in found)
    return Verdict("overfitting", not overfitted(now.laboratory), f"probability of overfitting {texts}", needed)


def unknown_trials(error: LedgerError) -> tuple[Verdict, ...]:
    """The verdicts where the ledger does not know the run, or cannot be read."""
    needed = "a whole ledger that knows the run"
    return tuple(
        Verdict(gate, False, str(error), needed, judged=False) for gate in ("trials", "deflated Sharpe", "overfitting")
    )
