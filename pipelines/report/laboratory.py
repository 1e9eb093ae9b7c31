"""What the report and the terminal show of the laboratory, as plain rows of text."""

from __future__ import annotations

from statistics import median
from typing import Any

from pipelines.figures.sensitivity import latency_text
from pipelines.laboratory import Laboratory, Paths, Sensitivity, Snooping, Strategy
from pipelines.ledger.summary import TrialSummary
from pipelines.report.needed import needed_rows
from pipelines.report.paths import TRADED, paths_trade
from pipelines.results import ENSEMBLE, Estimate, Number, RunResult, Span
from pipelines.verdict import (
    CONFIDENT,
    FEW_DAYS,
    active_days,
    deflated_sentence,
    few_days_sentence,
    interval,
    laboratory_deflated,
    listed,
    number,
    path_sharpes,
    percent,
    period,
)

CASH = "cash"
Row = dict[str, Any]


def sharpe_cell(estimate: Estimate) -> Row:
    """A Sharpe ratio with its interval beneath."""
    low, high = (number(bound, 2, signed=True) for bound in (estimate.low, estimate.high))
    return {"value": number(estimate.value, 2, signed=True), "interval": f"{low} to {high}"}


def return_cell(estimate: Estimate) -> Row:
    """A total return with its interval beneath, if that is known."""
    low, high = (percent(bound, 1, signed=True) for bound in (estimate.low, estimate.high))
    between = f"{low} to {high}" if estimate.bounds else ""
    return {"value": percent(estimate.value, 1, signed=True), "interval": between}


def gain_cell(estimate: Estimate) -> Row:
    """An information gain with its interval beneath."""
    low, high = (number(bound, 5, signed=True) for bound in (estimate.low, estimate.high))
    return {"value": number(estimate.value, 5, signed=True), "interval": f"{low} to {high}"}


def probability(value: Number) -> str:
    """A p-value for reading: never rounded to nothing.

    Examples
    --------
    >>> probability(0.0479), probability(0.0004), probability(None)
    ('0.048', '< 0.001', '–')
    """
    return "< 0.001" if value is not None and value < 0.001 else number(value, 3)


def judged(trials: TrialSummary) -> str:
    """The data that the trials are counted for: instruments and time."""
    venues = dict.fromkeys(one.venue for one in trials.judged)
    where = [
        f"{listed(tuple(dict.fromkeys(one.symbol for one in trials.judged if one.venue == venue)))} on {venue}"
        for venue in venues
    ]
    span = Span(min(one.start for one in trials.judged), max(one.stop for one in trials.judged))
    return f"{'; '.join(where)}, {period(span)}"


def trial_rows(trials: TrialSummary) -> list[tuple[str, str]]:
    """The ledger's count, line by line."""
    spread = trials.sharpe_variance**0.5 if trials.sharpe_variance is not None else None
    shown = (
        f"{number(spread, 4)} a day, over {trials.sharpes:,} trials"
        if spread is not None
        else "unknown: it takes two trials with returns"
    )
    compared = f"{trials.compared:,} with returns on the same {trials.common_days:,} days"
    return [
        ("Data", judged(trials)),
        ("Records that touched it", f"{trials.records:,}"),
        ("Different trials among them", f"{trials.distinct:,}"),
        ("As many as independent ones", f"{number(trials.effective, 1)} ({trials.method}; {compared})"),
        ("Unfinished (they count all the same)", f"{trials.unfinished:,}"),
        ("Spread of their Sharpe ratios (standard deviation)", shown),
        ("Counted together", f"by {trials.by}"),
        ("Ledger", f"{trials.ledger}, row {trials.head.sequence:,}, {trials.head.hash[:16] or 'empty'}"),
        ("Whole when counted", "yes" if trials.verified else f"NO: {trials.problem}"),
    ]


def deflated_rows(result: RunResult) -> list[tuple[str, str]]:
    """The Sharpe ratio against the luck of all trials, line by line."""
    found, trials = laboratory_deflated(result), result.trials
    net = result.backtest.net_performance.sharpe_annual if result.backtest else Estimate(None)
    luck = f"Luck: expected best of {number(trials.effective, 1)} independent trials without an edge, a year"
    rows = [
        ("Net Sharpe ratio, annual", interval(net, 2, signed=True)),
        ("Probabilistic Sharpe: probability that the true ratio is above 0", percent(found.probabilistic)),
        ("Spread of trials without an edge (theirs, at least that of estimates), a year", number(found.spread, 2)),
        (luck if trials.effective > 1 else "Luck of the only trial", number(found.luck, 2, signed=True)),
        ("Deflated Sharpe: probability that the true ratio is above that luck", percent(found.deflated)),
    ]
    if trials.distinct > 1:
        rows.append((f"The same, were none of the {trials.distinct:,} trials alike", percent(found.by_all)))
    return rows


def strategy_rows(strategies: tuple[Strategy, ...]) -> list[Row]:
    """One row a predictor; ``active`` are the days on which its wealth changed."""
    return [
        {
            "name": one.name,
            "main": one.name == ENSEMBLE,
            "return": return_cell(one.total_return_estimate),
            "sharpe": sharpe_cell(one.sharpe),
            "trades": f"{one.trades:,}",
            "active": f"{active_days(one.returns):,} of {len(one.returns):,}",
            "few": active_days(one.returns) < FEW_DAYS,
        }
        for one in strategies
    ]


def path_rows(paths: Paths | None) -> list[Row]:
    """One row a path, in their own order."""
    return [
        {
            "number": place,
            "return": return_cell(one.total_return_estimate),
            "sharpe": sharpe_cell(one.sharpe),
            "trades": f"{one.trades:,}",
            "gain": gain_cell(gain),
        }
        for place, (one, gain) in enumerate(zip(paths.paths, paths.gains, strict=True), start=1)
    ] if paths else []  # fmt: skip


def paths_sentence(paths: Paths) -> str:
    """How the paths came about, and how far their Sharpe ratios spread."""
    made = (
        f"The whole history is cut into {paths.groups} groups of time; each of the {paths.splits} ways to test on "
        f"{paths.test_groups} of them and train on the others gives a model, and these make up {len(paths.paths)} "
        "out-of-sample paths through everything."
    )
    values = path_sharpes(paths)
    if not values:
        return made
    above = sum(value > 0 for value in values)
    return f"{made} Their annual Sharpe ratios: {spread_text(values)}; {above} of {len(values)} are above zero."


def spread_text(values: tuple[float, ...]) -> str:
    """The median of several values and how far they reach.

    Examples
    --------
    >>> spread_text((-0.5, 1.0, 2.0))
    'median +1.00, from −0.50 to +2.00'
    """
    middle, low, high = (number(one, 2, signed=True) for one in (median(values), values[0], values[-1]))
    return f"median {middle}, from {low} to {high}"


def overfitting_rows(laboratory: Laboratory) -> list[Row]:
    """One row a set of strategies."""
    return [
        {
            "among": one.among,
            "strategies": f"{one.strategies:,}",
            "days": f"{one.days:,} in {one.blocks} blocks",
            "splits": f"{len(one.logits):,}",
            "probability": percent(one.probability),
            "loss": percent(one.loss_probability),
        }
        for one in laboratory.overfitting
    ]


def snooping_rows(found: tuple[Snooping, ...]) -> list[Row]:
    """One row a benchmark."""
    return [
        {
            "benchmark": one.benchmark,
            "best": one.best,
            "check": probability(one.reality_check),
            "spa": probability(one.spa),
            "bounds": f"{probability(one.spa_lower)} to {probability(one.spa_upper)}",
            "superior": listed(one.superior) if one.superior else "none",
        }
        for one in found
    ]


def sensitivity_rows(worlds: tuple[Sensitivity, ...]) -> list[Row]:
    """One row a world."""
    return [
        {
            "costs": f"{one.costs:g} ×",
            "latency": latency_text(one.latency_ms),
            "return": return_cell(one.total_return_estimate),
            "sharpe": sharpe_cell(one.sharpe),
        }
        for one in worlds
    ]


def regime_rows(laboratory: Laboratory) -> list[Row]:
    """One row a regime."""
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "decisions": f"{one.decisions:,}",
            "effective": number(one.effective, 0),
            "gain": gain_cell(one.information_gain),
            "auc": {
                "value": number(one.auc.value, 3),
                "interval": f"{number(one.auc.low, 3)} to {number(one.auc.high, 3)}",
            },
            "days": f"{one.days:,}",
            "few": one.days < FEW_DAYS,
            "return": return_cell(one.total_return_estimate),
            "sharpe": sharpe_cell(one.sharpe),
        }
        for one in laboratory.regimes
    ]


def laboratory_view(result: RunResult) -> Row:
    """Everything that the laboratory's part of the template needs."""
    found = result.laboratory
    return {
        "sentence": f"{result.trials.sentence}.",
        "verified": result.trials.verified,
        "problem": result.trials.problem,
        "trials": trial_rows(result.trials),
        "made": found is not None,
        "deflated_sentence": deflated_sentence(result),
        "deflated": deflated_rows(result),
        "strategies": strategy_rows(found.strategies) if found else [],
        "paths": path_rows(found.paths) if found else [],
        "paths_sentence": paths_sentence(found.paths) if found and found.paths else "",
        "paths_trade": paths_trade(result, found.paths) if found and found.paths else "",
        "overfitting": overfitting_rows(found) if found else [],
        "snooping": snooping_rows(found.snooping) if found else [],
        "sensitivities": sensitivity_rows(found.sensitivities) if found else [],
        "regimes": regime_rows(found) if found else [],
        "needed": needed_rows(result),
        "few_days": FEW_DAYS,
        "few_sentence": few_days_sentence(result),
    }


def laboratory_lines(result: RunResult) -> list[tuple[str, str]]:
    """The laboratory in a few lines, for a terminal."""
    trials, found, deflated = result.trials, result.laboratory, laboratory_deflated(result)
    ledger = "ledger verified" if trials.verified else f"LEDGER NOT WHOLE: {trials.problem}"
    lines = [
        ("trials on this data", f"{trials.distinct:,}, as many as {trials.effective:.1f} independent ones; {ledger}")
    ]
    if found is None:
        return lines
    luck = f"luck of all trials {number(deflated.luck, 2, signed=True)}, {percent(CONFIDENT, 0)} needed"
    lines.append(("deflated Sharpe probability", f"{percent(deflated.deflated)} ({luck})"))
    lines += [
        ("probability of overfitting", f"{percent(one.probability)} among {one.among}") for one in found.overfitting
    ]
    if values := path_sharpes(found.paths):
        lines.append((f"annual Sharpe on CPCV paths of {TRADED}", f"{spread_text(values)}, of {len(values)} paths"))
    lines += [(row["name"], row["value"]) for row in needed_rows(result)]
    lines += [
        ("SPA p-value against cash", f"{probability(one.spa)}; singled out: {listed(one.superior) or 'none'}")
        for one in found.snooping
        if one.benchmark == CASH
    ]
    return lines
