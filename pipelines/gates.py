"""The gates of promotion: what must hold before an alias points to a model, each with a verdict in words.

Every alias needs a model that is whole and computes on this machine what it computed when it was made. The
champion, which trades, needs evidence besides: the untouched stretch traded on paper with no byte different,
intervals that support its predictions and its profit, and a profit that is left when every trial in a whole ledger is
counted. A gate that cannot be judged has not been passed.
"""

from __future__ import annotations

from pathlib import Path

from models.bundle.bundle import Bundle
from models.bundle.errors import BundleError
from models.bundle.golden import self_test
from models.bundle.store import Verdict
from pipelines.results import RESULT_FILE, RunResult
from pipelines.verdict import (
    COIN,
    CONFIDENT,
    information_gain,
    interval,
    laboratory_deflated,
    listed,
    number,
    overfitted,
    percent,
    verdict,
)

CHAMPION = "champion"
NO_LABORATORY = "the run has no laboratory: nothing was traded that could be judged"
NO_RUN = "the workspace has no run that made this bundle, so there is no evidence to judge"


def certificate_gate(bundle: Bundle) -> Verdict:
    """The exported graph agrees with the libraries that trained it."""
    found = bundle.manifest.certificate
    if found.get("passed") is True:
        return Verdict("certificate", True, "the graph agrees with the native members")
    return Verdict("certificate", False, "; ".join(map(str, found.get("reasons", ()))) or "there is none")


def golden_gate(bundle: Bundle) -> Verdict:
    """The golden rows come out the same on this machine."""
    try:
        found = self_test(bundle)
    except BundleError as error:
        return Verdict("golden rows", False, str(error))
    return Verdict("golden rows", found.exact, str(found))


def parity_gate(result: RunResult) -> Verdict:
    """The live loop did on paper, byte for byte, what research does."""
    if result.paper is None:
        return Verdict("parity", False, "the run traded nothing on paper")
    compared = ", ".join(f"{part.equal:,} of {part.rows:,} {part.what}" for part in result.paper.parity)
    return Verdict("parity", result.paper.identical, f"equal in every byte: {compared or 'nothing was compared'}")


def prediction_gate(result: RunResult) -> Verdict:
    """The interval of the ensemble's information gain lies above zero."""
    text = interval(information_gain(result), 5, signed=True)
    return Verdict("prediction", verdict(result).prediction_supported, f"information gain {text} nats per decision")


def members_gate(result: RunResult) -> Verdict:
    """No single predictor is better than the ensemble beyond chance."""
    better = verdict(result).better_members
    reason = f"better than the ensemble: {listed(better)}" if better else "no single predictor is better"
    return Verdict("members", not better, reason)


def profit_gate(result: RunResult) -> Verdict:
    """The interval of the out-of-sample net Sharpe ratio lies above zero; the trials have gates of their own."""
    if result.backtest is None:
        return Verdict("profit", False, "the run has no backtest")
    sharpe = result.backtest.net_performance.sharpe_annual
    return Verdict("profit", sharpe.above_zero, f"net annual Sharpe ratio {interval(sharpe, 2, signed=True)}")


def trials_gate(result: RunResult) -> Verdict:
    """The ledger was whole when the trials were counted."""
    return Verdict("trials", result.trials.verified, result.trials.sentence)


def deflated_gate(result: RunResult) -> Verdict:
    """The Sharpe ratio is above what the best of all trials would reach by luck, at 95 %."""
    found = laboratory_deflated(result)
    if found.deflated is None:
        why = "the strategy has no Sharpe ratio" if result.laboratory else NO_LABORATORY
        return Verdict("deflated Sharpe", False, why)
    luck = number(found.luck, 2, signed=True)
    reason = (
        f"the true ratio is above the luck of all trials, {luck} a year, with probability {percent(found.deflated)}"
    )
    return Verdict("deflated Sharpe", found.deflated >= CONFIDENT, f"{reason}; {percent(CONFIDENT, 0)} needed")


def overfitting_gate(result: RunResult) -> Verdict:
    """Choosing by past performance, among the run's predictors or the ledger's trials, is no worse than a coin."""
    if result.laboratory is None:
        return Verdict("overfitting", False, NO_LABORATORY)
    found = [one for one in result.laboratory.overfitting if one.probability is not None]
    if not found:
        return Verdict("overfitting", False, "too few days or strategies to judge how the best of the past goes on")
    texts = "; ".join(f"{percent(one.probability)} among {one.among}" for one in found)
    passed = not overfitted(result.laboratory)
    return Verdict("overfitting", passed, f"probability of overfitting {texts}; at most {percent(COIN, 0)} allowed")


EVIDENCE = (
    parity_gate,
    prediction_gate,
    members_gate,
    profit_gate,
    trials_gate,
    deflated_gate,
    overfitting_gate,
)


def verdicts(bundle: Bundle, alias: str, result: RunResult | None) -> tuple[Verdict, ...]:
    """What the gates of an alias say about a bundle.

    Parameters
    ----------
    result
        Of the run that made the bundle; None if it is not to be found.
    """
    whole = (certificate_gate(bundle), golden_gate(bundle))
    if alias != CHAMPION:
        return whole
    if result is None:
        return (*whole, Verdict("evidence", False, NO_RUN))
    return (*whole, *(gate(result) for gate in EVIDENCE))


def find_result(runs: Path, digest: str) -> RunResult | None:
    """The newest result below a workspace's runs that made a bundle of this digest."""
    needle = digest.encode()
    found = [path.parent for path in runs.glob(f"*/{RESULT_FILE}") if needle in path.read_bytes()]
    results = [result for result in map(RunResult.load, found) if result.bundle and result.bundle.digest == digest]
    return max(results, key=lambda result: result.created, default=None)
