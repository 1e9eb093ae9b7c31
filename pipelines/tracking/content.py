"""What a result becomes in MLflow: parameters, metrics, tables and dataset rows, as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from market.time import format_time
from pipelines.results import Backtest, Estimate, Fold, LearningCurve, Number, Performance, RunResult, is_known
from pipelines.verdict import verdict

Metrics = dict[str, float]
Table = dict[str, list[Any]]
PERFORMANCE = (
    "total_return",
    "probabilistic_sharpe",
    "max_drawdown",
    "trades",
    "hit_ratio",
    "turnover",
    "fees",
    "slippage",
)


def metric_name(*parts: str) -> str:
    """A metric's name: parts joined by ``/``, with nothing MLflow refuses.

    Examples
    --------
    >>> metric_name("oof", "trees only", "log_loss")
    'oof/trees_only/log_loss'
    >>> metric_name("seconds", "graph, bundle")
    'seconds/graph_bundle'
    """
    return "/".join(re.sub(r"[^\w.:-]+", "_", part) for part in parts)


def parameters(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The configuration as dotted names and texts.

    Examples
    --------
    >>> dict(parameters({"seed": 7, "data": {"symbols": ["BTCUSDT", "ETHUSDT"]}}))
    {'seed': '7', 'data.symbols': 'BTCUSDT, ETHUSDT'}
    >>> dict(parameters({"members": {"lstm": {}}}))
    {'members.lstm': 'defaults'}
    """
    for key, value in config.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping) and not value:
            yield name, "defaults"
        elif isinstance(value, Mapping):
            yield from parameters(value, name)
        elif isinstance(value, list | tuple):
            yield name, ", ".join(str(item) for item in value)
        else:
            yield name, str(value)


def known(metrics: Mapping[str, float | int | None]) -> Metrics:
    """The defined ones only: MLflow has no missing value, and zero would be a lie."""
    return {name: float(value) for name, value in metrics.items() if value is not None and is_known(value)}


def estimated(name: str, found: Estimate) -> dict[str, Number]:
    """A value with its interval, as ``name``, ``name_low`` and ``name_high``.

    MLflow's pages make a section of charts of everything before a name's last ``/``: these three share one.

    Examples
    --------
    >>> estimated("oof/lstm/auc", Estimate(0.5, 0.4, 0.6))
    {'oof/lstm/auc': 0.5, 'oof/lstm/auc_low': 0.4, 'oof/lstm/auc_high': 0.6}
    """
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def fold_scores(fold: Fold, prefix: str) -> Metrics:
    """``<prefix>/<predictor>/<metric>`` of one fold's test stretch."""
    return known(
        {
            metric_name(prefix, predictor, metric): value
            for predictor, found in fold.scores.items()
            for metric, value in found.items()
        }
    )


def fold_metrics(fold: Fold) -> Metrics:
    """``oof/<predictor>/<metric>`` of one fold's test stretch, and its row counts."""
    rows = {
        "rows/train": fold.train_rows,
        "rows/train_effective": fold.train_effective,
        "rows/purged": fold.purged_rows,
        "rows/test": fold.test_rows,
        "rows/test_effective": fold.test_effective,
    }
    return fold_scores(fold, "oof") | known(rows)


def fold_parameters(fold: Fold, config: Mapping[str, Any]) -> dict[str, str]:
    """What decided a fold: its stretches, and the run's configuration of members and validation."""
    train = " and ".join(f"{format_time(span.start)} to {format_time(span.end)}" for span in fold.train)
    found = {
        "fold": str(fold.number),
        "train": train,
        "test": f"{format_time(fold.test.start)} to {format_time(fold.test.end)}",
        "compared": str(fold.compared),
    }
    chosen = {name: config[name] for name in ("seed", "members", "validation") if name in config}
    return found | dict(parameters(chosen))


def curve_name(curve: LearningCurve) -> str:
    """A learning curve's metric.

    Examples
    --------
    >>> import numpy as np
    >>> curve_name(LearningCurve(0, "lstm", "train_log_loss", np.zeros(1)))
    'learning/lstm/train_log_loss/fold_1'
    """
    return learning_metric(curve.member, curve.name, curve.fold)


def learning_metric(member: str, name: str, fold: int) -> str:
    """The metric of a member's curve in a fold; a fold below 0 is the final refit."""
    return metric_name("learning", member, name, f"fold_{fold + 1}" if fold >= 0 else "final")


def comparison_metrics(result: RunResult) -> Metrics:
    """``oof/<predictor>/<metric>`` over the common rows of all folds, each with its interval."""
    found: dict[str, Number] = {}
    for predictor in result.predictors:
        for metric, estimate in predictor.scores.items():
            found |= estimated(metric_name("oof", predictor.name, metric), estimate)
    for pair in result.differences:
        name = metric_name("oof", pair.other, f"{pair.metric}_minus_ensemble")
        found |= estimated(name, pair.difference)
    return known(found)


def trading_metrics(prefix: str, backtest: Backtest) -> Metrics:
    """``<prefix>/net/…`` and ``<prefix>/gross/…``: returns, Sharpe ratios, drawdown, hit ratio, intervals, costs."""
    return known(
        {
            f"{prefix}/{kind}/{name}": value
            for kind, one in (("net", backtest.net_performance), ("gross", backtest.gross_performance))
            for name, value in _performance(one).items()
        }
    )


def _performance(one: Performance) -> dict[str, Number]:
    found: dict[str, Number] = {name: getattr(one, name) for name in PERFORMANCE}
    found["sharpe"] = one.sharpe.value
    for name, estimate in (*one.estimates.items(), ("sharpe_annual", one.sharpe_annual)):
        found |= estimated(name, estimate)
    return found


def run_metrics(result: RunResult) -> Metrics:
    """Everything about the whole run that has no step."""
    found = comparison_metrics(result)
    if result.backtest is not None:
        found |= trading_metrics("backtest", result.backtest)
    if result.paper is not None:
        found |= trading_metrics("paper", result.paper.backtest)
        found |= {
            f"parity/{metric_name(one.what)}/differing": float(one.rows - one.equal) for one in result.paper.parity
        }
    summary = {
        "samples/count": result.samples.count,
        "samples/effective": result.samples.effective,
        "samples/base_rate": result.samples.base_rate,
        "oof/rows": result.comparison_rows,
        "oof/effective": result.comparison_effective,
        "seconds/all": result.seconds,
    }
    return found | known(summary) | {f"seconds/{metric_name(one.name)}": one.seconds for one in result.stages}


def tags(result: RunResult) -> dict[str, str]:
    """What identifies the run and its lineage."""
    found = {
        "bot4.run_id": result.run_id,
        "bot4.kind": "training",
        "bot4.members": ", ".join(one.name for one in result.predictors if one.role == "member"),
        "bot4.instruments": ", ".join(one.symbol for one in result.data),
        "bot4.bars": ", ".join(dict.fromkeys(f"{one.venue} {one.interval}" for one in result.data)),
        "bot4.config_digest": result.config_digest,
        "bot4.feature_digest": result.features.digest,
        "mlflow.source.name": result.command,
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": description(result),
    }
    if result.git_commit:
        found["mlflow.source.git.commit"] = result.git_commit
    if result.bundle is not None:
        found["bot4.bundle_digest"] = result.bundle.digest
    if result.trained_on:
        found["bot4.trained_on"] = "; ".join(f"{name}: {where}" for name, where in result.trained_on.items())
    return found


def description(result: RunResult) -> str:
    """The verdict in Markdown, which the UI shows with the run."""
    found = verdict(result)
    return "\n".join([f"**{found.headline}**", "", *(f"- {sentence}" for sentence in found.sentences)])


def predictor_table(result: RunResult) -> Table:
    """One row a predictor and metric, with its interval."""
    rows = [
        (predictor.name, predictor.role, metric, one.value, one.low, one.high)
        for predictor in result.predictors
        for metric, one in predictor.scores.items()
    ]
    return table(("predictor", "role", "metric", "value", "low", "high"), rows)


def fold_table(result: RunResult) -> Table:
    """One row a fold, predictor and metric."""
    rows = [
        (fold.number, format_time(fold.test.start), format_time(fold.test.end), predictor, metric, value)
        for fold in result.folds
        for predictor, scores in fold.scores.items()
        for metric, value in scores.items()
    ]
    return table(("fold", "test_start", "test_end", "predictor", "metric", "value"), rows)


def data_table(result: RunResult) -> Table:
    """One row an instrument."""
    rows = [
        (one.symbol, one.venue, one.interval, one.rows, format_time(one.start), format_time(one.end), one.fingerprint)
        for one in result.data
    ]
    return table(("symbol", "venue", "interval", "rows", "start", "end", "fingerprint"), rows)


def table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    """Rows as MLflow's columns."""
    return {name: [row[column] for row in rows] for column, name in enumerate(names)}
