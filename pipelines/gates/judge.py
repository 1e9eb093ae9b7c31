"""What the gates of an alias say about a bundle.

Every alias needs a model that is whole and computes on this machine what it computed when it was made. The champion,
which trades, needs evidence besides. A gate that cannot be judged has not been passed.
"""

from __future__ import annotations

from models.bundle.bundle import Bundle
from models.bundle.names import CHAMPION
from models.bundle.store import Verdict
from pipelines.gates.drift import drift_gate
from pipelines.gates.evidence import BASE_RATE, Evidence
from pipelines.gates.expiry import expiry_gate
from pipelines.gates.latency import latency_gate
from pipelines.gates.research import (
    audit_gate,
    calibration_gate,
    members_gate,
    parity_gate,
    prediction_gate,
    profit_gate,
)
from pipelines.gates.rivals import better_gate, earns_no_less_gate, not_worse_gate
from pipelines.gates.trials import deflated_gate, overfitting_gate, trials_gate, unknown_trials
from pipelines.gates.whole import certificate_gate, golden_gate
from pipelines.ledger.errors import LedgerError

NO_RUN = "the workspace has no run that made this bundle, so there is no evidence to judge"


def verdicts(bundle: Bundle, alias: str, evidence: Evidence | None) -> tuple[Verdict, ...]:
    """What the gates of an alias say about a bundle.

    Parameters
    ----------
    evidence
        From `pipelines.gates.evidence.gather`, which only a champion needs; None if its run is not to be found.
    """
    whole = (certificate_gate(bundle), golden_gate(bundle))
    if alias != CHAMPION:
        return whole
    if evidence is None:
        return (*whole, Verdict("evidence", False, NO_RUN, "the run that made it", judged=False))
    return (*whole, *of_the_run(evidence), *of_the_trials(evidence), *of_today(bundle, evidence))


def of_the_run(evidence: Evidence) -> tuple[Verdict, ...]:
    """Over what the run found on its own data."""
    result = evidence.result
    return (
        audit_gate(result),
        parity_gate(result),
        prediction_gate(result),
        members_gate(result),
        calibration_gate(result, evidence.config),
        profit_gate(result),
    )


def of_the_trials(evidence: Evidence) -> tuple[Verdict, ...]:
    """Over everything that was tried on the same data until now."""
    now = evidence.now
    if isinstance(now, LedgerError):
        return unknown_trials(now)
    return trials_gate(now, evidence.result.trials), deflated_gate(now), overfitting_gate(now)


def of_today(bundle: Bundle, evidence: Evidence) -> tuple[Verdict, ...]:
    """Over the newest bars, this machine and the calendar; the first champion has no other to be compared with."""
    rival, config = evidence.rival, evidence.config
    better = better_gate(evidence.lead, rival, config)
    against = (better,) if rival == BASE_RATE else (not_worse_gate(evidence.lead, rival, config), better)
    money = () if evidence.earned is None else (earns_no_less_gate(evidence.earned, rival, config),)
    return (
        *against,
        *money,
        latency_gate(evidence.latency, config),
        drift_gate(evidence.drift, config),
        expiry_gate(bundle.manifest.training, evidence.moment, config),
    )
