"""Gates over what the run found on its own data: leaks, parity, prediction, members, calibration, profit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.bundle.store import Verdict
from pipelines.audit.text import headline
from pipelines.gates.config import GateConfig
from pipelines.results import ENSEMBLE, Reliability, RunResult
from pipelines.verdict import information_gain, interval, listed, number, verdict

CHANCE = 0.95
"""The share of perfectly calibrated models whose calibration error is below the chance level."""


def audit_gate(result: RunResult) -> Verdict:
    """The leakage audit compared something, and nothing of the past moved when the future was changed."""
    needed = "no byte of the past moves when the future does"
    if result.audit is None or not result.audit.compared:
        return Verdict("leakage audit", False, "the run was not audited", needed, judged=False)
    return Verdict("leakage audit", result.audit.clean, headline(result.audit), needed)


def parity_gate(result: RunResult) -> Verdict:
    """The live loop did on paper, byte for byte, what research does."""
    needed = "every byte equal"
    if result.paper is None:
        return Verdict("parity", False, "the run traded nothing on paper", needed, judged=False)
    compared = ", ".join(f"{part.equal:,} of {part.rows:,} {part.what}" for part in result.paper.parity)
    found = f"equal in every byte: {compared or 'nothing was compared'}"
    return Verdict("parity", result.paper.identical, found, needed)


def prediction_gate(result: RunResult) -> Verdict:
    """The interval of the ensemble's information gain lies above zero."""
    text = interval(information_gain(result), 5, signed=True)
    passed = verdict(result).prediction_supported
    return Verdict("prediction", passed, f"information gain {text} nats per decision", "an interval above 0")


def members_gate(result: RunResult) -> Verdict:
    """No single predictor is better than the ensemble beyond chance."""
    better = verdict(result).better_members
    reason = f"better than the ensemble: {listed(better)}" if better else "no single predictor is better"
    return Verdict("members", not better, reason, "none better beyond chance")


def calibration_gate(result: RunResult, config: GateConfig) -> Verdict:
    """The expected calibration error is small, or no larger than chance makes it for a calibrated model.

    Shares of few rows scatter, so the error of a perfectly calibrated model is not zero. Where chance alone makes it
    large, a real error could not be seen.
    """
    needed = (
        f"at most {number(config.calibration, 3)}, or what chance explains if that is at most "
        f"{number(config.calibration_chance, 3)}"
    )
    curve = next((one for one in result.reliability if one.predictor == ENSEMBLE), None)
    if curve is None or not curve.count.sum():
        return Verdict("calibration", False, "the run has no reliability curve", needed, judged=False)
    error = float(np.average(np.abs(curve.predicted - curve.observed), weights=curve.count))
    chance = chance_level(curve, config.draws, config.seed)
    found = (
        f"expected calibration error {number(error, 3)}; by chance up to {number(chance, 3)} in "
        f"{int(curve.count.sum()):,} effective rows"
    )
    fits, visible = error <= max(config.calibration, chance), chance <= config.calibration_chance
    return Verdict("calibration", fits and visible, found, needed, judged=visible or not fits)


def chance_level(curve: Reliability, draws: int, seed: int) -> float:
    """The expected calibration error that a perfectly calibrated model stays below in `CHANCE` of cases.

    Its effective rows are drawn anew: of each bin's, as many as its mean prediction says happen on average.
    """
    random, rows = np.random.default_rng(seed), np.maximum(curve.count, 1)
    probability: NDArray[np.float64] = np.clip(curve.predicted, 0.0, 1.0)
    drawn = random.binomial(rows, probability, (draws, len(rows))) / rows
    errors = np.average(np.abs(drawn - probability), axis=1, weights=curve.count)
    return float(np.quantile(errors, CHANCE))


def profit_gate(result: RunResult) -> Verdict:
    """The interval of the out-of-sample net Sharpe ratio lies above zero; the trials have gates of their own."""
    needed = "an interval above 0"
    if result.backtest is None:
        return Verdict("profit", False, "the run has no backtest", needed, judged=False)
    sharpe = result.backtest.net_performance.sharpe_annual
    return Verdict("profit", sharpe.above_zero, f"net annual Sharpe ratio {interval(sharpe, 2, signed=True)}", needed)
