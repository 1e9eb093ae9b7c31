"""What the laboratory becomes in MLflow: metrics under ``trials/`` and ``lab/``, tables, tags."""

from __future__ import annotations

from statistics import median

from pipelines.laboratory import Laboratory
from pipelines.needed import needed
from pipelines.report.needed import needed_rows
from pipelines.report.paths import paths_trade
from pipelines.results import Estimate, Number, RunResult
from pipelines.stages.judgement import PREDICTORS
from pipelines.tracking.content import Metrics, Table, estimated, known, metric_name, table
from pipelines.verdict import path_sharpes, verdict

TRIALS = "trials"
RETURN = ("total_return", "return_low", "return_high")
SHARPE = ("sharpe_annual", "low", "high")
GAIN = ("information_gain", "gain_low", "gain_high")
"""Columns of an estimate: its value and its interval."""


def with_bounds(found: Estimate) -> tuple[Number, Number, Number]:
    """A value with its interval, for a table's columns."""
    return found.value, found.low, found.high


def trial_metrics(result: RunResult) -> Metrics:
    """``trials/…``: what the ledger counted."""
    trials = result.trials
    return known(
        {
            "trials/records": trials.records,
            "trials/distinct": trials.distinct,
            "trials/effective": trials.effective,
            "trials/unfinished": trials.unfinished,
            "trials/sharpe_variance": trials.sharpe_variance,
            "trials/ledger_verified": float(trials.verified),
        }
    )


def laboratory_metrics(result: RunResult) -> Metrics:
    """``lab/…``: the deflated ratio, paths, overfitting, snooping and every predictor's trading."""
    found = result.laboratory
    if found is None:
        return {}
    values: dict[str, Number] = {
        "lab/psr": found.deflated.probabilistic,
        "lab/dsr": found.deflated.deflated,
        "lab/dsr_all_trials": found.deflated.by_all,
        "lab/luck": found.deflated.luck,
        "lab/luck_spread": found.deflated.spread,
    }
    for one in found.overfitting:
        name = "lab/pbo" if one.among == PREDICTORS else "lab/pbo_trials"
        values |= {name: one.probability, f"{name}_loss": one.loss_probability}
    for test in found.snooping:
        values |= {
            metric_name("lab", f"spa_{test.benchmark}"): test.spa,
            metric_name("lab", f"reality_check_{test.benchmark}"): test.reality_check,
            metric_name("lab", f"singled_out_{test.benchmark}"): float(len(test.superior)),
        }
    for strategy in found.strategies:
        name = metric_name("lab", "strategy", strategy.name)
        values |= estimated(f"{name}/total_return", strategy.total_return_estimate)
        values |= estimated(f"{name}/sharpe_annual", strategy.sharpe)
    return known(values | path_values(found) | needed_values(result))


def needed_values(result: RunResult) -> dict[str, Number]:
    """``lab/needed/…``: how long a record must be, what the count of trials leaves of the ratio, how much money fits.

    Days are left out where no record is long enough; capacity is in the ledger asset.
    """
    found = needed(result)
    if found is None:
        return {}
    return {
        "lab/needed/days_above_zero": found.record_zero,
        "lab/needed/days_above_luck": found.record_luck,
        "lab/needed/haircut_sharpe_annual": found.haircut_sharpe,
        "lab/needed/haircut_p_value": found.haircut_p_value,
        **estimated("lab/needed/strategy_risk", found.risk),
        **estimated("lab/needed/capacity", found.capacity),
    }


def path_values(found: Laboratory) -> dict[str, Number]:
    """``lab/cpcv_members_mean_…``: how far the combinatorial paths spread, which are of the members' mean."""
    if found.paths is None:
        return {}
    gains = sorted(one for one in found.paths.information_gain if one is not None)
    spreads = (("sharpe", path_sharpes(found.paths)), ("information_gain", tuple(gains)))
    return {
        f"lab/cpcv_members_mean_{name}_{which}": value
        for name, values in spreads
        if values
        for which, value in (("median", median(values)), ("min", values[0]), ("max", values[-1]))
    }


def laboratory_tags(result: RunResult) -> dict[str, str]:
    """What people filter and read runs by."""
    said = verdict(result)
    paths = result.laboratory.paths if result.laboratory else None
    return {
        **({"bot4.paths": paths_trade(result, paths)} if paths else {}),
        "bot4.trials": result.trials.sentence,
        "bot4.ledger": "verified" if result.trials.verified else f"NOT WHOLE: {result.trials.problem}",
        "bot4.prediction_supported": str(said.prediction_supported).lower(),
        "bot4.profit_supported": str(said.profit_supported).lower(),
    }


def laboratory_tables(result: RunResult) -> dict[str, Table]:
    """Every table of the laboratory by name; none is empty."""
    found = result.laboratory
    tables = {TRIALS: trial_table(result), "needed": needed_table(result)}
    if found is not None:
        tables |= {
            "strategies": strategy_table(found),
            "paths": path_table(found),
            "overfitting": overfitting_table(found),
            "snooping": snooping_table(found),
            "sensitivities": sensitivity_table(found),
            "regimes": regime_table(found),
        }
    return {name: one for name, one in tables.items() if next(iter(one.values()))}


def trial_table(result: RunResult) -> Table:
    """The trials that count, the newest first, as the result keeps them, and where they are recorded."""
    trials = result.trials
    return table(("trial", "ledger", "row", "verified"), [
        (one, trials.ledger, trials.head.sequence, trials.verified) for one in trials.shown
    ])  # fmt: skip


def needed_table(result: RunResult) -> Table:
    """How much is needed and how much fits, as the report says it."""
    rows = [(row["name"], row["value"], row["meaning"]) for row in needed_rows(result)]
    return table(("question", "answer", "meaning"), rows)


def strategy_table(found: Laboratory) -> Table:
    """One row a predictor traded."""
    rows = [
        (one.name, *with_bounds(one.total_return_estimate), *with_bounds(one.sharpe), one.trades)
        for one in found.strategies
    ]
    return table(("predictor", *RETURN, *SHARPE, "trades"), rows)


def path_table(found: Laboratory) -> Table:
    """One row a combinatorial path, with the members whose mean it trades."""
    if found.paths is None:
        return table(("path",), [])
    rows = [
        (
            number,
            ", ".join(found.paths.members),
            *with_bounds(one.total_return_estimate),
            *with_bounds(one.sharpe),
            one.trades,
            *with_bounds(gain),
        )
        for number, (one, gain) in enumerate(zip(found.paths.paths, found.paths.gains, strict=True), start=1)
    ]
    return table(("path", "mean_of", *RETURN, *SHARPE, "trades", *GAIN), rows)


def overfitting_table(found: Laboratory) -> Table:
    """One row a set of strategies."""
    rows = [
        (one.among, one.strategies, one.days, one.blocks, one.probability, one.loss_probability)
        for one in found.overfitting
    ]
    return table(("among", "strategies", "days", "blocks", "pbo", "loss_probability"), rows)


def snooping_table(found: Laboratory) -> Table:
    """One row a benchmark."""
    rows = [
        (one.benchmark, one.best, one.reality_check, one.spa, one.spa_lower, one.spa_upper, ", ".join(one.superior))
        for one in found.snooping
    ]
    return table(("benchmark", "best", "reality_check", "spa", "spa_lower", "spa_upper", "singled_out"), rows)


def sensitivity_table(found: Laboratory) -> Table:
    """One row a world of costs and latency."""
    rows = [
        (one.costs, one.latency_ms, *with_bounds(one.total_return_estimate), *with_bounds(one.sharpe))
        for one in found.sensitivities
    ]
    return table(("costs", "latency_ms", *RETURN, *SHARPE), rows)


def regime_table(found: Laboratory) -> Table:
    """One row a regime and measure, with its interval."""
    rows = [
        (one.kind, one.name, one.decisions, one.effective, one.days, measure, value.value, value.low, value.high)
        for one in found.regimes
        for measure, value in (
            ("information_gain", one.information_gain),
            ("auc", one.auc),
            ("sharpe_annual", one.sharpe),
            ("total_return", one.total_return_estimate),
        )
    ]
    names = ("kind", "regime", "decisions", "effective", "days", "measure", "value", "low", "high")
    return table(names, rows)
