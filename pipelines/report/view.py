"""What the template shows, as plain rows of text: all arithmetic and formatting happens here."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from market.time import DAY, HOUR, format_time
from pipelines.figures.gallery import Picture, gallery
from pipelines.figures.style import svg
from pipelines.results import METRICS, Backtest, Estimate, Fold, Performance, Predictor, RunResult
from pipelines.verdict import information_gain, interval, number, percent, verdict

STYLE = Path(__file__).parent / "templates" / "style.css"
DIGITS = {"information_gain": 5, "log_loss": 5}
HEADINGS = {
    "information_gain": "information gain",
    "log_loss": "log loss",
    "brier": "Brier",
    "auc": "AUC",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "information_coefficient": "information coefficient",
}

Row = dict[str, Any]


def cell(estimate: Estimate, digits: int, signed: bool = False) -> Row:
    """A table cell: the value, its interval beneath, and whether the interval excludes zero."""
    bounds = [number(bound, digits, signed) for bound in (estimate.low, estimate.high)]
    return {"value": number(estimate.value, digits, signed), "interval": f"{bounds[0]} to {bounds[1]}"}


def duration(nanoseconds: int) -> str:
    """A stretch of time for reading.

    Examples
    --------
    >>> duration(3 * DAY), duration(36 * HOUR)
    ('3.0 days', '1.5 days')
    """
    days = nanoseconds / DAY
    return f"{days:,.1f} days" if days >= 1 else f"{nanoseconds / HOUR:,.1f} hours"


def day(nanoseconds: int) -> str:
    """The date of a time."""
    return format_time(nanoseconds)[:10]


def predictor_rows(result: RunResult) -> list[Row]:
    """One row a predictor: every metric with its interval, and how it stands against the ensemble."""
    against = {one.other: one.difference for one in result.differences if one.metric == "log_loss"}
    return [
        {
            "name": one.name,
            "role": one.role,
            "cells": [_metric_cell(one, metric) for metric in METRICS],
            "against": _standing(against.get(one.name)),
            "difference": cell(against[one.name], 5, signed=True) if one.name in against else None,
        }
        for one in result.predictors
    ]


def _metric_cell(predictor: Predictor, metric: str) -> Row:
    signed = metric in ("information_gain", "information_coefficient")
    return cell(predictor.scores.get(metric, Estimate(None)), DIGITS.get(metric, 4), signed)


def _standing(difference: Estimate | None) -> str:
    if difference is None:
        return ""
    if difference.above_zero:
        return "worse"
    return "better" if difference.below_zero else "undecided"


def fold_rows(folds: tuple[Fold, ...]) -> list[Row]:
    """One row a fold."""
    return [
        {
            "index": fold.index,
            "train": " and ".join(f"{day(span.start)} – {day(span.end)}" for span in fold.train),
            "test": f"{day(fold.test.start)} – {day(fold.test.end)}",
            "train_rows": f"{fold.train_rows:,}",
            "train_effective": number(fold.train_effective, 0),
            "test_rows": f"{fold.test_rows:,}",
            "test_effective": number(fold.test_effective, 0),
            "compared": "yes" if fold.compared else "no",
            "gains": {
                name: number(scores.get("information_gain"), 5, signed=True) for name, scores in fold.scores.items()
            },
        }
        for fold in folds
    ]


def performance_rows(backtest: Backtest) -> list[tuple[str, str, str]]:
    """Name, net and before-costs value of every line of a strategy's summary."""
    net, gross = (_performance(one) for one in (backtest.net_performance, backtest.gross_performance))
    return [(name, net[name], gross[name]) for name in net]


def _performance(one: Performance) -> dict[str, str]:
    return {
        "Total return": percent(one.total_return, 2, signed=True),
        "Sharpe ratio, annual": interval(one.sharpe_annual, 2, signed=True),
        "Sharpe ratio, per period": interval(one.sharpe, 4, signed=True),
        "Probability that the true Sharpe ratio is above 0": percent(one.probabilistic_sharpe),
        "The same, deflated for the number of trials": percent(one.deflated_sharpe),
        "Maximal drawdown": percent(one.max_drawdown, 2),
        "Longest time under water": duration(one.time_under_water),
        "Trades": f"{one.trades:,}",
        "Hit ratio": percent(one.hit_ratio),
        "Turnover (traded value over mean equity)": number(one.turnover, 1),
        "Fees": number(one.fees, 2),
        "Slippage": number(one.slippage, 2),
    }


def reference_rows(backtest: Backtest) -> list[Row]:
    """One row a buy-and-hold reference."""
    return [
        {
            "name": one.name,
            "return": percent(one.total_return, 2, signed=True),
            "sharpe": interval(one.sharpe_annual, 2, signed=True),
            "drawdown": percent(one.max_drawdown, 2),
        }
        for one in backtest.references
    ]


def tiles(result: RunResult) -> list[tuple[str, str, str]]:
    """The few numbers to see first: label, value, what it is."""
    level = f"{100 * result.confidence:.0f} % interval"
    gain = information_gain(result)
    found = [("Information gain", number(gain.value, 5, signed=True), _between(gain, 5, level, "nats per decision"))]
    if result.backtest is not None:
        net = result.backtest.net_performance
        sharpe = net.sharpe_annual
        found.append(("Net annual Sharpe", number(sharpe.value, 2, signed=True), _between(sharpe, 2, level)))
        text = f"out of sample, after costs; drawdown {percent(net.max_drawdown)}"
        found.append(("Net return", percent(net.total_return, signed=True), text))
    if result.paper is not None:
        returned = percent(result.paper.backtest.net_performance.total_return, signed=True)
        text = "equal to research in every byte" if result.paper.identical else "NOT equal to research"
        found.append(("Paper return", returned, f"untouched stretch; {text}"))
    return found


def _between(estimate: Estimate, digits: int, level: str, unit: str = "") -> str:
    low, high = (number(bound, digits, signed=True) for bound in (estimate.low, estimate.high))
    return f"{unit + ', ' if unit else ''}{level} {low} to {high}"


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """A nested document as dotted names and texts.

    Examples
    --------
    >>> list(flattened({"rows": 10, "members": {"lstm": {"error": 0.5}}}))
    [('rows', '10'), ('members.lstm.error', '0.5')]
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flattened(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        yield name, ", ".join(str(item) for item in value)
    else:
        yield name, str(value)


def image(picture: Picture) -> Row:
    """A figure as an image inside the document."""
    data = base64.b64encode(svg(picture.figure)).decode()
    return {"name": picture.name, "caption": picture.caption, "source": f"data:image/svg+xml;base64,{data}"}


def series_rows(result: RunResult) -> list[Row]:
    """One row an instrument."""
    return [
        {
            "symbol": one.symbol,
            "venue": one.venue,
            "interval": one.interval,
            "rows": f"{one.rows:,}",
            "start": format_time(one.start),
            "end": format_time(one.end),
            "gaps": f"{one.gaps:,} ({one.missing_bars:,} bars)",
            "fingerprint": one.fingerprint,
            "findings": one.findings,
        }
        for one in result.data
    ]


def view(result: RunResult) -> Row:
    """Everything the template needs."""
    return {
        "result": result,
        "verdict": verdict(result),
        "style": STYLE.read_text(encoding="utf-8"),
        "created": format_time(result.created),
        "level": f"{100 * result.confidence:.0f} %",
        "tiles": tiles(result),
        "figures": {name: image(picture) for name, picture in gallery(result).items()},
        "headings": [(HEADINGS[metric], METRICS[metric]) for metric in METRICS],
        "predictors": predictor_rows(result),
        "weights": [(name, number(weight, 3)) for name, weight in result.weights.items()],
        "folds": fold_rows(result.folds),
        "fold_predictors": list(dict.fromkeys(name for fold in result.folds for name in fold.scores)),
        "backtest": performance_rows(result.backtest) if result.backtest else [],
        "references": reference_rows(result.backtest) if result.backtest else [],
        "paper": performance_rows(result.paper.backtest) if result.paper else [],
        "parity": result.paper.parity if result.paper else (),
        "series": series_rows(result),
        "base_rate": percent(result.samples.base_rate, 2),
        "effective": number(result.samples.effective, 0),
        "certificate": list(flattened(result.certificate)),
        "stages": [(one.name, "cached" if one.cached else f"{one.seconds:,.1f} s") for one in result.stages],
        "seconds": f"{result.seconds:,.1f} s",
        "config": msgspec.json.format(msgspec.json.encode(result.config), indent=2).decode(),
    }
