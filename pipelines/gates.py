"""The gates of promotion: what must hold before an alias points to a model, each with a verdict in words.

Every alias needs a model that is whole and computes on this machine what it computed when it was made. The
champion, which trades, needs evidence besides: the untouched stretch traded on paper with no byte different, and
intervals that support its predictions and its profit. A gate that cannot be judged has not been passed.
"""

from __future__ import annotations

from pathlib import Path

from models.bundle.bundle import Bundle
from models.bundle.errors import BundleError
from models.bundle.golden import self_test
from models.bundle.store import Verdict
from pipelines.results import RESULT_FILE, RunResult
from pipelines.verdict import information_gain, interval, listed, verdict

CHAMPION = "champion"
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
    """The interval of the out-of-sample net Sharpe ratio lies above zero."""
    if result.backtest is None:
        return Verdict("profit", False, "the run has no backtest")
    text = interval(result.backtest.net_performance.sharpe_annual, 2, signed=True)
    return Verdict("profit", verdict(result).profit_supported, f"net annual Sharpe ratio {text}")


EVIDENCE = (parity_gate, prediction_gate, members_gate, profit_gate)


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
